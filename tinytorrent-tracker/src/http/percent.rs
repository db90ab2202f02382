//! Percent-encoding of bytes (RFC 3986, section 2.1). An info-hash is no text, so the `url` crate
//! cannot be used.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Encodes all bytes but the unreserved characters of RFC 3986, section 2.3.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Decodes a text. Malformed escapes are kept as they are.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    // A `+` is a plus, not the space of HTML forms: clients encode by RFC 3986.
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        rest = match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                &tail[2..]
            }
            None => {
                out.push(*first);
                tail
            }
        };
    }
    out
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// H-01, H-02
    #[test]
    fn only_unreserved_bytes_stay_and_a_space_is_escaped() {
        let mut out = String::new();
        encode(b"azAZ09-._~ +/%\x00\xff&=", &mut out);
        assert_eq!(out, "azAZ09-._~%20%2B%2F%25%00%FF%26%3D");
    }

    #[test]
    fn a_broken_escape_stays() {
        assert_eq!(decode("%zz%2"), b"%zz%2");
        assert_eq!(decode("a+b%2Bc%2b"), b"a+b+c+");
        assert_eq!(decode("%"), b"%");
    }

    proptest! {
        #[test]
        fn any_bytes_survive(bytes: Vec<u8>) {
            let mut text = String::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(decode(&text), bytes);
        }
    }
}
