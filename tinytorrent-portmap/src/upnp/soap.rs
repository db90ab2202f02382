use std::net::Ipv4Addr;

use super::xml;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It was done. The address outside, if it was asked for and there is one.
    Done(Option<Ipv4Addr>),
    /// It was not, for a reason with this number.
    Fault(u16),
}

/// Writes a request. No argument has a character that means something in XML.
pub(crate) fn request(kind: &str, action: &str, arguments: &[(&str, String)]) -> String {
    let of_argument = |(name, value): &(&str, String)| format!("<{name}>{value}</{name}>");
    let arguments: String = arguments.iter().map(of_argument).collect();
    format!(
        "<?xml version=\"1.0\"?>\r\n\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>\
         <u:{action} xmlns:u=\"{kind}\">{arguments}</u:{action}></s:Body></s:Envelope>\r\n"
    )
}

/// Reads the answer to a request; `None` if it is none.
pub(crate) fn reply(action: &str, document: &[u8]) -> Option<Reply> {
    let (mut is_done, mut fault, mut address) = (false, None, None);
    xml::read(document, |element| match (element.parent, element.name) {
        ("Body", name) if name.strip_suffix("Response") == Some(action) => is_done = true,
        ("UPnPError", "errorCode") => fault = element.text.parse().ok(),
        (_, "NewExternalIPAddress") => address = element.text.parse().ok(),
        _ => {}
    })?;
    match fault {
        Some(code) => Some(Reply::Fault(code)),
        None => {
            is_done.then_some(Reply::Done(address.filter(|ip: &Ipv4Addr| !ip.is_unspecified())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Option<Reply> {
        let document = format!(
            "<?xml version='1.0'?><SOAP-ENV:Envelope xmlns:SOAP-ENV='x'><SOAP-ENV:Body>{body}\
             </SOAP-ENV:Body></SOAP-ENV:Envelope>"
        );
        reply("AddPortMapping", document.as_bytes())
    }

    // N-27
    #[test]
    fn faults_have_a_number_with_or_without_a_text() {
        let fault = |detail: &str| {
            of(&format!(
                "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>\
                 <detail><UPnPError xmlns='y'>{detail}</UPnPError></detail></s:Fault>"
            ))
        };
        let text = "<errorDescription>OnlyPermanentLeasesSupported</errorDescription>";
        let code = "<errorCode> 725 </errorCode>";
        assert_eq!(fault(&[code, text].concat()), Some(Reply::Fault(725)));
        assert_eq!(fault(code), Some(Reply::Fault(725)));
        assert_eq!(fault("<errorCode>-1</errorCode>"), None);
        assert_eq!(fault(text), None);
    }

    #[test]
    fn an_answer_is_that_to_the_request() {
        assert_eq!(of("<u:AddPortMappingResponse xmlns:u='z'/>"), Some(Reply::Done(None)));
        assert_eq!(of("<u:DeletePortMappingResponse/>"), None);
        assert_eq!(of(""), None);
        assert_eq!(reply("AddPortMapping", b"<html>no</html>"), None);
        assert_eq!(reply("AddPortMapping", b"\xff\xfe\x00"), None);
        let with = |ip| {
            of(&format!(
                "<u:AddPortMappingResponse><NewExternalIPAddress>{ip}</NewExternalIPAddress>\
                 </u:AddPortMappingResponse>"
            ))
        };
        assert_eq!(with("9.9.9.9"), Some(Reply::Done(Some([9, 9, 9, 9].into()))));
        for none in ["", "0.0.0.0", "fe80::1", "nowhere"] {
            assert_eq!(with(none), Some(Reply::Done(None)), "{none}");
        }
    }

    #[test]
    fn a_request_is_an_envelope_with_its_arguments_in_their_order() {
        let arguments = [("NewRemoteHost", String::new()), ("NewExternalPort", "7".to_owned())];
        let text = request("urn:k:1", "DeletePortMapping", &arguments);
        let inner = "<u:DeletePortMapping xmlns:u=\"urn:k:1\"><NewRemoteHost></NewRemoteHost>\
            <NewExternalPort>7</NewExternalPort></u:DeletePortMapping>";
        assert!(text.contains(&format!("<s:Body>{inner}</s:Body></s:Envelope>")), "{text}");
        let mut seen = Vec::new();
        xml::read(text.as_bytes(), |element| seen.push(element.name.to_owned())).unwrap();
        assert_eq!(seen.len(), 5);
    }
}
