//! Gateways of UPnP. We are 127.0.0.1, and others are other addresses of loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::upnp::Search;

pub(crate) const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A request of ours.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) from: IpAddr,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    /// The action, without its service; empty for a `GET`.
    pub(crate) fn action(&self) -> &str {
        let header = self.header("SOAPAction").unwrap_or_default();
        header.trim_matches('"').rsplit('#').next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn argument(&self, name: &str) -> &str {
        let rest = self.body.split_once(&format!("<{name}>")).expect("it has the argument").1;
        rest.split_once('<').expect("it ends").0
    }

    /// The argument as a number.
    pub(crate) fn number(&self, name: &str) -> u32 {
        self.argument(name).parse().expect("it is a number")
    }
}

/// A server of HTTP that keeps what it was asked.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// One at this address that answers with these bytes, and then closes the connection.
    pub(crate) async fn new(
        address: Ipv4Addr,
        answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, from) = listener.accept().await.unwrap();
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                connections.spawn(async move {
                    let mut stream = stream;
                    let Some(asked) = read(&mut stream, from.ip()).await else { return };
                    kept.lock().unwrap().push(asked.clone());
                    // Who has had enough does not read to the end.
                    let _ = stream.write_all(&answer(&asked)).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, asked, _task: task }
    }

    /// A gateway with a service of this type, that answers actions.
    pub(crate) async fn gateway(
        address: Ipv4Addr,
        kind: &'static str,
        answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::new(address, move |asked| match asked.action() {
            "" => ok(&description(kind, "/control")),
            "GetExternalIPAddress" => {
                done(asked, "<NewExternalIPAddress>9.9.9.9</NewExternalIPAddress>")
            }
            _ => answer(asked),
        })
        .await
    }

    /// All that was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests for this action.
    pub(crate) fn actions(&self, action: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.action() == action).collect()
    }

    /// Its answer to a search.
    pub(crate) fn found(&self) -> String {
        located(&format!("http://{}/root.xml", self.address))
    }
}

async fn read(stream: &mut TcpStream, from: IpAddr) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let asked = Asked { from, head: head.to_owned(), body: body.to_owned() };
            let length = asked.header("Content-Length").map_or(0, |text| text.parse().unwrap());
            if body.len() >= length {
                return Some(asked);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A search in a network whose hosts give these answers.
pub(crate) async fn search(
    gateway: Option<Ipv4Addr>,
    answers: Vec<(Ipv4Addr, String)>,
) -> (Search, JoinSet<()>) {
    let socket = UdpSocket::bind("127.0.0.9:0").await.unwrap();
    let group = socket.local_addr().unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut buffer = [0; 2_000];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert!(buffer[..length].starts_with(b"M-SEARCH * HTTP/1.1\r\n"));
            for (host, answer) in &answers {
                let host = UdpSocket::bind((*host, 0)).await.unwrap();
                host.send_to(answer.as_bytes(), from).await.unwrap();
            }
        }
    });
    (Search { local: LOCAL, gateway, group, time: Duration::from_millis(700) }, task)
}

/// An answer to a search.
pub(crate) fn located(place: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: x\r\nLOCATION: {place}\r\n\r\n")
}

pub(crate) fn description(kind: &str, control: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>\
         <deviceList><device><deviceList><device><serviceList><service>\
         <serviceType>{kind}</serviceType><controlURL>{control}</controlURL></service>\
         </serviceList></device></deviceList></device></deviceList></device></root>"
    )
}

pub(crate) fn http(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    http("200 OK", body)
}

/// The good answer to an action.
pub(crate) fn done(asked: &Asked, inner: &str) -> Vec<u8> {
    let action = asked.action();
    envelope("200 OK", &format!("<u:{action}Response xmlns:u=\"x\">{inner}</u:{action}Response>"))
}

/// The answer that something was not done.
pub(crate) fn fault(code: u16) -> Vec<u8> {
    envelope(
        "500 Internal Server Error",
        &format!(
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>\
             <UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode>\
             </UPnPError></detail></s:Fault>"
        ),
    )
}

fn envelope(status: &str, body: &str) -> Vec<u8> {
    http(status, &format!("<s:Envelope xmlns:s=\"y\"><s:Body>{body}</s:Body></s:Envelope>"))
}
