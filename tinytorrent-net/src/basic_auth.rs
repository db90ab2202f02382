use std::fmt;

use percent_encoding::percent_decode_str;

/// The user and the password of a URL, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct UserInfo {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

impl UserInfo {
    /// The two parts of the text before the `@` of a URL, `user` or `user:password`. Malformed escapes are
    /// kept as they are.
    pub fn of_url(user_info: &str) -> Self {
        // Servers are given the characters themselves, and the URL has their percent-encoding.
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let decoded = |text| percent_decode_str(text).collect();
        Self { user: decoded(user), password: decoded(password) }
    }

    /// The value of an `Authorization` or `Proxy-Authorization` header (RFC 7617).
    pub fn basic_auth(&self) -> String {
        let plain = [&self.user[..], b":", &self.password].concat();
        format!("Basic {}", base64(&plain))
    }
}

/// Neither of them, as logs may show it.
impl fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserInfo(…)")
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or(0)));
        let word = word[0] << 16 | word[1] << 8 | word[2];
        // n bytes give n + 1 digits; the rest of the four is padding (RFC 4648, section 4).
        for at in 0..4 {
            let is_padding = at > chunk.len();
            let digit = (word >> (18 - 6 * at) & 63) as usize;
            out.push(if is_padding { '=' } else { char::from(ALPHABET[digit]) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H-04; RFC 7617 and RFC 4648 give the vectors
    #[test]
    fn user_info_becomes_basic_auth() {
        let basic_auth = |text| UserInfo::of_url(text).basic_auth();
        assert_eq!(basic_auth("Aladdin:open%20sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
