use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use tinytorrent_metainfo::{FileIndex, Info};
use tinytorrent_types::{Printable, WireInfoHash};
use url::{Position, Url};

use crate::PieceRanges;

/// The URL of a web seed, over HTTP or HTTPS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebSeedUrl(Url);

/// The reason for which a text is no URL of a web seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebSeedUrlError {
    /// It is no URL.
    #[error("{0:?} is no URL")]
    Malformed(String),
    /// Web seeds are asked over HTTP and HTTPS only.
    #[error("{0:?} has a scheme that is not supported, expected http:// or https://")]
    UnsupportedScheme(String),
    /// The URL is longer than any request can be.
    #[error("the URL has {0} bytes")]
    TooLong(usize),
}

/// Bytes of a URL at most: servers take request lines of 8 KiB.
const MAX_URL: usize = 8 * 1024;

/// Characters of a URL in an error.
const SHOWN: usize = 200;

impl FromStr for WebSeedUrl {
    type Err = WebSeedUrlError;

    fn from_str(text: &str) -> Result<Self, WebSeedUrlError> {
        if text.len() > MAX_URL {
            return Err(WebSeedUrlError::TooLong(text.len()));
        }
        let shown = || Printable(&text.chars().take(SHOWN).collect::<String>()).to_string();
        let mut url = Url::parse(text.trim()).map_err(|_| WebSeedUrlError::Malformed(shown()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebSeedUrlError::UnsupportedScheme(shown()));
        }
        // It is never sent (RFC 9110, section 7.1).
        url.set_fragment(None);
        Ok(Self(url))
    }
}

impl WebSeedUrl {
    /// The URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The text of the URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL of a file of a torrent (BEP 19, "metadata extension"). The URL of a single file is that of the file,
    /// unless it ends with `/`; every other one is that of the folder in which the content lies.
    ///
    /// `None` if there is no such file, or if a server could take the path of the file for another one.
    pub fn file_url(&self, info: &Info, file: FileIndex) -> Option<Url> {
        let layout = info.layout();
        let mut files = layout.files().filter(|file| !file.is_pad());
        let is_alone = files.next().is_some() && files.next().is_none();
        if is_alone && !self.0.path().ends_with('/') {
            return Some(self.0.clone());
        }
        self.join(layout.original_path(file)?)
    }

    /// The URL with a path behind its own, whose elements are between slashes. Each element is escaped once, byte by
    /// byte, but for letters, digits and `-._~` (RFC 3986, section 2.3). A query stays at the end: it may be a key that
    /// the server asks for.
    ///
    /// `None` if an element is empty, `.` or `..`, which would lead to another place.
    pub fn join(&self, path: impl AsRef<[u8]>) -> Option<Url> {
        let mut joined = self.0[..Position::AfterPath].to_owned();
        if !joined.ends_with('/') {
            joined.push('/');
        }
        for (at, element) in path.as_ref().split(|&byte| byte == b'/').enumerate() {
            if matches!(element, b"" | b"." | b"..") {
                return None;
            }
            if at > 0 {
                joined.push('/');
            }
            escape(element, &mut joined);
        }
        joined.push_str(&self.0[Position::AfterPath..]);
        if joined.len() > MAX_URL {
            return None;
        }
        Url::parse(&joined).ok()
    }

    /// The URL of a request for ranges of a piece (BEP 17, "protocol").
    pub fn piece_url(&self, info_hash: &WireInfoHash, ranges: &PieceRanges) -> Option<Url> {
        let mut joined = self.as_str().to_owned();
        joined.push(if self.0.query().is_some() { '&' } else { '?' });
        joined.push_str("info_hash=");
        escape(info_hash.as_bytes(), &mut joined);
        // The ends of ranges are part of them.
        let (first, last) = (ranges.begin, ranges.begin + ranges.length - 1);
        write!(joined, "&piece={}&ranges={first}-{last}", ranges.piece).ok()?;
        Url::parse(&joined).ok()
    }
}

impl fmt::Display for WebSeedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn escape(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> WebSeedUrl {
        text.parse().unwrap()
    }

    /// F-01
    #[test]
    fn each_element_is_escaped_once() {
        let joined = |path: &str| url("http://h/a%20b/").join(path).unwrap().to_string();
        assert_eq!(joined("x"), "http://h/a%20b/x");
        assert_eq!(joined("a b/100%+#?&.txt"), "http://h/a%20b/a%20b/100%25%2B%23%3F%26.txt");
        assert_eq!(joined("ü%20"), "http://h/a%20b/%C3%BC%2520");
        let with_key = url("http://h/a?key=x/y#z").join("b c").unwrap();
        assert_eq!(with_key.as_str(), "http://h/a/b%20c?key=x/y");
        let raw = url("http://h").join([b'x', 0xff, b'/', b'y']).unwrap();
        assert_eq!(raw.as_str(), "http://h/x%FF/y");
    }

    /// F-01
    #[test]
    fn no_name_leads_out_of_the_folder() {
        for path in ["..", "a/../b", "./a", "a//b", "", "/a", "a/"] {
            assert_eq!(url("http://h/x/").join(path), None, "{path}");
        }
        assert_eq!(url("http://h/x/").join("...").unwrap().path(), "/x/...");
    }

    /// F-02
    #[test]
    fn only_http_is_a_web_seed() {
        assert_eq!(url(" HTTP://Host:80/x#f ").as_str(), "http://host/x");
        assert_eq!(url("https://h/a b").as_str(), "https://h/a%20b");
        for (text, is_scheme) in [("ftp://h/x", true), ("magnet:?xt=1", true), ("h/x", false)] {
            let error = text.parse::<WebSeedUrl>().unwrap_err();
            let found = matches!(error, WebSeedUrlError::UnsupportedScheme(_));
            assert_eq!(found, is_scheme, "{text}");
        }
        assert!("http://".parse::<WebSeedUrl>().is_err());
        let long = format!("http://h/{}", "x".repeat(MAX_URL));
        assert!(matches!(long.parse::<WebSeedUrl>(), Err(WebSeedUrlError::TooLong(_))));
    }

    /// F-19
    #[test]
    fn ranges_of_a_piece_are_inclusive_and_the_hash_is_escaped() {
        let hash = WireInfoHash::from_bytes(*b"aaaaaaaaaa\0 /+&bbbbb");
        let ranges = PieceRanges { piece: 7, begin: 16_384, length: 10 };
        let joined = url("http://h/seed.php").piece_url(&hash, &ranges).unwrap();
        let hash_text = "aaaaaaaaaa%00%20%2F%2B%26bbbbb";
        let query = format!("info_hash={hash_text}&piece=7&ranges=16384-16393");
        assert_eq!(joined.query(), Some(&query[..]));
        let with_query = url("http://h/?x=1").piece_url(&hash, &ranges).unwrap();
        assert!(with_query.query().unwrap().starts_with("x=1&info_hash="));
    }

    proptest! {
        /// F-01: a server that decodes the path once has the name again.
        #[test]
        fn what_is_joined_decodes_to_the_name(name in prop::collection::vec(any::<u8>(), 1..40)) {
            prop_assume!(!name.contains(&b'/') && !matches!(&name[..], b"." | b".."));
            let joined = url("http://h/base").join(&name).unwrap();
            let last = joined.path_segments().unwrap().next_back().unwrap().as_bytes().to_vec();
            let mut decoded = Vec::new();
            let mut bytes = last.into_iter();
            while let Some(byte) = bytes.next() {
                decoded.push(match byte {
                    b'%' => {
                        let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                    }
                    byte => byte,
                });
            }
            prop_assert_eq!(decoded, name);
            prop_assert!(joined.query().is_none() && joined.fragment().is_none());
        }
    }
}
