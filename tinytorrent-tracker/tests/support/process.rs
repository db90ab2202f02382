//! Other people's programs.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

/// A program that ends with the test.
pub struct Process(Child);

impl Process {
    /// The standard input, which is closed when the test ends in any way.
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

/// Waits until a program accepts connections there.
pub async fn listening(address: SocketAddr) -> bool {
    for _ in 0..1200 {
        if TcpStream::connect(address).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// True if the program can be started. Otherwise prints that the test is left out.
///
/// # Panics
///
/// If the program cannot be started and `TINYTORRENT_INTEROP=require` is set.
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

/// Prints the reason why a test is left out. The test harness would capture `println!`.
pub fn left_out(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "left out: {test}: {why}");
}
