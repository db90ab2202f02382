use core::fmt;
use core::str::FromStr;

use crate::hex::HexError;
use crate::{InfoHashV1, InfoHashV2, WireInfoHash};

/// The identity of a torrent: a v1 hash, a v2 hash, or both of a hybrid.
///
/// Its text form is the hash in hexadecimal digits, or both with ` / ` between them.
///
/// ```
/// use tinytorrent_types::{InfoHashV1, InfoHashes};
///
/// let hash: InfoHashV1 = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c".parse()?;
/// let hashes: InfoHashes = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c".parse()?;
/// assert_eq!(hashes, InfoHashes::from(hash));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InfoHashes {
    v1: Option<InfoHashV1>,
    v2: Option<InfoHashV2>,
}

impl InfoHashes {
    /// The identity with these hashes; `None` if there is none.
    pub const fn new(v1: Option<InfoHashV1>, v2: Option<InfoHashV2>) -> Option<Self> {
        if v1.is_none() && v2.is_none() { None } else { Some(Self { v1, v2 }) }
    }

    /// The identity of a v1 torrent.
    pub const fn from_v1(v1: InfoHashV1) -> Self {
        Self { v1: Some(v1), v2: None }
    }

    /// The identity of a v2 torrent.
    pub const fn from_v2(v2: InfoHashV2) -> Self {
        Self { v1: None, v2: Some(v2) }
    }

    /// The identity of a hybrid torrent.
    pub const fn from_both(v1: InfoHashV1, v2: InfoHashV2) -> Self {
        Self { v1: Some(v1), v2: Some(v2) }
    }

    /// The SHA-1 info-hash, if it is a v1 or hybrid torrent.
    pub const fn v1(&self) -> Option<InfoHashV1> {
        self.v1
    }

    /// The SHA-256 info-hash, if it is a v2 or hybrid torrent.
    pub const fn v2(&self) -> Option<InfoHashV2> {
        self.v2
    }

    /// The hash for a handshake that we begin: v1 for a hybrid, v2 only for a v2 torrent.
    pub fn to_wire(&self) -> WireInfoHash {
        match (self.v1, self.v2) {
            // Deployed clients identify hybrids by the v1 hash.
            (Some(v1), _) => v1.to_wire(),
            (None, Some(v2)) => v2.to_wire(),
            // `new` returns `None` for this, and the other constructors set a hash.
            (None, None) => unreachable!("an identity has a hash"),
        }
    }

    /// All hashes of this torrent on the wire: one, or two for a hybrid.
    pub fn wire_hashes(&self) -> impl Iterator<Item = WireInfoHash> {
        let v1 = self.v1.map(InfoHashV1::to_wire);
        let v2 = self.v2.map(InfoHashV2::to_wire);
        v1.into_iter().chain(v2)
    }

    /// True if this is a hash of this torrent on the wire.
    pub fn matches(&self, hash: WireInfoHash) -> bool {
        self.wire_hashes().any(|ours| ours == hash)
    }
}

impl fmt::Display for InfoHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.v1, self.v2) {
            (Some(v1), Some(v2)) => write!(f, "{v1} / {v2}"),
            (Some(v1), None) => write!(f, "{v1}"),
            (None, Some(v2)) => write!(f, "{v2}"),
            (None, None) => Ok(()),
        }
    }
}

/// Reads the digits of one hash, 40 of v1 or 64 of v2, or of both with a `/` between them.
impl FromStr for InfoHashes {
    type Err = InfoHashesError;

    fn from_str(text: &str) -> Result<Self, InfoHashesError> {
        let mut hashes = Self { v1: None, v2: None };
        let mut start = 0;
        for part in text.splitn(2, '/') {
            let digits = part.trim();
            // Offsets count from the start of the whole text.
            let offset = start + (part.len() - part.trim_start().len());
            let is_repeated = match digits.len() {
                V1_DIGITS => hashes.v1.replace(parse(digits, offset)?).is_some(),
                V2_DIGITS => hashes.v2.replace(parse(digits, offset)?).is_some(),
                found => return Err(InfoHashesError::Length { found }),
            };
            if is_repeated {
                return Err(InfoHashesError::SameVersion);
            }
            start += part.len() + 1;
        }
        Ok(hashes)
    }
}

const V1_DIGITS: usize = 40;
const V2_DIGITS: usize = 64;

fn parse<T: FromStr<Err = HexError>>(digits: &str, start: usize) -> Result<T, InfoHashesError> {
    digits.parse().map_err(|error| match error {
        HexError::Digit { offset } => InfoHashesError::Digit { offset: start + offset },
        HexError::Length { found, .. } => InfoHashesError::Length { found },
    })
}

/// The error of a text that is not the identity of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfoHashesError {
    /// A hash has neither 40 digits nor 64.
    Length {
        /// The length of the hash in the text, in bytes.
        found: usize,
    },
    /// The character at this byte offset is no hexadecimal digit.
    Digit {
        /// Offset into the text, in bytes.
        offset: usize,
    },
    /// Both hashes are of v1, or both of v2.
    SameVersion,
}

impl fmt::Display for InfoHashesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => write!(
                f,
                "expected an info-hash of 40 hexadecimal digits (v1) or 64 (v2), found {found}"
            ),
            Self::Digit { offset } => write!(f, "no hexadecimal digit at offset {offset}"),
            Self::SameVersion => f.write_str("two info-hashes of the same version"),
        }
    }
}

impl core::error::Error for InfoHashesError {}

impl From<InfoHashV1> for InfoHashes {
    fn from(hash: InfoHashV1) -> Self {
        Self::from_v1(hash)
    }
}

impl From<InfoHashV2> for InfoHashes {
    fn from(hash: InfoHashV2) -> Self {
        Self::from_v2(hash)
    }
}

impl From<(InfoHashV1, InfoHashV2)> for InfoHashes {
    fn from((v1, v2): (InfoHashV1, InfoHashV2)) -> Self {
        Self::from_both(v1, v2)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn hybrid_answers_to_both_names_and_greets_with_v1() {
        let (v1, v2) = (InfoHashV1::from_bytes([1; 20]), InfoHashV2::from_bytes([2; 32]));
        let both = InfoHashes::from_both(v1, v2);
        assert!(both.matches(v1.to_wire()) && both.matches(v2.to_wire()));
        assert_eq!(both.to_wire(), v1.to_wire());
        assert_eq!(InfoHashes::new(None, None), None);
    }

    #[test]
    fn text_form_is_read_back() {
        let (v1, v2) = (InfoHashV1::from_bytes([0xab; 20]), InfoHashV2::from_bytes([0xcd; 32]));
        for hashes in [InfoHashes::from(v1), v2.into(), (v1, v2).into()] {
            assert_eq!(hashes.to_string().parse(), Ok(hashes));
        }
        assert_eq!(std::format!("{v2}/{v1}").parse(), Ok(InfoHashes::from_both(v1, v2)));
    }

    #[test]
    fn error_of_a_text_says_what_is_wrong_and_where() {
        let read = |text: &str| text.parse::<InfoHashes>().unwrap_err();
        let (short, long) = ("a".repeat(40), "b".repeat(64));
        assert_eq!(read(""), InfoHashesError::Length { found: 0 });
        assert_eq!(read(&short[1..]), InfoHashesError::Length { found: 39 });
        assert_eq!(read(&std::format!("{short} / ")), InfoHashesError::Length { found: 0 });
        assert_eq!(read(&std::format!("{short} / {short}")), InfoHashesError::SameVersion);
        let broken = std::format!("{short} / {}", long.replacen('b', "z", 1));
        assert_eq!(read(&broken), InfoHashesError::Digit { offset: 43 });
    }
}
