//! Other people's programs.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

/// A program that ends with the test.
pub struct Process(Child);

impl Process {
    /// Its standard input is closed when the test ends, in whatever way; who reads it can tell.
    pub fn spawn(command: &mut Command) -> std::io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Self)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago, for TCP at least.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until somebody accepts connections there.
pub async fn listening(address: SocketAddr) -> bool {
    for _ in 0..1200 {
        if TcpStream::connect(address).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// Whether the program can be started at all. If not, tells that the test is left out.
///
/// # Panics
///
/// When it cannot and `TINYTORRENT_INTEROP=require` is set.
pub fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_installed = command.status().is_ok();
    if !is_installed {
        let required = std::env::var("TINYTORRENT_INTEROP").is_ok_and(|value| value == "require");
        assert!(!required, "{program} is not installed");
        left_out(&format!("{program} is not installed"));
    }
    is_installed
}

/// Tells why a test is left out; the harness would keep `println!` to itself.
pub fn left_out(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "left out: {test}: {why}");
}
