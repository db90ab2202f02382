//! Free ports, and whether somebody listens on one without knocking at it.

use std::collections::HashSet;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A port that is free for TCP and UDP on every address, and is given to nobody else in this run.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().expect("no test panics while it holds the lock");
    let given = given.get_or_insert_default();
    loop {
        let tcp = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("some port is free");
        let port = tcp.local_addr().expect("a bound socket has an address").port();
        if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() && given.insert(port) {
            return port;
        }
    }
}

/// An address with a free port on this host.
pub fn free_address(host: &str) -> SocketAddr {
    SocketAddr::new(host.parse().expect("tests name hosts by address"), free_port())
}

/// Waits until some process listens on a TCP port.
///
/// It reads the kernel's tables: a connection would be taken for a peer.
pub fn wait_listening(port: u16, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !is_listening(port) {
        assert!(Instant::now() < deadline, "nothing listens on port {port} after {patience:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_listening(port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        text.lines().skip(1).any(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let local = fields.next().unwrap_or_default();
            let state = fields.nth(1).unwrap_or_default();
            state == "0A" && local.ends_with(&wanted)
        })
    })
}
