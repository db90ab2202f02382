//! Servers of the internet, and those of the local network that nobody may be led to.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The time that a web seed takes to answer, so that peers have their turn.
const SLOW: Duration = Duration::from_secs(1);

/// The answer of a server to a request.
#[derive(Clone)]
pub(crate) enum Web {
    /// It has this file, under each path.
    File(PathBuf),
    /// It sends everybody there.
    Redirect(String),
    /// It answers with this text.
    Text(String),
}

/// Serves at this address. Returns the number of connections.
pub(crate) fn serve(at: SocketAddr, web: Web) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind(at).unwrap();
    let count = Arc::<AtomicUsize>::default();
    let connections = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            connections.fetch_add(1, Ordering::Relaxed);
            let web = web.clone();
            // Whoever hangs up is not of interest.
            std::thread::spawn(move || {
                let mut requests = BufReader::new(&stream);
                while answer(&mut requests, &stream, &web).is_some() {}
            });
        }
    });
    count
}

fn answer(requests: &mut impl BufRead, mut stream: &TcpStream, web: &Web) -> Option<()> {
    let mut range = None;
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        match line.strip_prefix("range: bytes=").and_then(|range| range.split_once('-')) {
            Some((from, to)) => range = Some((from.parse().ok()?, to.parse::<usize>().ok()?)),
            None if line.is_empty() => break,
            None => {}
        }
    }
    let (head, body) = match web {
        Web::File(path) => {
            std::thread::sleep(SLOW);
            let bytes = fs::read(path).ok()?;
            let (from, to) = range.unwrap_or((0, bytes.len() - 1));
            let part =
                format!("206 Partial Content\r\nContent-Range: bytes {from}-{to}/{}", bytes.len());
            (part, bytes.get(from..=to)?.to_vec())
        }
        Web::Redirect(to) => (format!("302 Found\r\nLocation: {to}"), Vec::new()),
        Web::Text(text) => ("200 OK\r\nContent-Type: text/xml".to_owned(), text.clone().into()),
    };
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).ok()
}

/// The description of a gateway that has its requests sent elsewhere.
fn description(control: &str) -> String {
    let service = "urn:schemas-upnp-org:service:WANIPConnection:1";
    format!(
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>\
         <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><serviceList><service>\
         <serviceType>{service}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>\
         <controlURL>{control}</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s.xml</SCPDURL>\
         </service></serviceList></device></root>"
    )
}

/// A gateway of UPnP at this address that names `elsewhere`: as the place of its description, and in the description at
/// the gateway itself. Returns the number of connections to the gateway.
pub(crate) fn lying_gateway(at: Ipv4Addr, elsewhere: SocketAddr) -> Arc<AtomicUsize> {
    let own = SocketAddr::from((at, 5001));
    let count = serve(own, Web::Text(description(&format!("http://{elsewhere}/control"))));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 1900)).unwrap();
    socket.join_multicast_v4(&Ipv4Addr::new(239, 255, 255, 250), &at).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if !buffer[..length].starts_with(b"M-SEARCH") {
                continue;
            }
            for place in [elsewhere, own] {
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=60\r\nEXT:\r\n\
                     ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
                     USN: uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
                     LOCATION: http://{place}/description.xml\r\n\r\n"
                );
                let _ = socket.send_to(answer.as_bytes(), from);
            }
        }
    });
    count
}

/// The web seeds of the internet, with this file at port 7080 and 7081, and one at 7084 that sends everybody to `inside`.
/// Returns the connections of the last.
pub(crate) fn web_seeds(
    internet: [&str; 2],
    file: &Path,
    inside: SocketAddr,
) -> Vec<Arc<AtomicUsize>> {
    let mut redirects = Vec::new();
    for ip in internet {
        let at = |port| SocketAddr::new(ip.parse().unwrap(), port);
        for port in [7080, 7081] {
            serve(at(port), Web::File(file.to_owned()));
        }
        redirects.push(serve(at(7084), Web::Redirect(format!("http://{inside}/content"))));
    }
    redirects
}
