//! danted, a SOCKS5 proxy with user and password that relays datagrams.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use super::need::on_path;
use super::process::Process;
use super::scene::Scene;
use super::{START, net};

/// A proxy for the user `joe` with the password `secret`.
pub struct Dante {
    address: SocketAddr,
    process: Process,
}

/// It asks the system for passwords, which are in this file: `openssl passwd -6 -salt tinytorrent secret`.
const SHADOW: &str = "joe:$6$tinytorrent$9afvGQ/kff4nC1GKHh8.YT.Iki84iHbc.kDiiiHqy9dFcuF1quBugiasbv/uOANJQ4y646vEnhsihkRtHohpI0:20000::::::\n";

/// Its users: it becomes `root` where it needs rights, and `joe` is the client.
const USERS: &str = "root:x:0:0::/root:/bin/sh\njoe:x:0:0::/root:/bin/sh\n";

/// Puts these files in the place of the system's, for the proxy alone.
const SCRIPT: &str = r#"
    mount --bind "$1/passwd" /etc/passwd
    mount --bind "$1/shadow" /etc/shadow
    exec "$2" -f "$1/danted.conf" -p "$1/danted.pid" -N 1
"#;

impl Dante {
    /// Starts it, and waits until it listens.
    pub fn start(scene: &Scene) -> Self {
        let room = scene.room("dante");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, net::free_port()));
        let config = format!(
            "logoutput: stdout\n\
             internal: {} port = {}\n\
             external: 127.0.0.1\n\
             clientmethod: none\n\
             socksmethod: username\n\
             user.privileged: root\n\
             user.unprivileged: root\n\
             client pass {{\n from: 127.0.0.0/8 to: 0.0.0.0/0\n log: error\n }}\n\
             socks pass {{\n from: 127.0.0.0/8 to: 0.0.0.0/0\n\
             command: connect udpassociate\n log: connect error\n }}\n\
             socks pass {{\n from: 0.0.0.0/0 to: 127.0.0.0/8\n command: udpreply\n }}\n",
            address.ip(),
            address.port(),
        );
        fs::write(room.join("danted.conf"), config).unwrap();
        fs::write(room.join("passwd"), USERS).unwrap();
        fs::write(room.join("shadow"), SHADOW).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]);
        command.args(["sh", "-euc", SCRIPT, "sh"]).arg(&room);
        command.arg(on_path("danted").expect("asked for by the test"));
        let process = Process::spawn("danted", &command, scene.path());
        net::wait_listening(address.port(), START);
        Self { address, process }
    }

    /// Its URL, with the user and this password.
    pub fn url(&self, password: &str) -> String {
        format!("socks5://joe:{password}@{}", self.address)
    }

    /// Its lines about connections and associations.
    pub fn log(&self) -> String {
        self.process.stdout()
    }
}
