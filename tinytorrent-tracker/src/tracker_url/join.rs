use std::sync::Arc;

use super::{TrackerUrl, UrlError};

impl TrackerUrl {
    /// The URL that a redirect of this one means: absolute, or relative to it (RFC 3986,
    /// section 5.2).
    ///
    /// # Errors
    /// What is no URL of a tracker, nor relative to one.
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
        // The same server asks for the same password.
        Arc::make_mut(&mut url.parts).user_info.clone_from(&self.parts.user_info);
        Ok(url)
    }

    /// Path and query of a reference without scheme, host and fragment.
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

/// Whether a reference is absolute. In a relative one, a colon stands behind a slash, `?` or `#`.
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// RFC 3986, section 5.2.4. `target` begins with a slash. A path without such segments stays byte
/// for byte as it is, since some trackers compare it.
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
        // The folder that it names is still a folder.
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
