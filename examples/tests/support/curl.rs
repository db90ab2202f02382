//! curl as a client of our HTTP servers.

use std::process::{Command, Stdio};

/// A response: its status line and headers as text, and its body.
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let found = fields.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }
}

/// Fetches a URL, with more words for curl.
pub fn curl(url: &str, words: &[&str]) -> Response {
    let mut command = Command::new("curl");
    command.args(["--silent", "--include", "--max-time", "120", "--noproxy", "*"]).args(words);
    let output = command.arg(url).stdin(Stdio::null()).output().expect("curl is there");
    assert!(output.status.success(), "curl {words:?} {url}: {}", output.status);
    let border = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let border = border.expect("a head ends with an empty line");
    let head = String::from_utf8(output.stdout[..border].to_vec()).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status: {head}"));
    Response { status, head, body: output.stdout[border + 4..].to_vec() }
}
