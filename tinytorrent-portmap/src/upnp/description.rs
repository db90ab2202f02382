use std::net::Ipv4Addr;

use url::Url;

use super::endpoint::Endpoint;
use super::xml;

/// A service of a gateway that maps ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// The type with its version, as requests name it.
    pub(crate) kind: String,
    pub(crate) control: Endpoint,
}

/// Services of a gateway that are kept: some have one for each way to the internet.
const MAX_SERVICES: usize = 8;

/// The types that map ports, without their versions (N-23).
const KINDS: [&str; 2] = [
    "urn:schemas-upnp-org:service:WANIPConnection:",
    "urn:schemas-upnp-org:service:WANPPPConnection:",
];

/// Reads the services of a description that came from `location`, in their order. Those that lead elsewhere are left
/// out (N-25).
pub(crate) fn services(document: &[u8], location: &Url, gateway: Ipv4Addr) -> Vec<Service> {
    let (mut kind, mut control) = (String::new(), String::new());
    let mut base = None;
    let mut found = Vec::new();
    let read = xml::read(document, |element| match (element.parent, element.name) {
        ("root", "URLBase") => base = location.join(element.text).ok(),
        ("service", "serviceType") => element.text.clone_into(&mut kind),
        ("service", "controlURL") => element.text.clone_into(&mut control),
        ("serviceList", "service") => {
            let service = (std::mem::take(&mut kind), std::mem::take(&mut control));
            if found.len() < MAX_SERVICES && maps_ports(&service.0) && !service.1.is_empty() {
                found.push(service);
            }
        }
        _ => {}
    });
    if read.is_none() {
        return Vec::new();
    }
    // N-26
    let base = base.as_ref().unwrap_or(location);
    let service = |(kind, control): (String, String)| {
        let control = Endpoint::of_url(&base.join(&control).ok()?, gateway)?;
        Some(Service { kind, control })
    };
    found.into_iter().filter_map(service).collect()
}

fn maps_ports(kind: &str) -> bool {
    let version = KINDS.iter().find_map(|&of| kind.strip_prefix(of));
    // Requests have it in a header and in XML.
    version.is_some_and(|version| {
        (1..=4).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(base: &str, services: &[(&str, &str)]) -> Vec<Service> {
        let list: String = services
            .iter()
            .map(|(kind, control)| {
                format!(
                    "<service><serviceType>urn:schemas-upnp-org:service:{kind}</serviceType>\
                     <controlURL>{control}</controlURL></service>"
                )
            })
            .collect();
        let document = format!(
            "<root xmlns='urn:schemas-upnp-org:device-1-0'>{base}<device><deviceList><device>\
             <serviceList>{list}</serviceList></device></deviceList></device></root>"
        );
        let location = Url::parse("http://10.0.0.1:5000/dir/root.xml").unwrap();
        super::services(document.as_bytes(), &location, [10, 0, 0, 1].into())
    }

    fn controls(base: &str, control: &str) -> Vec<String> {
        let found = described(base, &[("WANIPConnection:1", control)]);
        let of = |service: Service| format!("{}{}", service.control.address, service.control.path);
        found.into_iter().map(of).collect()
    }

    // N-23
    #[test]
    fn services_of_any_version_are_taken_and_no_others() {
        let found = described(
            "",
            &[
                ("Layer3Forwarding:1", "/no"),
                ("WANIPConnection:2", "/a"),
                ("WANPPPConnection:1", "/b"),
                ("WANIPConnection:17", "/c"),
                ("WANIPConnection:", "/no"),
                ("WANIPConnection:1\"x", "/no"),
                ("WANIPConnection:1", ""),
            ],
        );
        let kinds: Vec<_> = found.iter().map(|service| service.kind.as_str()).collect();
        let due = [
            "urn:schemas-upnp-org:service:WANIPConnection:2",
            "urn:schemas-upnp-org:service:WANPPPConnection:1",
            "urn:schemas-upnp-org:service:WANIPConnection:17",
        ];
        assert_eq!(kinds, due);
        let many = vec![("WANIPConnection:1", "/a"); 100];
        assert_eq!(described("", &many).len(), MAX_SERVICES);
    }

    // N-26
    #[test]
    fn relative_addresses_belong_to_the_base() {
        assert_eq!(controls("", "/ctl?a=1"), ["10.0.0.1:5000/ctl?a=1"]);
        assert_eq!(controls("", "ctl"), ["10.0.0.1:5000/dir/ctl"]);
        assert_eq!(controls("", "http://10.0.0.1:99/ctl"), ["10.0.0.1:99/ctl"]);
        let base = "<URLBase>http://10.0.0.1:7000/up/</URLBase>";
        assert_eq!(controls(base, "ctl"), ["10.0.0.1:7000/up/ctl"]);
        assert_eq!(controls("<URLBase></URLBase>", "ctl"), ["10.0.0.1:5000/dir/ctl"]);
    }

    // N-25
    #[test]
    fn services_elsewhere_are_left_out() {
        for control in ["http://10.0.0.9/ctl", "http://127.0.0.1/ctl", "//10.0.0.9/ctl"] {
            assert!(controls("", control).is_empty(), "{control}");
        }
        for base in ["http://127.0.0.1/", "https://10.0.0.1/", "file:///"] {
            assert!(controls(&format!("<URLBase>{base}</URLBase>"), "ctl").is_empty(), "{base}");
        }
    }
}
