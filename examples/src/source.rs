use std::convert::Infallible;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tinytorrent_types::{InfoHashV1, InfoHashV2};
use url::Url;

use crate::Failure;

/// Largest .torrent file that is read. The largest in the wild are below 20 MiB.
pub const MAX_TORRENT_BYTES: u64 = 64 << 20;

/// Where a torrent comes from, told apart by its looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A .torrent file.
    File(PathBuf),
    /// A magnet link, as it was given.
    Magnet(String),
    /// Where a .torrent can be fetched, over http or https.
    Url(Url),
    /// 40 hexadecimal digits.
    InfoHashV1(InfoHashV1),
    /// 64 hexadecimal digits.
    InfoHashV2(InfoHashV2),
}

impl Source {
    /// The magnet link that says as much as a bare info-hash does; `None` for the other sources.
    pub fn bare_magnet(&self) -> Option<String> {
        match self {
            Source::InfoHashV1(hash) => Some(format!("magnet:?xt=urn:btih:{hash}")),
            // 0x12 is SHA-256 and 0x20 its length: a multihash, as BEP 9 asks for v2.
            Source::InfoHashV2(hash) => Some(format!("magnet:?xt=urn:btmh:1220{hash}")),
            Source::File(_) | Source::Magnet(_) | Source::Url(_) => None,
        }
    }
}

/// Never fails: what looks like nothing else is the path of a file.
///
/// A file that is named by 40 digits is reached as `./…`.
impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if has_scheme(text, "magnet:") {
            Source::Magnet(text.to_owned())
        } else if let Some(url) = parse_url(text) {
            Source::Url(url)
        } else if let Ok(hash) = text.parse() {
            Source::InfoHashV1(hash)
        } else if let Ok(hash) = text.parse() {
            Source::InfoHashV2(hash)
        } else {
            Source::File(text.into())
        })
    }
}

/// The bytes of a .torrent file, at most [`MAX_TORRENT_BYTES`] of them.
///
/// # Errors
///
/// [`Failure::CouldNot`] when the file cannot be read, [`Failure::InvalidInput`] when it is too
/// large to be a torrent.
pub fn read_torrent_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let could_not = |error| Failure::could_not(format!("cannot read {}", path.display()), &error);
    let file = std::fs::File::open(path).map_err(could_not)?;
    let mut bytes = Vec::new();
    file.take(MAX_TORRENT_BYTES + 1).read_to_end(&mut bytes).map_err(could_not)?;
    if bytes.len() as u64 > MAX_TORRENT_BYTES {
        let limit = crate::format_size(MAX_TORRENT_BYTES);
        let path = path.display();
        return Err(Failure::InvalidInput(format!("{path} is no torrent: larger than {limit}")));
    }
    Ok(bytes)
}

fn has_scheme(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn parse_url(text: &str) -> Option<Url> {
    let web = has_scheme(text, "http://") || has_scheme(text, "https://");
    if web { Url::parse(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        text.parse().unwrap_or_else(|never| match never {})
    }

    #[test]
    fn sources_are_told_apart_by_their_looks() {
        let magnet = "MAGNET:?xt=urn:btih:0";
        assert_eq!(source(magnet), Source::Magnet(magnet.to_owned()));
        assert!(matches!(source("https://example.org/a.torrent"), Source::Url(_)));
        assert!(matches!(source(&"aB".repeat(20)), Source::InfoHashV1(_)));
        assert!(matches!(source(&"aB".repeat(32)), Source::InfoHashV2(_)));
        for path in ["a.torrent", "./magnet", "", "é", "ftp://x/y", &"ab".repeat(19)] {
            assert_eq!(source(path), Source::File(path.into()), "{path:?}");
        }
    }

    // G-14: a helper takes a bare info-hash, the parser of magnet links does not.
    #[test]
    fn bare_info_hash_becomes_a_magnet() {
        let v1 = source(&"Ab".repeat(20)).bare_magnet();
        assert_eq!(v1, Some(format!("magnet:?xt=urn:btih:{}", "ab".repeat(20))));
        let v2 = source(&"Ab".repeat(32)).bare_magnet();
        assert_eq!(v2, Some(format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32))));
        assert_eq!(source("file.torrent").bare_magnet(), None);
    }

    #[test]
    fn missing_file_is_told_by_name() {
        let failure = read_torrent_file(Path::new("no/such.torrent")).unwrap_err();
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains("no/such.torrent"), "{failure}");
    }

    #[test]
    fn oversized_file_is_invalid_input() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_TORRENT_BYTES + 1).unwrap();
        assert_eq!(read_torrent_file(file.path()).unwrap_err().code(), 2);
        file.as_file().set_len(3).unwrap();
        assert_eq!(read_torrent_file(file.path()).unwrap(), [0; 3]);
    }
}
