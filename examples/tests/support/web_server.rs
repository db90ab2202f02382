//! Web servers of Debian that serve the content of a scene.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::need::PYTHON;
use super::process::Process;
use super::scene::Scene;
use super::{START, net};

/// A web server on loopback.
pub struct WebServer {
    port: u16,
    log: std::path::PathBuf,
    _process: Process,
}

impl WebServer {
    /// nginx, which closes connections after a hundred requests.
    pub fn nginx(scene: &Scene) -> Self {
        let (port, room) = (net::free_port(), scene.room("nginx"));
        let root = scene.seed_dir();
        let (root, room_text) = (text(&root), text(&room));
        let config = format!(
            "daemon off; master_process off; pid {room_text}/pid; error_log {room_text}/error;
             events {{ }}
             http {{
               log_format ours '$status $bytes_sent $request'; access_log {room_text}/log ours;
               client_body_temp_path {room_text}; proxy_temp_path {room_text};
               fastcgi_temp_path {room_text}; uwsgi_temp_path {room_text}; scgi_temp_path {room_text};
               keepalive_requests 100; sendfile on;
               server {{ listen 127.0.0.1:{port}; root {root}; }}
             }}"
        );
        fs::write(room.join("conf"), config).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(&room).arg("-c").arg(room.join("conf"));
        Self::start("nginx", &command, scene, port, &room)
    }

    /// lighttpd.
    pub fn lighttpd(scene: &Scene) -> Self {
        let (port, room) = (net::free_port(), scene.room("lighttpd"));
        let root = scene.seed_dir();
        let root = text(&root);
        let config = format!(
            "server.document-root = \"{root}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n"
        );
        fs::write(room.join("conf"), config).unwrap();
        let mut command = Command::new("/usr/sbin/lighttpd");
        command.arg("-D").arg("-f").arg(room.join("conf"));
        Self::start("lighttpd", &command, scene, port, &room)
    }

    /// The server of Python, which knows neither ranges nor HTTP/1.1.
    pub fn python(scene: &Scene) -> Self {
        let (port, room) = (net::free_port(), scene.room("python"));
        let mut command = Command::new(PYTHON);
        command.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
        command.arg("--directory").arg(scene.seed_dir());
        Self::start("http.server", &command, scene, port, &room)
    }

    fn start(name: &str, command: &Command, scene: &Scene, port: u16, room: &Path) -> Self {
        let process = Process::spawn(name, command, scene.path());
        net::wait_listening(port, START);
        Self { port, log: room.join("log"), _process: process }
    }

    /// The URL of the folder of all content.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Bytes that nginx has sent, with the heads.
    pub fn bytes_sent(&self) -> u64 {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok()).sum()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
