//! URLs that go into a torrent, checked as those who use them will.

use std::fmt;

use tinytorrent_tracker::{TrackerUrl, UrlError};
use url::{ParseError, Url};

/// The URL of a tracker as it was given, with its password, if it is one that can be announced to.
///
/// # Errors
///
/// The fault: no scheme, one other than `http`, `https` and `udp`, no host, or no port
/// where there is no default.
pub fn parse_tracker(text: &str) -> Result<String, UrlError> {
    text.parse::<TrackerUrl>().map(|_| text.trim().to_owned())
}

/// A tier: URLs with a comma between each two.
///
/// # Errors
///
/// The fault of the first that is none; see [`parse_tracker`].
pub fn parse_tier(text: &str) -> Result<Vec<String>, UrlError> {
    text.split(',').map(parse_tracker).collect()
}

/// The URL of a web seed as it was given (BEP 19).
///
/// # Errors
///
/// When it is no URL, or has no host, or another scheme than `http`, `https` or `ftp`.
pub fn parse_web_seed(text: &str) -> Result<String, WebSeedError> {
    let url = Url::parse(text).map_err(WebSeedError::NoUrl)?;
    match url.scheme() {
        "http" | "https" | "ftp" if text.contains("://") => Ok(text.trim().to_owned()),
        "http" | "https" | "ftp" => Err(WebSeedError::NoUrl(ParseError::EmptyHost)),
        other => Err(WebSeedError::Scheme(other.to_owned())),
    }
}

/// An error in the URL of a web seed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSeedError {
    /// It is no URL.
    NoUrl(ParseError),
    /// A scheme that no web seed has.
    Scheme(String),
}

impl fmt::Display for WebSeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUrl(error) => write!(f, "no URL: {error}"),
            Self::Scheme(scheme) => {
                write!(f, "the scheme {scheme:?} is none of web seeds: http, https or ftp")
            }
        }
    }
}

impl std::error::Error for WebSeedError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_stay_as_they_were_given() {
        for url in ["http://joe:secret@h/announce?x=%2f", "udp://h:1", "HTTPS://h"] {
            assert_eq!(parse_tracker(url).as_deref(), Ok(url));
        }
        assert_eq!(parse_tier("udp://a:1,http://b").unwrap(), ["udp://a:1", "http://b"]);
        for url in ["http://h/a b/", "https://h", "ftp://h/%20"] {
            assert_eq!(parse_web_seed(url).as_deref(), Ok(url));
        }
    }

    // U-36
    #[test]
    fn what_nobody_can_use_is_refused() {
        for text in ["", "foo", "udp://h/announce", "wss://h", "http://", "http://h:0/"] {
            assert!(parse_tracker(text).is_err(), "{text:?}");
            assert!(parse_tier(&format!("udp://h:1,{text}")).is_err(), "{text:?}");
        }
        for text in ["", " ", "foo", "h/x", "udp://h:1", "file:///x", "http:", "http://", "http:h"]
        {
            assert!(parse_web_seed(text).is_err(), "{text:?}");
        }
    }
}
