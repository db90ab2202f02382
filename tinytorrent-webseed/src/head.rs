/// The head of a response, as far as web seeds use it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// True if the server keeps the connection for more requests.
    pub keeps_alive: bool,
    /// True if the server speaks HTTP/1.1, so that several requests may be on their way.
    pub is_http_1_1: bool,
    /// The length of the body, if it is told and counts.
    pub content_length: Option<u64>,
    /// The range that the body is, if it is told and can be read.
    pub content_range: Option<ContentRange>,
    /// True if the body is compressed, or coded in another way.
    pub is_coded: bool,
    /// True if the body comes in chunks.
    pub is_chunked: bool,
    /// The value of `Retry-After`.
    pub retry_after: Option<String>,
    /// The value of `Location`. Bytes that are not ASCII are escaped, as they go back as they came.
    pub location: Option<String>,
}

/// The value of `Content-Range` (RFC 9110, section 14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The offset of the first byte.
    pub first: u64,
    /// The offset of the last byte.
    pub last: u64,
    /// Bytes of the whole file, if the server knows them.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the value of the header; `None` if it is no range of bytes.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (unit, rest) = text.split_once([' ', '='])?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, total) = rest.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = match total.trim() {
            "*" => None,
            number => Some(digits(number)?),
        };
        let (first, last) = (digits(first.trim())?, digits(last.trim())?);
        let fits = first <= last && total.is_none_or(|total| last < total);
        fits.then_some(Self { first, last, total })
    }
}

impl Head {
    /// Reads a head that is complete.
    pub(crate) fn of(response: &httparse::Response<'_, '_>) -> Result<Self, BadHead> {
        let is_http_1_1 = response.version == Some(1);
        let mut head = Self {
            status: response.code.unwrap_or_default(),
            is_http_1_1,
            keeps_alive: is_http_1_1,
            ..Self::default()
        };
        for header in response.headers.iter() {
            head.add(header.name, header.value)?;
        }
        if head.is_chunked {
            // The chunks count (RFC 9112, section 6.3).
            head.content_length = None;
        }
        Ok(head)
    }

    fn add(&mut self, name: &str, value: &[u8]) -> Result<(), BadHead> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("content-length") {
            for part in value.split(|&byte| byte == b',') {
                let length = std::str::from_utf8(part).ok().and_then(|text| digits(text.trim()));
                let length = length.ok_or(BadHead)?;
                // Two lengths are two opinions about where the next response begins.
                if self.content_length.is_some_and(|before| before != length) {
                    return Err(BadHead);
                }
                self.content_length = Some(length);
            }
        } else if is("content-range") {
            self.content_range = ContentRange::parse(value);
        } else if is("content-encoding") {
            self.is_coded |= tokens(value).any(|coding| coding != "identity");
        } else if is("transfer-encoding") {
            let codings: Vec<_> = tokens(value).filter(|coding| coding != "identity").collect();
            match codings.as_slice() {
                [] => {}
                [only] if only == "chunked" => self.is_chunked = true,
                _ => return Err(BadHead),
            }
        } else if is("connection") {
            for token in tokens(value) {
                match token.as_str() {
                    "close" => self.keeps_alive = false,
                    "keep-alive" => self.keeps_alive = true,
                    _ => {}
                }
            }
        } else if is("retry-after") {
            self.retry_after = std::str::from_utf8(value).ok().map(|text| text.trim().to_owned());
        } else if is("location") {
            self.location = Some(location(value.trim_ascii())).filter(|text| !text.is_empty());
        }
        Ok(())
    }
}

/// A head whose lengths or codings contradict each other, so that the end of the body is not known.
#[derive(Debug)]
pub(crate) struct BadHead;

/// A number in digits alone; `parse` would take a sign as well.
fn digits(text: &str) -> Option<u64> {
    let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| text.parse().ok()).flatten()
}

fn tokens(value: &[u8]) -> impl Iterator<Item = String> {
    let parts = value.split(|&byte| byte == b',').map(|part| part.trim_ascii());
    let filled = parts.filter(|part| !part.is_empty());
    filled.map(|part| String::from_utf8_lossy(part).to_ascii_lowercase())
}

/// The target of a redirect, whose raw bytes are escaped.
fn location(value: &[u8]) -> String {
    let escaped = |byte: &u8| match byte {
        byte if byte.is_ascii() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    value.iter().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F-04; RFC 9110, section 14.4
    #[test]
    fn ranges_are_read_strictly() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        for (text, expected) in [
            ("bytes 0-499/1234", range(0, 499, Some(1234))),
            ("Bytes 734-1233/*", range(734, 1233, None)),
            ("bytes=5-5/6", range(5, 5, Some(6))),
            ("bytes 5-4/6", None),
            ("bytes 0-6/6", None),
            ("bytes */6", None),
            ("bytes 0-5", None),
            ("bytes +0-5/6", None),
            ("bytes 0-18446744073709551616/*", None),
            ("pieces 0-5/6", None),
            ("", None),
        ] {
            assert_eq!(ContentRange::parse(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(ContentRange::parse(b"bytes 0-\xff/6"), None);
    }
}
