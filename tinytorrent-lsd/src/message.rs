//! Announcements: the datagrams that all clients of a network hear (BEP 14, "protocol").
//!
//! ```
//! use tinytorrent_lsd::Family;
//! use tinytorrent_lsd::message::{Announcement, write};
//!
//! let hash = "c9e15763f722f23e98a29decdfae341b98d53056".parse()?;
//! let mut datagram = Vec::new();
//! write(&mut datagram, Family::V4, 6881, "5eed", &[hash]);
//! let read = Announcement::parse(&datagram)?;
//! assert_eq!((read.port, read.cookie), (6881, Some(&b"5eed"[..])));
//! assert_eq!(read.hashes().collect::<Vec<_>>(), [hash]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tinytorrent_types::WireInfoHash;
use tinytorrent_types::hex;

/// Port of the groups.
pub const PORT: u16 = 6771;

/// Bytes of an announcement of ours at most (BEP 14, "infohash").
pub const MAX_LENGTH: usize = 1_400;

/// Bytes that are read of the announcement of another at most. Longer ones are no announcements.
pub const MAX_READ: usize = 4_096;

/// The group of a family, to which announcements are sent (BEP 14, "protocol").
pub const fn group(family: Family) -> SocketAddr {
    let ip = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(239, 192, 152, 143)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f)),
    };
    SocketAddr::new(ip, PORT)
}

pub use tinytorrent_types::compact::Family;

/// An announcement of another client, checked and not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement<'a> {
    /// The port at which its sender accepts connections; not 0.
    pub port: u16,
    /// The mark by which a sender knows its own announcements.
    pub cookie: Option<&'a [u8]>,
    /// All lines behind the first.
    headers: &'a [u8],
}

/// The reason for which a datagram is no announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It has more than [`MAX_READ`] bytes.
    #[error("{0} bytes are more than the {MAX_READ} of an announcement")]
    TooLong(usize),
    /// It does not begin with the method of announcements.
    #[error("it does not begin with BT-SEARCH")]
    Method,
    /// It names no port at which somebody could listen.
    #[error("it has no header Port with a number from 1 to 65535")]
    Port,
}

impl<'a> Announcement<'a> {
    /// Reads an announcement. Names of headers are taken in any case, unknown ones are skipped, and of several
    /// ports the first counts. Lines may end without a carriage return, and the blank lines at the end may be missing.
    ///
    /// # Errors
    /// It is no announcement, or names no port.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, MessageError> {
        if datagram.len() > MAX_READ {
            return Err(MessageError::TooLong(datagram.len()));
        }
        let (first, headers) = split_line(datagram).ok_or(MessageError::Method)?;
        let method = first.split(|&byte| byte == b' ').next().unwrap_or_default();
        if !method.eq_ignore_ascii_case(b"BT-SEARCH") {
            return Err(MessageError::Method);
        }
        let port = values(headers, b"port").next().and_then(port).ok_or(MessageError::Port)?;
        let cookie = values(headers, b"cookie").next();
        Ok(Self { port, cookie, headers })
    }

    /// The torrents in it, at most one for each 51 bytes. What is no hash is skipped; of one with 64 digits the first
    /// 40 count, as in handshakes (BEP 52).
    pub fn hashes(&self) -> impl Iterator<Item = WireInfoHash> + use<'a> {
        values(self.headers, b"infohash").filter_map(hash)
    }
}

/// Writes an announcement of the first of these torrents, as many as fit into [`MAX_LENGTH`] bytes, behind what is in
/// the buffer. Returns their number: at least 20 of them fit with a cookie of 16 characters.
pub fn write(
    into: &mut Vec<u8>,
    family: Family,
    port: u16,
    cookie: &str,
    hashes: &[WireInfoHash],
) -> usize {
    let start = into.len();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // A buffer in memory takes everything.
        let _ = into.write_fmt(text);
        let _ = into.write_all(b"\r\n");
    };
    line(format_args!("BT-SEARCH * HTTP/1.1"));
    line(format_args!("Host: {}", group(family)));
    line(format_args!("Port: {port}"));
    let end = format!("cookie: {cookie}\r\n\r\n\r\n");
    // `Infohash: `, 40 digits, and the end of the line.
    const LINE: usize = 10 + 40 + 2;
    let room = (MAX_LENGTH + start).saturating_sub(into.len() + end.len()) / LINE;
    let hashes = &hashes[..hashes.len().min(room)];
    for hash in hashes {
        let _ = write!(into, "Infohash: {hash}\r\n");
    }
    into.extend_from_slice(end.as_bytes());
    hashes.len()
}

/// The values of the headers of this name, up to the first blank line. `name`: in lower case.
fn values<'a>(headers: &'a [u8], name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let mut rest = headers;
    let lines = std::iter::from_fn(move || {
        let (line, after) = split_line(rest)?;
        rest = after;
        Some(line)
    });
    lines.take_while(|line| !line.is_empty()).filter_map(move |line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let is_it = line[..colon].trim_ascii().eq_ignore_ascii_case(name);
        is_it.then(|| line[colon + 1..].trim_ascii())
    })
}

/// The first line, and what follows it; `None` without the end of a line.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

fn port(digits: &[u8]) -> Option<u16> {
    // `parse` would take a sign.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok().filter(|&port| port != 0)
}

fn hash(digits: &[u8]) -> Option<WireInfoHash> {
    let digits = std::str::from_utf8(digits).ok()?;
    match digits.len() {
        40 => hex::decode::<20>(digits).ok().map(WireInfoHash::from_bytes),
        64 => {
            let hash = hex::decode::<32>(digits).ok()?;
            let mut start = [0; 20];
            start.copy_from_slice(&hash[..20]);
            Some(WireInfoHash::from_bytes(start))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashes(count: u8) -> Vec<WireInfoHash> {
        (0..count).map(|n| WireInfoHash::from_bytes([n; 20])).collect()
    }

    fn read(text: &str) -> Result<(u16, Vec<WireInfoHash>), MessageError> {
        Announcement::parse(text.as_bytes()).map(|read| (read.port, read.hashes().collect()))
    }

    // L-01: the bytes of BEP 14, "protocol".
    #[test]
    fn an_announcement_has_the_form_of_the_bep() {
        let mut datagram = Vec::new();
        assert_eq!(write(&mut datagram, Family::V4, 6881, "ab12", &hashes(2)), 2);
        let text = "BT-SEARCH * HTTP/1.1\r\n\
            Host: 239.192.152.143:6771\r\n\
            Port: 6881\r\n\
            Infohash: 0000000000000000000000000000000000000000\r\n\
            Infohash: 0101010101010101010101010101010101010101\r\n\
            cookie: ab12\r\n\r\n\r\n";
        assert_eq!(String::from_utf8(datagram).unwrap(), text);
        let mut datagram = Vec::new();
        write(&mut datagram, Family::V6, 1, "", &hashes(1));
        let text = String::from_utf8(datagram).unwrap();
        assert!(text.contains("\r\nHost: [ff15::efc0:988f]:6771\r\n"), "{text}");
    }

    // S-30
    #[test]
    fn an_announcement_of_many_torrents_has_at_most_1400_bytes() {
        for family in [Family::V4, Family::V6] {
            let mut datagram = b"before".to_vec();
            let count = write(&mut datagram, family, 65_535, &"f".repeat(16), &hashes(255));
            let datagram = &datagram[6..];
            assert!(count >= 20 && datagram.len() <= MAX_LENGTH, "{count}, {}", datagram.len());
            assert!(datagram.len() + 52 > MAX_LENGTH, "one more would not fit");
            let read: Vec<_> = Announcement::parse(datagram).unwrap().hashes().collect();
            assert_eq!(read, hashes(255)[..count]);
        }
    }

    // L-04
    #[test]
    fn headers_may_be_written_in_many_ways() {
        let hash = "0101010101010101010101010101010101010101";
        let due = Ok((9, hashes(2)[1..].to_vec()));
        for text in [
            "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: 9\r\nInfohash: H\r\n\r\n\r\n",
            "bt-search * HTTP/1.1\r\nINFOHASH:H\r\nport:   9  \r\ncookie: 1\r\n\r\n",
            "BT-SEARCH * HTTP/1.0\nPort: 9\nX-Other: 1:2\nno header\nInfohash: H\n\n",
            "BT-SEARCH\r\nPort : 9\r\nInfohash: H\r\n",
            "BT-SEARCH * HTTP/1.1\r\nPort: 9\r\nPort: 8\r\nInfohash: H\r\n\r\nInfohash: H\r\n",
        ] {
            let text = text.replace(": H", &format!(": {hash}")).replace(":H", &format!(":{hash}"));
            assert_eq!(read(&text), due, "{text}");
        }
    }

    // L-05
    #[test]
    fn wrong_hashes_are_skipped_and_the_rest_is_read() {
        let v2 = "0B".repeat(32);
        let lines = ["0a".repeat(20), "0g".repeat(20), "0a".repeat(19), String::new(), v2];
        let mut text = "BT-SEARCH * HTTP/1.1\r\nPort: 9\r\n".to_owned();
        for line in lines {
            text += &format!("Infohash: {line}\r\n");
        }
        let due = [10, 11].map(|n| WireInfoHash::from_bytes([n; 20])).to_vec();
        assert_eq!(read(&text), Ok((9, due)));
    }

    // L-06
    #[test]
    fn a_port_is_a_number_that_is_not_0() {
        for (port, due) in [
            ("Port: 0", None),
            ("Port: 65536", None),
            ("Port: -1", None),
            ("Port: +1", None),
            ("Port:", None),
            ("Port: 1 2", None),
            ("Other: 1", None),
            ("Port: 65535", Some(65_535)),
        ] {
            let text = format!("BT-SEARCH * HTTP/1.1\r\n{port}\r\n\r\n");
            assert_eq!(read(&text).map(|(port, _)| port), due.ok_or(MessageError::Port), "{port}");
        }
    }

    #[test]
    fn what_is_no_announcement_is_refused() {
        for text in ["", "BT-SEARCH", "M-SEARCH * HTTP/1.1\r\nPort: 9\r\n\r\n", "\r\n\r\n"] {
            assert_eq!(read(text), Err(MessageError::Method), "{text}");
        }
        let long = format!("BT-SEARCH * HTTP/1.1\r\nPort: 9\r\nX: {}\r\n", "x".repeat(MAX_READ));
        assert_eq!(read(&long), Err(MessageError::TooLong(long.len())));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            seeds in prop::collection::vec(any::<[u8; 20]>(), 0..24),
            port in 1..=u16::MAX,
            cookie in "[0-9a-f]{1,16}",
        ) {
            let hashes: Vec<_> = seeds.into_iter().map(WireInfoHash::from_bytes).collect();
            let mut datagram = Vec::new();
            let count = write(&mut datagram, Family::V6, port, &cookie, &hashes);
            prop_assert_eq!(count, hashes.len());
            let read = Announcement::parse(&datagram).unwrap();
            prop_assert_eq!((read.port, read.cookie), (port, Some(cookie.as_bytes())));
            prop_assert_eq!(read.hashes().collect::<Vec<_>>(), hashes);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(read) = Announcement::parse(&bytes) {
                prop_assert!(read.hashes().count() * 51 <= bytes.len());
            }
            let start = [&b"BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n"[..], &bytes].concat();
            prop_assert!(Announcement::parse(&start).is_ok());
        }
    }
}
