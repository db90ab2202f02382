use std::path::Path;

use tinytorrent_metainfo::{ErrorKind, Magnet, Metainfo};
use tinytorrent_types::InfoHashes;

use crate::{Failure, Source, read_torrent_file};

/// The data of a torrent that an announce needs, and its trackers.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The info-hashes.
    pub hashes: InfoHashes,
    /// The URLs of the trackers, in the order of their tiers.
    pub trackers: Vec<String>,
    /// Bytes of the content; `None` if only the info-hash is known.
    pub length: Option<u64>,
}

impl Identity {
    /// Reads it from a .torrent file, a magnet link or a bare info-hash.
    ///
    /// # Errors
    ///
    /// [`Failure::CouldNot`] when the file cannot be read, [`Failure::InvalidInput`] when it is
    /// none of these.
    pub fn read(source: &Source) -> Result<Self, Failure> {
        match source {
            Source::File(path) => Self::of_file(path),
            Source::Magnet(link) => Self::of_magnet(link),
            Source::Url(url) => {
                let what =
                    format!("{url} is a URL; fetch the torrent first, or give its info-hash");
                Err(Failure::InvalidInput(what))
            }
            bare => Self::of_magnet(&bare.bare_magnet().unwrap_or_default()),
        }
    }

    fn of_file(path: &Path) -> Result<Self, Failure> {
        let bytes = read_torrent_file(path)?;
        match Metainfo::from_bytes_lenient(&bytes) {
            Ok(metainfo) => Ok(Self::from(&metainfo)),
            Err(error) => match error.kind() {
                ErrorKind::IsMagnet(link) => Self::of_magnet(link),
                _ => {
                    Err(Failure::invalid_input(format!("{} is no torrent", path.display()), &error))
                }
            },
        }
    }

    fn of_magnet(link: &str) -> Result<Self, Failure> {
        let magnet: Magnet = link
            .parse()
            .map_err(|error| Failure::invalid_input("no usable magnet link", &error))?;
        Ok(Self { hashes: magnet.hashes, trackers: magnet.trackers, length: None })
    }
}

impl From<&Metainfo> for Identity {
    fn from(metainfo: &Metainfo) -> Self {
        Self {
            hashes: metainfo.hashes(),
            trackers: metainfo.trackers().iter().flatten().cloned().collect(),
            length: Some(metainfo.layout().payload_length_total()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Identity, Failure> {
        Identity::read(
            &text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
        )
    }

    #[test]
    fn a_magnet_in_a_file_names_a_torrent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let link = format!("magnet:?xt=urn:btih:{}", "ab".repeat(20));
        std::fs::write(file.path(), format!("d10:magnet-uri{}:{link}e", link.len())).unwrap();
        let identity = Identity::read(&Source::File(file.path().into())).unwrap();
        assert_eq!(identity.hashes.to_string(), "ab".repeat(20));
    }

    #[test]
    fn a_bare_hash_and_a_magnet_name_a_torrent() {
        let hash = "ab".repeat(20);
        let bare = read(&hash).unwrap();
        assert_eq!(bare.hashes.to_string(), hash);
        assert_eq!((bare.trackers.len(), bare.length), (0, None));
        let link = format!("magnet:?xt=urn:btih:{hash}&tr=udp%3A%2F%2Fh%3A1&tr=http%3A%2F%2Fh");
        assert_eq!(read(&link).unwrap().trackers, ["udp://h:1", "http://h"]);
    }

    #[test]
    fn what_names_no_torrent_is_told() {
        assert_eq!(read("magnet:?dn=x").unwrap_err().code(), 2);
        assert_eq!(read("http://h/x.torrent").unwrap_err().code(), 2);
        assert_eq!(read("no/such/file.torrent").unwrap_err().code(), 1);
    }
}
