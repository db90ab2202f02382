use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use url::Host;

/// The announce URL of a tracker, with path and query kept byte for byte.
///
/// Private trackers put passkeys there and compare them as text, so nothing is decoded, encoded
/// or normalised, except that bytes which cannot stand in a request line are percent-encoded. A
/// fragment is dropped; it is none of the tracker's business. Cloning is cheap.
///
/// ```
/// use tinytorrent_tracker::{Scheme, TrackerUrl};
///
/// let url: TrackerUrl = "http://Tracker.example.com/x%2Fy/announce?k=a+b#top".parse()?;
/// assert_eq!(url.scheme(), Scheme::Http);
/// assert_eq!((url.host(), url.port()), ("tracker.example.com", 80));
/// assert_eq!(url.path_and_query(), "/x%2Fy/announce?k=a+b");
/// assert_eq!(url.to_scrape().unwrap().path_and_query(), "/x%2Fy/scrape?k=a+b");
/// # Ok::<(), tinytorrent_tracker::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrackerUrl {
    parts: Arc<Parts>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Parts {
    scheme: Scheme,
    user_info: Option<String>,
    /// ASCII, lower case, IPv6 in brackets.
    host: String,
    port: u16,
    /// Begins with `/`, unless it is empty or begins with `?`.
    path_and_query: String,
}

/// How a tracker is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// BEP 3.
    Http,
    /// BEP 3 over TLS.
    Https,
    /// BEP 15.
    Udp,
}

impl Scheme {
    /// As it stands in the URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Udp => "udp",
        }
    }

    /// The port of a URL that has none; BEP 15 gives no such port for UDP.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Scheme::Http => Some(80),
            Scheme::Https => Some(443),
            Scheme::Udp => None,
        }
    }
}

impl TrackerUrl {
    /// How the tracker is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The host: a name in ASCII (IDNA applied) and lower case, an IPv4 address, or an IPv6
    /// address in brackets.
    pub fn host(&self) -> &str {
        &self.parts.host
    }

    /// The host as something to resolve: without the brackets of an IPv6 address and without the
    /// dot at the end of a name.
    pub fn host_to_resolve(&self) -> &str {
        let host = self.parts.host.trim_start_matches('[').trim_end_matches(']');
        host.strip_suffix('.').unwrap_or(host)
    }

    /// The port, the scheme's own if the URL has none.
    pub fn port(&self) -> u16 {
        self.parts.port
    }

    /// Whether the port can be left out of a `Host` header.
    pub fn has_default_port(&self) -> bool {
        self.parts.scheme.default_port() == Some(self.parts.port)
    }

    /// What stands before the `@`, as it was written: `user` or `user:password`.
    pub fn user_info(&self) -> Option<&str> {
        self.parts.user_info.as_deref()
    }

    /// Everything from the path to the end of the query, as it was written. Empty if there is
    /// neither.
    pub fn path_and_query(&self) -> &str {
        &self.parts.path_and_query
    }

    /// The scrape URL: `announce` at the beginning of the last path segment becomes `scrape`, the
    /// rest stays (BEP 48). `None` if the last segment begins with something else; such a tracker
    /// cannot be scraped. A UDP tracker is scraped at the same URL.
    pub fn to_scrape(&self) -> Option<TrackerUrl> {
        if self.scheme() == Scheme::Udp {
            return Some(self.clone());
        }
        let whole = self.path_and_query();
        let path_end = whole.find('?').unwrap_or(whole.len());
        let segment = whole[..path_end].rfind('/')? + 1;
        let suffix = whole[segment..].strip_prefix("announce")?;
        let parts = Parts {
            path_and_query: format!("{}scrape{suffix}", &whole[..segment]),
            ..Parts::clone(&self.parts)
        };
        Some(TrackerUrl { parts: Arc::new(parts) })
    }

    /// The same host, path and query under another scheme and port.
    pub(crate) fn at(&self, scheme: Scheme, port: u16) -> TrackerUrl {
        TrackerUrl { parts: Arc::new(Parts { scheme, port, ..Parts::clone(&self.parts) }) }
    }

    /// The URL that a redirect of this one means: absolute, or relative to it.
    ///
    /// # Errors
    /// What is no URL of a tracker.
    pub fn join(&self, location: &str) -> Result<TrackerUrl, UrlError> {
        if has_scheme(location) {
            return location.parse();
        }
        let scheme = self.scheme().as_str();
        if let Some(rest) = location.strip_prefix("//") {
            return format!("{scheme}://{rest}").parse();
        }
        let whole = self.path_and_query();
        let path = &whole[..whole.find('?').unwrap_or(whole.len())];
        let base = match location.as_bytes().first() {
            Some(b'/') => "",
            Some(b'?') => path,
            _ => path.rfind('/').map_or("/", |slash| &path[..=slash]),
        };
        let (host, port) = (self.host(), self.port());
        let mut url: TrackerUrl = format!("{scheme}://{host}:{port}{base}{location}").parse()?;
        // The same server asks for the same password.
        Arc::make_mut(&mut url.parts).user_info.clone_from(&self.parts.user_info);
        Ok(url)
    }
}

impl FromStr for TrackerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let error = |kind| UrlError { url: shortened(text), kind };
        let trimmed = text.trim();
        if trimmed.len() > MAX_URL {
            return Err(error(UrlErrorKind::TooLong));
        }
        let (scheme, rest) =
            trimmed.split_once("://").ok_or_else(|| error(UrlErrorKind::NoScheme))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "udp" => Scheme::Udp,
            other => return Err(error(UrlErrorKind::UnsupportedScheme(shortened(other)))),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(authority_end);
        let (user_info, host_and_port) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info.to_owned()), host),
            None => (None, authority),
        };
        let (host, port) = split_port(host_and_port);
        let host = Host::parse(host).map_err(|_| error(UrlErrorKind::BadHost))?.to_string();
        let port = match port {
            Some("") | None => scheme.default_port().ok_or_else(|| error(UrlErrorKind::NoPort))?,
            Some(digits) => digits.parse().map_err(|_| error(UrlErrorKind::BadPort))?,
        };
        if port == 0 {
            return Err(error(UrlErrorKind::BadPort));
        }
        let path_and_query = printable_ascii(path_and_query);
        let parts = Parts { scheme, user_info, host, port, path_and_query };
        Ok(TrackerUrl { parts: Arc::new(parts) })
    }
}

/// The whole URL, but for the password.
impl fmt::Display for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { scheme, user_info, host, port, path_and_query } = &*self.parts;
        write!(f, "{}://", scheme.as_str())?;
        if let Some(user_info) = user_info {
            write!(f, "{}:…@", user_info.split(':').next().unwrap_or_default())?;
        }
        write!(f, "{host}")?;
        if !self.has_default_port() {
            write!(f, ":{port}")?;
        }
        f.write_str(path_and_query)
    }
}

impl fmt::Debug for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackerUrl({self})")
    }
}

/// Why a text is no URL of a tracker we can speak to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tracker {url:?}: {kind}")]
pub struct UrlError {
    /// The text, shortened.
    pub url: String,
    /// What is wrong with it.
    pub kind: UrlErrorKind,
}

/// What is wrong with a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlErrorKind {
    /// There is no `scheme://`.
    #[error("no scheme, expected http://, https:// or udp://")]
    NoScheme,
    /// A scheme that this crate does not speak, such as `wss`.
    #[error("the scheme {0:?} is not supported")]
    UnsupportedScheme(String),
    /// No host, or one that cannot exist.
    #[error("no valid host")]
    BadHost,
    /// A port that is no number between 1 and 65535.
    #[error("no valid port")]
    BadPort,
    /// `udp://` without a port; none is defined (BEP 15).
    #[error("no port, and udp:// has no default one")]
    NoPort,
    /// Longer than any server would take.
    #[error("longer than {MAX_URL} bytes")]
    TooLong,
}

fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[after_host..].rfind(':') {
        Some(colon) => {
            let colon = after_host + colon;
            (&authority[..colon], Some(&authority[colon + 1..]))
        }
        None => (authority, None),
    }
}

/// Escapes the bytes that cannot stand in a request line, and no other.
fn printable_ascii(text: &str) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                write!(out, "%{byte:02X}").expect("a string takes all");
            }
            byte if byte.is_ascii_graphic() => out.push(char::from(byte)),
            byte => write!(out, "%{byte:02X}").expect("a string takes all"),
        }
    }
    out
}

fn shortened(text: &str) -> String {
    crate::failure::printable(text.as_bytes()).chars().take(200).collect()
}

/// Servers refuse request lines of more than about 8 KiB.
const MAX_URL: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> TrackerUrl {
        text.parse().unwrap()
    }

    fn error(text: &str) -> UrlErrorKind {
        text.parse::<TrackerUrl>().unwrap_err().kind
    }

    /// H-05
    #[test]
    fn path_and_query_stay_as_they_were_written() {
        for tail in ["/a/../b//c/./announce", "/%2f%2F?x=%zz&y=a+b%20c&&=", "/~!$'()*,;:@", ""] {
            assert_eq!(url(&format!("http://h{tail}")).path_and_query(), tail);
        }
    }

    /// H-04
    #[test]
    fn fragment_is_dropped_and_user_info_is_kept_out_of_host() {
        let url = url("http://joe:pa@ss@h:8080/announce#frag");
        assert_eq!(url.user_info(), Some("joe:pa@ss"));
        assert_eq!((url.host(), url.port()), ("h", 8080));
        assert_eq!(url.path_and_query(), "/announce");
        assert!(!url.to_string().contains("pa@ss"));
    }

    /// H-39
    #[test]
    fn ipv6_literals_idna_names_and_trailing_dots_are_hosts() {
        let literal = url("http://[::1]:6969/announce");
        assert_eq!((literal.host(), literal.port()), ("[::1]", 6969));
        assert_eq!(literal.host_to_resolve(), "::1");
        assert_eq!(url("udp://[2001:DB8::1]:1").host(), "[2001:db8::1]");
        assert_eq!(url("http://bücher.example/").host(), "xn--bcher-kva.example");
        assert_eq!(url("http://t.example./").host_to_resolve(), "t.example");
    }

    /// U-36
    #[test]
    fn udp_without_a_port_is_an_error_that_names_the_url() {
        let error = "udp://tracker.example".parse::<TrackerUrl>().unwrap_err();
        assert_eq!(error.kind, UrlErrorKind::NoPort);
        assert!(error.to_string().contains("udp://tracker.example"));
    }

    #[test]
    fn what_cannot_be_a_tracker_says_why() {
        assert_eq!(error("tracker.example/announce"), UrlErrorKind::NoScheme);
        assert_eq!(error("wss://h/"), UrlErrorKind::UnsupportedScheme("wss".into()));
        assert_eq!(error("http:///announce"), UrlErrorKind::BadHost);
        assert_eq!(error("http://h:70000/"), UrlErrorKind::BadPort);
        assert_eq!(error("udp://h:0"), UrlErrorKind::BadPort);
        assert_eq!(error(&format!("http://h/{}", "a".repeat(9000))), UrlErrorKind::TooLong);
    }

    /// H-35, BEP 48
    #[test]
    fn scrape_replaces_announce_at_the_start_of_the_last_segment_only() {
        let scrape = |text: &str| url(text).to_scrape().map(|url| url.path_and_query().to_owned());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(scrape("http://announce.h/announce"), some("/scrape"));
        assert_eq!(scrape("http://h/announce/announce.php"), some("/announce/scrape.php"));
        assert_eq!(scrape("http://h/x/announce?x=2"), some("/x/scrape?x=2"));
        assert_eq!(scrape("http://h/announce?x=/announce"), some("/scrape?x=/announce"));
        assert_eq!(scrape("http://h/announce?x2%0644"), some("/scrape?x2%0644"));
        for unscrapable in ["/a", "/announce/x", "/x%064announce", "/announce/", "", "?announce"] {
            assert_eq!(scrape(&format!("http://h{unscrapable}")), None, "{unscrapable}");
        }
        assert_eq!(scrape("udp://h:1/announce"), some("/announce"));
    }

    /// H-29
    #[test]
    fn redirects_may_be_relative() {
        let base = url("http://h:81/a/announce?x=1");
        let joined = |to: &str| base.join(to).unwrap().to_string();
        assert_eq!(joined("https://other/b"), "https://other/b");
        assert_eq!(joined("//other/b"), "http://other/b");
        assert_eq!(joined("/b?y"), "http://h:81/b?y");
        assert_eq!(joined("b"), "http://h:81/a/b");
        assert_eq!(joined("?z=://"), "http://h:81/a/announce?z=://");
    }

    /// H-29
    #[test]
    fn a_password_follows_a_redirect_to_the_same_server_only() {
        let base = url("http://joe:secret@h/announce");
        let user_info = |to: &str| base.join(to).unwrap().user_info().map(str::to_owned);
        assert_eq!(user_info("/b").as_deref(), Some("joe:secret"));
        for elsewhere in ["//other/b", "http://other/b", "https://h/b"] {
            assert_eq!(user_info(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn what_a_request_line_cannot_hold_is_escaped() {
        assert_eq!(url("http://h/a b\u{e9}|\u{1}").path_and_query(), "/a%20b%C3%A9%7C%01");
    }
}
