use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tinytorrent_metainfo::{Magnet, MagnetError};
use tinytorrent_types::{InfoHashV1, InfoHashV2, is_printable};
use url::Url;

use crate::Failure;

/// Largest .torrent file that is read. The largest in the wild are below 20 MiB.
pub const MAX_TORRENT_BYTES: u64 = 64 << 20;

/// A source of a torrent, recognised by its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A .torrent file.
    File(PathBuf),
    /// A magnet link, as it was given.
    Magnet(String),
    /// The URL of a .torrent file, over http or https.
    Url(Url),
    /// 40 hexadecimal digits, or 32 of base32.
    InfoHashV1(InfoHashV1),
    /// 64 hexadecimal digits, or a multihash of 68.
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
/// Blanks, quotes and brackets around what was pasted count for nothing. A file that is named by an
/// info-hash is reached as `./…`.
impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let pasted = text.trim_matches(|c: char| is_around(c) || "<>\"'".contains(c));
        Ok(if is_magnet(text, pasted) {
            Source::Magnet(text.trim_matches(is_around).to_owned())
        } else if let Some(url) = parse_url(pasted) {
            Source::Url(url)
        } else if let Some(hashes) = Magnet::from_info_hash(pasted).map(|magnet| magnet.hashes) {
            match (hashes.v1(), hashes.v2()) {
                (Some(hash), _) => Source::InfoHashV1(hash),
                (None, Some(hash)) => Source::InfoHashV2(hash),
                (None, None) => Source::File(text.into()),
            }
        } else {
            Source::File(text.into())
        })
    }
}

/// An argument of the command line; bytes that are no UTF-8 can only be those of a path, or of the
/// name in a magnet link.
impl From<OsString> for Source {
    fn from(argument: OsString) -> Self {
        let source = argument.to_string_lossy().parse();
        match source.unwrap_or_else(|never: Infallible| match never {}) {
            Source::File(_) => Source::File(argument.into()),
            other => other,
        }
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
    let file = open(path).map_err(could_not)?;
    let mut bytes = Vec::new();
    file.take(MAX_TORRENT_BYTES + 1).read_to_end(&mut bytes).map_err(could_not)?;
    if bytes.len() as u64 > MAX_TORRENT_BYTES {
        let limit = crate::format_size(MAX_TORRENT_BYTES);
        let path = path.display();
        return Err(Failure::InvalidInput(format!("{path} is no torrent: larger than {limit}")));
    }
    Ok(bytes)
}

/// Opens the file of this path, or if there is none, that of the path without the blanks around it.
fn open(path: &Path) -> io::Result<std::fs::File> {
    let trimmed = path.to_str().map(|path| path.trim_matches(is_around));
    std::fs::File::open(path).or_else(|error| match trimmed {
        Some(other) if error.kind() == io::ErrorKind::NotFound && Path::new(other) != path => {
            std::fs::File::open(other).map_err(|_| error)
        }
        _ => Err(error),
    })
}

/// Blanks, line breaks, byte order marks and the like.
fn is_around(character: char) -> bool {
    character.is_whitespace() || !is_printable(character)
}

/// `true` if it is one, usable or not.
fn is_magnet(text: &str, pasted: &str) -> bool {
    has_scheme(pasted, "magnet:") || !matches!(text.parse::<Magnet>(), Err(MagnetError::Scheme))
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
        let base32 = "3WBFL3G4PSSV7MF37AJSHWDQMLNR63I4";
        assert!(matches!(source(base32), Source::InfoHashV1(_)));
        assert_eq!(source(&base32.to_lowercase()), source(base32));
        assert_eq!(source(&format!("1220{}", "ab".repeat(32))), source(&"ab".repeat(32)));
        for path in ["a.torrent", "./magnet", "", "é", "ftp://x/y", &"ab".repeat(19)] {
            assert_eq!(source(path), Source::File(path.into()), "{path:?}");
        }
    }

    #[test]
    fn what_was_pasted_around_counts_for_nothing() {
        let link = format!("magnet:?xt=urn:btih:{}", "ab".repeat(20));
        for plain in [&link, "https://h/a.torrent", &"ab".repeat(20), &"ab".repeat(32)] {
            for (before, after) in [
                (" ", ""),
                ("\n", "\r\n"),
                ("\u{feff}", " "),
                ("<", ">"),
                ("\"", "\""),
                ("\u{200b}", ""),
            ] {
                let pasted = source(&format!("{before}{plain}{after}"));
                let is_file = matches!(pasted, Source::File(_));
                assert!(!is_file && pasted.bare_magnet() == source(plain).bare_magnet(), "{plain}");
            }
        }
        let escaped = "magnet%3A%3Fxt%3Durn%3Abtih%3A".to_owned() + &"ab".repeat(20);
        assert!(matches!(source(&escaped), Source::Magnet(_)));
        // A file may have blanks around its name.
        assert_eq!(source(" a.torrent\n"), Source::File(" a.torrent\n".into()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.torrent");
        std::fs::write(&path, "x").unwrap();
        let pasted = format!(" {}\n", path.display());
        assert_eq!(read_torrent_file(Path::new(&pasted)).unwrap(), b"x");
        let other = format!("{} ", path.display());
        std::fs::write(&other, "y").unwrap();
        assert_eq!(read_torrent_file(Path::new(&other)).unwrap(), b"y");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_needs_no_utf8() {
        use std::os::unix::ffi::OsStringExt;

        let bytes = b"caf\xe9.torrent";
        let path = OsString::from_vec(bytes.to_vec());
        assert_eq!(Source::from(path.clone()), Source::File(path.into()));
        let link = [b"magnet:?xt=urn:btih:", &b"ab".repeat(20)[..], b"&dn=caf\xe9"].concat();
        assert!(matches!(Source::from(OsString::from_vec(link)), Source::Magnet(_)));
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
