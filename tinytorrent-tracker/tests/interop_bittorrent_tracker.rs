//! Against `bittorrent-tracker` from npm, over UDP and HTTP, on IPv4 and IPv6.
//!
//! A test fetches nothing: `TINYTORRENT_NPM` names a folder that has the package in
//! `node_modules`. `.ci/run` installs it.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use support::process::{Process, free_port, is_installed, left_out, listening};
use support::{client, hasty, story};
use tinytorrent_types::WireInfoHash;

/// Ends when its standard input does, so even if the test was killed.
const PROGRAM: &str = "
import Server from './node_modules/bittorrent-tracker/server.js'
const server = new Server({ udp: true, http: true, ws: false, stats: false })
server.listen(Number(process.argv[1]))
process.stdin.resume().on('end', () => process.exit())
";

/// The folder with the package. Prints a note and returns `None` if no folder is named.
///
/// # Panics
///
/// If the named folder does not have the package.
fn package() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("TINYTORRENT_NPM").map(PathBuf::from) else {
        left_out("TINYTORRENT_NPM is not set; CONTRIBUTING.md tells how to install the package");
        return None;
    };
    let server = folder.join("node_modules/bittorrent-tracker/server.js");
    assert!(server.exists(), "TINYTORRENT_NPM is set, and there is no {}", server.display());
    is_installed("node").then_some(folder)
}

/// U-14, U-15, U-20, U-21, U-30, H-01, H-06, H-10, H-23, H-36
#[tokio::test]
async fn bittorrent_tracker_tells_the_life_of_two_peers_on_both_families() {
    let Some(folder) = package() else { return };
    let port = free_port();
    let mut command = Command::new("node");
    command.args(["--input-type=module", "--eval", PROGRAM]).arg(port.to_string());
    command.current_dir(&folder);
    let _process = Process::spawn(&mut command).unwrap();
    assert!(listening(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await);

    let client = client(hasty());
    let hosts = ["127.0.0.1", "[::1]"];
    let udp = hosts.map(|host| format!("udp://{host}:{port}/announce"));
    let http = hosts.map(|host| format!("http://{host}:{port}/announce"));
    for (number, url) in udp.into_iter().chain(http).enumerate() {
        let hash = WireInfoHash::from_bytes([b' ' + number as u8; 20]);
        // Its UDP replies hold IPv4 peers only, over IPv6 too (`_onAnnounce` in its server.js).
        let names_peers = !url.starts_with("udp://[");
        story::two_peers_seen(&client, &url.parse().unwrap(), hash, names_peers).await;
    }
}
