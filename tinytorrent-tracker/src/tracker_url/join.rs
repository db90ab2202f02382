use std::sync::Arc;

use super::{TrackerUrl, UrlError};

impl TrackerUrl {
    /// The target of a redirect from this URL. `location` is absolute or relative (RFC 3986,
    /// section 5.2).
    ///
    /// # Errors
    /// A location that is neither the URL of a tracker nor relative to one.
    pub fn join(&self, location: &str) -> Result<TrackerUrl, UrlError> {
        let location = location.trim();
        if has_scheme(location) {
            return location.parse();
        }
        let scheme = self.scheme().as_str();
        if let Some(rest) = location.strip_prefix("//") {
            return format!("{scheme}://{rest}").parse();
        }
        let target = self.resolve(location.split('#').next().unwrap_or_default());
        let (host, port) = (self.host(), self.port());
        let mut url: TrackerUrl = format!("{scheme}://{host}:{port}{target}").parse()?;
        // The password belongs to the host, which is the same.
        Arc::make_mut(&mut url.parts).user_info.clone_from(&self.parts.user_info);
        Ok(url)
    }

    /// The path and query that a reference without scheme, host and fragment stands for.
    fn resolve(&self, reference: &str) -> String {
        let whole = self.path_and_query();
        let path = &whole[..whole.find('?').unwrap_or(whole.len())];
        match reference.as_bytes().first() {
            None => whole.to_owned(),
            Some(b'?') => format!("{path}{reference}"),
            Some(b'/') => without_dot_segments(reference),
            Some(_) => {
                let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
                without_dot_segments(&format!("{folder}{reference}"))
            }
        }
    }
}

/// True if a reference is absolute.
fn has_scheme(text: &str) -> bool {
    // In a relative reference, a colon stands only behind a slash, `?` or `#` (RFC 3986, 4.2).
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// Removes the segments `.` and `..` (RFC 3986, section 5.2.4). `target` begins with a slash. All
/// else is kept byte for byte, since some trackers compare paths.
fn without_dot_segments(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => _ = kept.pop(),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        // `/a/..` is the folder `/`, and keeps its slash.
        if is_last {
            kept.push("");
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, to: &str) -> String {
        base.parse::<TrackerUrl>().unwrap().join(to).unwrap().to_string()
    }

    /// H-29, RFC 3986 sections 5.2 and 5.4
    #[test]
    fn a_relative_redirect_is_resolved_against_the_url_that_gave_it() {
        let base = "http://h:81/b/c/d;p?q";
        for (to, expected) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d;p?y"),
            ("g?y/./x", "/b/c/g?y/./x"),
            ("", "/b/c/d;p?q"),
            ("#s", "/b/c/d;p?q"),
            ("g#s/../x", "/b/c/g"),
            (".", "/b/c/"),
            ("..", "/b/"),
            ("../g", "/b/g"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("/a//b/%2E/", "/a//b/%2E/"),
            ("g;x=1/../y", "/b/c/y"),
            ("g..", "/b/c/g.."),
            ("  ../g  ", "/b/g"),
            ("./a:b", "/b/c/a:b"),
            ("?z=http://x", "/b/c/d;p?z=http://x"),
        ] {
            assert_eq!(joined(base, to), format!("http://h:81{expected}"), "{to:?}");
        }
        assert_eq!(joined("http://h", "g"), "http://h/g");
        assert_eq!(joined("http://h?x", "?y"), "http://h?y");
    }

    /// H-29
    #[test]
    fn an_absolute_redirect_may_have_any_characters() {
        assert_eq!(
            joined("http://h/", "HTTPS://b\u{fc}cher.example/\u{e4} b"),
            "https://xn--bcher-kva.example/%C3%A4%20b"
        );
        assert_eq!(joined("http://h/", "/\u{e4}?\u{f6}"), "http://h/%C3%A4?%C3%B6");
    }

    #[test]
    fn a_redirect_to_a_foreign_scheme_is_no_path() {
        let base: TrackerUrl = "http://h/a/b".parse().unwrap();
        for to in ["magnet:?xt=urn:btih:0", "mailto:joe", "ftp://h/x", "data:,x"] {
            assert!(base.join(to).is_err(), "{to}");
        }
    }
}
