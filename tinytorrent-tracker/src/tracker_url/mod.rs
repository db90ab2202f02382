use std::fmt;
use std::sync::Arc;

mod join;
mod parse;

#[cfg(feature = "client")]
pub(crate) use parse::shortened;
pub use parse::{UrlError, UrlErrorKind};

/// The announce URL of a tracker, with path and query kept byte for byte.
///
/// Private trackers put passkeys there and compare them as text, so nothing is decoded, encoded
/// or normalised, except that bytes which cannot stand in a request line are percent-encoded. A
/// fragment is dropped, since it is not sent. Cloning is cheap.
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
    /// The host in ASCII and lower case, an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Begins with `/`, unless it is empty or begins with `?`.
    path_and_query: String,
}

/// The protocol of a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP (BEP 3).
    Http,
    /// HTTP over TLS.
    Https,
    /// UDP (BEP 15).
    Udp,
}

impl Scheme {
    /// The scheme as it stands in the URL.
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
    /// The protocol of the tracker.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The host: a name in ASCII (IDNA applied) and lower case, an IPv4 address, or an IPv6
    /// address in brackets.
    pub fn host(&self) -> &str {
        &self.parts.host
    }

    /// The host for a resolver: without the brackets of an IPv6 address and without the dot at
    /// the end of a name.
    pub fn host_to_resolve(&self) -> &str {
        let host = self.parts.host.trim_start_matches('[').trim_end_matches(']');
        host.strip_suffix('.').unwrap_or(host)
    }

    /// The port; the default port of the scheme if the URL has none.
    pub fn port(&self) -> u16 {
        self.parts.port
    }

    /// True if the port can be left out of a `Host` header.
    pub fn has_default_port(&self) -> bool {
        self.parts.scheme.default_port() == Some(self.parts.port)
    }

    /// The text before the `@`, as it was written: `user` or `user:password`.
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
        // Over UDP a scrape is another action of the same tracker (BEP 15, "Scrape").
        if self.scheme() == Scheme::Udp {
            return Some(self.clone());
        }
        let whole = self.path_and_query();
        // The query may have slashes too, which begin no segment.
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
}

/// The whole URL without the password.
impl fmt::Display for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { scheme, user_info, host, port, path_and_query } = &*self.parts;
        write!(f, "{}://", scheme.as_str())?;
        if let Some(user_info) = user_info {
            // URLs are printed to logs and errors, where a password must not be.
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

#[cfg(test)]
mod tests;
