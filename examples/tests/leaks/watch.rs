//! The packets that leave our host.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use crate::{PYTHON, ours, wait};

/// A packet that has left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packet {
    pub(crate) device: String,
    pub(crate) protocol: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) port: u16,
}

/// A child that ends with its guard.
pub(crate) struct Guard(pub(crate) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An onlooker at the packets of our host, each kind once.
pub(crate) struct Watch {
    seen: Arc<Mutex<BTreeSet<Packet>>>,
    _process: Guard,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let mut command = ours(PYTHON);
        command.args(["-c", WATCH]).stdout(Stdio::piped());
        let mut process = Guard(command.spawn().unwrap());
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let seen = Arc::<Mutex<BTreeSet<Packet>>>::default();
        let noting = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let fields: Vec<_> = line.split(' ').map(str::to_owned).collect();
                // The last line may be cut at the end.
                let Ok([device, protocol, source, target, port]) = <[_; 5]>::try_from(fields)
                else {
                    return;
                };
                let port = port.parse().unwrap();
                let packet = Packet { device, protocol, source, target, port };
                noting.lock().unwrap().insert(packet);
            }
        });
        Self { seen, _process: process }
    }

    pub(crate) fn seen(&self) -> BTreeSet<Packet> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for a packet to this port.
    pub(crate) fn wait_for(&self, protocol: &str, port: u16) {
        let is_it = |packet: &Packet| packet.protocol == protocol && packet.port == port;
        wait(&format!("{protocol} to {port}"), || self.seen().iter().any(is_it));
    }
}

/// Prints each packet of TCP and UDP that leaves the host: device, protocol, source, target and port.
const WATCH: &str = r#"
import socket
from ipaddress import ip_address
packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
print("ready", flush=True)
while True:
    data, (device, kind, way, _, _) = packets.recvfrom(128)
    if way != 4 or device == "lo":
        continue
    if kind == 0x0800:
        protocol, source, target, rest = data[9], data[12:16], data[16:20], data[(data[0] & 15) * 4:]
    elif kind == 0x86dd:
        protocol, source, target, rest = data[6], data[8:24], data[24:40], data[40:]
    else:
        continue
    # The system resets connections that nobody has any more by itself, by its own routes: no socket sends that.
    if protocol == 6 and rest[13] & 4:
        continue
    if protocol in (6, 17):
        name = "tcp" if protocol == 6 else "udp"
        print(device, name, ip_address(source), ip_address(target), int.from_bytes(rest[2:4], "big"), flush=True)
"#;
