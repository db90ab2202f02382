//! Against `bittorrent-tracker` from npm, over UDP and HTTP, on IPv4 and IPv6.
//!
//! It is installed below the target folder, once, unless `TINYTORRENT_NPM` names a folder that has
//! it in `node_modules`.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::process::{Process, free_port, is_installed, listening};
use support::{client, hasty, story};
use tinytorrent_types::WireInfoHash;

/// The version the tests were written against.
const PACKAGE: &str = "bittorrent-tracker@11";

const PROGRAM: &str = "
import Server from './node_modules/bittorrent-tracker/server.js'
const server = new Server({ udp: true, http: true, ws: false, stats: false })
server.listen(Number(process.argv[2]))
";

/// A folder with the package; `None` and a word about it if there is none to be had.
fn package() -> Option<PathBuf> {
    let own = std::env::var_os("TINYTORRENT_NPM").map(PathBuf::from);
    let folder = own.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("npm"));
    if !is_installed("node") || !is_installed("npm") {
        println!("skipped: node and npm are not installed");
        return None;
    }
    if !folder.join("node_modules/bittorrent-tracker/server.js").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut install = Command::new("npm");
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]);
        install.arg(&folder).arg(PACKAGE).stdout(Stdio::null()).stderr(Stdio::null());
        if !install.status().is_ok_and(|status| status.success()) {
            println!("skipped: npm cannot install {PACKAGE}");
            return None;
        }
    }
    Some(folder)
}

/// U-14, U-15, U-20, U-21, U-30, H-01, H-06, H-10, H-23, H-36
#[tokio::test]
async fn bittorrent_tracker_tells_the_life_of_two_peers_on_both_families() {
    let Some(folder) = package() else { return };
    let port = free_port();
    std::fs::write(folder.join("tracker.mjs"), PROGRAM).unwrap();
    let mut command = Command::new("node");
    command.arg("tracker.mjs").arg(port.to_string()).current_dir(&folder);
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
