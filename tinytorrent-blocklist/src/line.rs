use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

/// The meaning of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) first: IpAddr,
    pub(crate) last: IpAddr,
    /// It has a level at which it is not avoided.
    pub(crate) is_allowed: bool,
}

/// A fault of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is neither an address nor a range.
    #[error("no range of addresses")]
    NoRange,
    /// The number behind the slash is larger than the address has bits.
    #[error("the length of the prefix is no number up to that of the address")]
    Prefix,
    /// The range begins with an address of one family and ends with one of the other.
    #[error("an IPv4 address and an IPv6 address make no range")]
    MixedFamilies,
    /// The line is too long.
    #[error("the line is longer than 1,024 bytes")]
    TooLong,
}

/// The highest access level at which eMule avoids a range.
const MOST_BLOCKED: u32 = 127;

/// Reads a line of any text format; `None` for a comment.
pub(crate) fn parse(line: &[u8]) -> Result<Option<Entry>, Problem> {
    let line = line.trim_ascii();
    let is_comment = line.is_empty() || line.starts_with(b"//") || b"#;".contains(&line[0]);
    if is_comment {
        return Ok(None);
    }
    // Names may hold anything that addresses do, and stand behind them in one format and before them in the other.
    let problem = match plain(line) {
        Ok(entry) => return Ok(Some(entry)),
        Err(problem) => problem,
    };
    named(line).map(Some).ok_or(problem)
}

/// `RANGE`, or `RANGE , LEVEL , NAME` with both optional.
fn plain(line: &[u8]) -> Result<Entry, Problem> {
    let mut fields = line.splitn(3, |byte| *byte == b',');
    let addresses = fields.next().unwrap_or_default();
    let addresses = addresses.split(|byte| *byte == b'#').next().unwrap_or_default();
    let (first, last) = range(addresses.trim_ascii())?;
    let level = fields.next().and_then(|level| number(level.trim_ascii()));
    Ok(Entry { first, last, is_allowed: level.is_some_and(|level| level > MOST_BLOCKED) })
}

/// An address, a prefix, or two addresses with a dash.
fn range(text: &[u8]) -> Result<(IpAddr, IpAddr), Problem> {
    if let Some((address, length)) = split(text, b'/') {
        let address = self::address(address).ok_or(Problem::NoRange)?;
        return prefix(address, number(length)).ok_or(Problem::Prefix);
    }
    let ends = match split(text, b'-') {
        Some((first, last)) => address(first).zip(address(last)),
        None => address(text).map(|address| (address, address)),
    };
    ends.ok_or(Problem::NoRange)
}

/// `NAME:FIRST-LAST`.
fn named(line: &[u8]) -> Option<Entry> {
    let dash = line.iter().rposition(|byte| *byte == b'-')?;
    let last = address(line[dash + 1..].trim_ascii())?;
    // The address may have colons, as the name may.
    let before = &line[dash.saturating_sub(MOST_BEFORE)..dash];
    let colons = (0..before.len()).filter(|at| before[*at] == b':');
    let first = colons.into_iter().find_map(|at| address(before[at + 1..].trim_ascii()))?;
    Some(Entry { first, last, is_allowed: false })
}

/// The longest address, 45 bytes, with its colon and some spaces.
const MOST_BEFORE: usize = 64;

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == at)?;
    Some((text[..at].trim_ascii(), text[at + 1..].trim_ascii()))
}

/// All addresses that begin as this one does.
fn prefix(address: IpAddr, length: Option<u32>) -> Option<(IpAddr, IpAddr)> {
    let length = length?;
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            let first = address.to_bits() & !host;
            let ends = [first, first | host].map(|bits| Ipv4Addr::from_bits(bits).into());
            (length <= u32::BITS).then_some(ends.into())
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            let first = address.to_bits() & !host;
            let ends = [first, first | host].map(|bits| Ipv6Addr::from_bits(bits).into());
            (length <= u128::BITS).then_some(ends.into())
        }
    }
}

fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = v4(text) {
        return Some(address.into());
    }
    str::from_utf8(text).ok()?.parse::<Ipv6Addr>().ok().map(IpAddr::from)
}

/// Four numbers in decimal, with leading zeros or without.
fn v4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split(|byte| *byte == b'.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() <= 3)?;
        *octet = u8::try_from(number(part)?).ok()?;
    }
    parts.next().is_none().then_some(octets.into())
}

/// A number of up to nine digits.
fn number(text: &[u8]) -> Option<u32> {
    let is_number = (1..=9).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().fold(0, |number, digit| 10 * number + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(line: &str) -> Result<String, Problem> {
        let entry = parse(line.as_bytes())?.expect("it is no comment");
        let allowed = if entry.is_allowed { " allowed" } else { "" };
        Ok(format!("{}-{}{allowed}", entry.first, entry.last))
    }

    #[test]
    fn each_format_is_read() {
        for (line, expected) in [
            ("192.0.2.7", "192.0.2.7-192.0.2.7"),
            ("192.0.2.7/24", "192.0.2.0-192.0.2.255"),
            ("192.0.2.0/24 # a comment", "192.0.2.0-192.0.2.255"),
            ("0.0.0.0/0", "0.0.0.0-255.255.255.255"),
            ("192.0.2.7/32", "192.0.2.7-192.0.2.7"),
            ("2001:db8::/32", "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8::7", "2001:db8::7-2001:db8::7"),
            (
                "001.009.096.105 - 001.009.096.110 , 000 , Some organization",
                "1.9.96.105-1.9.96.110",
            ),
            ("1.2.3.4-1.2.3.5,127,level of eMule", "1.2.3.4-1.2.3.5"),
            ("1.2.3.4 - 1.2.3.5 , 128 , a friend", "1.2.3.4-1.2.3.5 allowed"),
            ("1.2.3.4 - 1.2.3.5", "1.2.3.4-1.2.3.5"),
            ("1.2.3.4 - 1.2.3.5, a name", "1.2.3.4-1.2.3.5"),
            ("1.2.3.4 - 1.2.3.5 , 0 , a:9.9.9.9-9.9.9.9", "1.2.3.4-1.2.3.5"),
            ("2001:db8::1 - 2001:db8::9 , 000 , six", "2001:db8::1-2001:db8::9"),
            ("A name:1.2.3.4-1.2.3.5", "1.2.3.4-1.2.3.5"),
            ("A - name, with: all # of it:1.2.3.4-1.2.3.5", "1.2.3.4-1.2.3.5"),
            (":1.2.3.4-1.2.3.5\r", "1.2.3.4-1.2.3.5"),
            ("My:Company:Label:2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff"),
            ("10.0.0.0 Inc:1.2.3.4 - 1.2.3.5", "1.2.3.4-1.2.3.5"),
            ("1.2.3.9-1.2.3.4", "1.2.3.9-1.2.3.4"),
        ] {
            assert_eq!(ends(line).as_deref(), Ok(expected), "{line}");
        }
        let latin = b"Universit\xe9:1.2.3.4-1.2.3.5";
        assert!(parse(latin).unwrap().is_some());
    }

    #[test]
    fn comments_say_nothing() {
        for line in ["", "  \r", "# 1.2.3.4", "; 1.2.3.4", "// 1.2.3.4", "\t#"] {
            assert_eq!(parse(line.as_bytes()), Ok(None), "{line}");
        }
    }

    #[test]
    fn a_line_of_no_format_is_told_what_it_lacks() {
        use Problem::{NoRange, Prefix};
        for (line, problem) in [
            ("hello", NoRange),
            ("1.2.3", NoRange),
            ("1.2.3.4.5", NoRange),
            ("1.2.3.256", NoRange),
            ("1.2.3.0004", NoRange),
            ("1.2.3.-4", NoRange),
            ("1.2.3.4-", NoRange),
            ("name:1.2.3.4", NoRange),
            ("1.2.3.4/33", Prefix),
            ("1.2.3.4/", Prefix),
            ("1.2.3.4/x", Prefix),
            ("1.2.3.4/4294967300", Prefix),
            ("::/129", Prefix),
            ("<html>", NoRange),
        ] {
            assert_eq!(ends(line), Err(problem), "{line}");
        }
    }
}
