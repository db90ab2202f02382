/// The value of an `Authorization` header (RFC 7617) for the user info of a URL.
pub(super) fn basic_auth(user_info: &str) -> String {
    // The header has the characters themselves, the URL their percent-encoding.
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut plain = crate::http::percent_decode(user);
    plain.push(b':');
    plain.extend(crate::http::percent_decode(password));
    format!("Basic {}", base64(&plain))
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
        assert_eq!(basic_auth("Aladdin:open%20sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
