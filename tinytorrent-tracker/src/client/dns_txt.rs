use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use tinytorrent_net::Network;
use tinytorrent_types::compact::Family;
use tokio::time::{Instant, timeout};

/// Looks up the TXT records of a name at a DNS server (RFC 1035). Returns none after any error.
pub(super) async fn look_up(network: &Network, server: SocketAddr, name: &str) -> Vec<Vec<u8>> {
    match timeout(TIMEOUT, ask(network, server, name)).await {
        Ok(Ok(records)) => records,
        // Preferences are optional (BEP 34): without them the URL is used as it is.
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

async fn ask(network: &Network, server: SocketAddr, name: &str) -> io::Result<Vec<Vec<u8>>> {
    let deadline = Instant::now() + TIMEOUT;
    let socket = network.udp_socket(Family::of(server.ip()), deadline).await?;
    socket.connect(server).await?;
    let id = SysRng.try_next_u32().map_err(io::Error::other)? as u16;
    let query = query(id, name).ok_or(io::ErrorKind::InvalidInput)?;
    socket.send(&query).await?;
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // A reply with another id may be forged, so the wait goes on.
        if buffer[..length].starts_with(&id.to_be_bytes()) {
            return Ok(read_answers(&buffer[..length]).unwrap_or_default());
        }
    }
}

/// A query for TXT records; `None` for a name that DNS does not allow.
fn query(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut out = id.to_be_bytes().to_vec();
    // Recursion desired, one question, and nothing else (RFC 1035, section 4.1.1).
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend([0, TXT as u8, 0, IN as u8]);
    Some(out)
}

/// The TXT records of a response, each with its strings joined.
pub(super) fn read_answers(message: &[u8]) -> Option<Vec<Vec<u8>>> {
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let (questions, answers) = (number(4)?, number(6)?);
    let mut at = HEADER;
    for _ in 0..questions {
        // Behind the name stand type and class.
        at = skip_name(message, at)? + 4;
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        at = skip_name(message, at)?;
        let (kind, class, length) = (number(at)?, number(at + 2)?, number(at + 8)?);
        let data = message.get(at + 10..at + 10 + usize::from(length))?;
        if (kind, class) == (TXT, IN) {
            records.push(join_strings(data)?);
        }
        at += 10 + usize::from(length);
    }
    Some(records)
}

/// The offset behind the name that begins at `at`.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            // A pointer to the rest of the name, which is its end here (section 4.1.4).
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

fn join_strings(mut data: &[u8]) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    while let [length, rest @ ..] = data {
        let (string, rest) = rest.split_at_checked(usize::from(*length))?;
        joined.extend_from_slice(string);
        data = rest;
    }
    Some(joined)
}

const HEADER: usize = 12;
const TXT: u16 = 16;
const IN: u16 = 1;

/// A guess: preferences are optional, and the announce waits for them.
const TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A response to `query(7, "a.example")` with a CNAME and a TXT record of two strings.
    fn response() -> Vec<u8> {
        let mut out = query(7, "a.example").unwrap();
        out[2] = 0x81;
        out[7] = 2;
        out.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\xc0\x0c");
        out.extend(b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x13\x0bBITTORRENT \x06UDP:80");
        out
    }

    /// RFC 1035, section 4
    #[test]
    fn strings_of_a_record_are_joined_and_other_records_skipped() {
        let query = query(7, "a.example").unwrap();
        assert_eq!(query, b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x10\0\x01");
        assert_eq!(read_answers(&response()).unwrap(), [b"BITTORRENT UDP:80"]);
    }

    #[test]
    fn a_cut_response_has_no_records_and_a_bad_name_no_query() {
        let whole = response();
        for length in 0..whole.len() {
            assert_eq!(read_answers(&whole[..length]), None, "{length}");
        }
        assert_eq!(query(7, "a..b"), None);
        assert_eq!(query(7, &"a".repeat(64)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = read_answers(&bytes);
        }
    }
}
