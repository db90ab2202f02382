//! The search for gateways by SSDP (UPnP Device Architecture 1.1, section 1.3).

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::description::{Service, services};
use super::endpoint::{Endpoint, may_be_gateway};
use super::http::{Call, exchange};
use super::{REQUEST_TIME, UpnpError};

/// The group of SSDP.
pub(crate) const GROUP: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1900);

/// Searches, each with its own requests: a datagram may be lost (N-32).
const SEARCHES: u32 = 2;

/// The time of one. It is longer than `MX`, within which gateways answer.
pub(crate) const SEARCH_TIME: Duration = Duration::from_secs(4);

/// Answers that are looked at, of one search. A gateway gives one for each of its types, and not all hosts are
/// gateways.
const MAX_ANSWERS: usize = 32;

/// Time from an error of the socket to the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a datagram of SSDP at most; more are no answer to us.
const MAX_DATAGRAM: usize = 2_048;

/// The types that are searched for. A device of a later version answers to the first one as well.
const TARGETS: [&str; 4] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// The addresses at which a gateway is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// Our address, which says the interface.
    pub(crate) local: Ipv4Addr,
    /// The gateway that is there, if the system says it. It is preferred to others that answer.
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) group: SocketAddr,
    /// The time of one search.
    pub(crate) time: Duration,
}

impl Search {
    /// Returns the services of a gateway: those of the default one as soon as it answers, and of the first other one
    /// at the end of a search. A bad answer ends no search (N-24).
    pub(super) async fn run(&self) -> Result<Vec<Service>, UpnpError> {
        for _ in 0..SEARCHES {
            if let Some(found) = self.once().await.map_err(UpnpError::of_system)? {
                return Ok(found);
            }
        }
        Err(UpnpError::Silent)
    }

    async fn once(&self) -> io::Result<Option<Vec<Service>>> {
        let socket = UdpSocket::bind((self.local, 0)).await?;
        if self.group.ip().is_multicast() {
            let socket = socket2::SockRef::from(&socket);
            socket.set_multicast_if_v4(&self.local)?;
            socket.set_multicast_ttl_v4(2)?;
        }
        for target in TARGETS {
            socket.send_to(request(self.group, target).as_bytes(), self.group).await?;
        }
        let deadline = Instant::now() + self.time;
        let mut buffer = [0; MAX_DATAGRAM];
        let mut seen = HashSet::new();
        let mut asked = JoinSet::new();
        let mut other = None;
        let search = async {
            loop {
                tokio::select! {
                    received = socket.recv_from(&mut buffer) => {
                        let Ok((length, from)) = received else {
                            // One of the system, which may come again and again.
                            tokio::time::sleep(PAUSE).await;
                            continue;
                        };
                        let Some((gateway, location)) = self.place(&buffer[..length], from) else { continue };
                        if seen.len() < MAX_ANSWERS && seen.insert(location.clone()) {
                            asked.spawn(describe(self.local, gateway, location));
                        }
                    }
                    Some(described) = asked.join_next() => {
                        let Ok((gateway, found)) = described else { continue };
                        if found.is_empty() {
                            tracing::debug!(%gateway, "a host that answers the search for gateways is none");
                        } else if self.gateway.is_none_or(|default| default == gateway) {
                            return Some(found);
                        } else {
                            other.get_or_insert(found);
                        }
                    }
                }
            }
        };
        Ok(timeout_at(deadline, search).await.ok().flatten().or(other))
    }

    /// The host that answers, and the place of its description.
    fn place(&self, datagram: &[u8], from: SocketAddr) -> Option<(Ipv4Addr, Url)> {
        let IpAddr::V4(gateway) = from.ip() else { return None };
        let location = location(datagram)?;
        if !may_be_gateway(gateway, self.local) || Endpoint::of_url(&location, gateway).is_none() {
            tracing::debug!(%from, %location, "an answer to the search for gateways leads elsewhere");
            return None;
        }
        Some((gateway, location))
    }
}

async fn describe(local: Ipv4Addr, gateway: Ipv4Addr, location: Url) -> (Ipv4Addr, Vec<Service>) {
    let Some(place) = Endpoint::of_url(&location, gateway) else { return (gateway, Vec::new()) };
    let found = match exchange(local, &place, Call::Get, REQUEST_TIME).await {
        Ok((status, document)) if status.is_success() => services(&document, &location, gateway),
        _ => Vec::new(),
    };
    (gateway, found)
}

fn request(group: SocketAddr, target: &str) -> String {
    format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: {group}\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: {target}\r\n\r\n"
    )
}

/// Reads the place of the description in an answer to a search.
pub(crate) fn location(datagram: &[u8]) -> Option<Url> {
    let text = std::str::from_utf8(datagram).ok()?;
    let mut lines = text.lines();
    let mut status = lines.next()?.split_ascii_whitespace();
    let is_answer = status.next()?.starts_with("HTTP/1.") && status.next()? == "200";
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let (_, location) = headers.find(|(name, _)| name.trim().eq_ignore_ascii_case("location"))?;
    is_answer.then(|| Url::parse(location.trim()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_where_the_description_is() {
        let of = |text: &str| location(text.as_bytes()).map(String::from);
        let due = Some("http://10.0.0.1:5000/root.xml".to_owned());
        let place = "http://10.0.0.1:5000/root.xml";
        assert_eq!(of(&format!("HTTP/1.1 200 OK\r\nST: x\r\nLOCATION: {place}\r\n\r\n")), due);
        assert_eq!(of(&format!("HTTP/1.0 200\nlocation:{place}")), due, "without an end");
        assert_eq!(of(&format!("NOTIFY * HTTP/1.1\r\nLocation: {place}\r\n\r\n")), None);
        assert_eq!(of(&format!("HTTP/1.1 404 no\r\nLocation: {place}\r\n\r\n")), None);
        assert_eq!(of("HTTP/1.1 200 OK\r\nST: x\r\n\r\n"), None);
        assert_eq!(of("HTTP/1.1 200 OK\r\nLocation: /root.xml\r\n\r\n"), None);
        assert_eq!(of(""), None);
    }
}
