use core::fmt;
use std::str::FromStr;

use tinytorrent_types::InfoHashes;

use super::parameters::Parameters;
use super::{Magnet, MagnetError, TorrentKey, read};
use crate::HostPort;

/// A magnet link of either kind, for those who can find the torrent of a key in the DHT.
///
/// ```
/// use tinytorrent_metainfo::MagnetLink;
///
/// let link: MagnetLink = "magnet:?xs=urn:btpk:\
///     8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e&s=6e".parse()?;
/// match link {
///     MagnetLink::Torrent(magnet) => println!("{}", magnet.hashes),
///     MagnetLink::Key(link) => assert_eq!(link.key().salt(), b"n"),
/// }
/// # Ok::<(), tinytorrent_metainfo::MagnetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MagnetLink {
    /// It has an info-hash, and perhaps a key as well.
    Torrent(Magnet),
    /// It has a key alone.
    Key(KeyMagnet),
}

/// A magnet link with a key and without an info-hash (BEP 46): the torrent is whichever its owner has named
/// last in the DHT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMagnet {
    key: TorrentKey,
    parameters: Parameters,
}

impl KeyMagnet {
    /// A link with a key alone.
    pub fn new(key: TorrentKey) -> Self {
        Self { key, parameters: Parameters::default() }
    }

    pub(super) fn with_parameters(key: TorrentKey, parameters: Parameters) -> Self {
        Self { key, parameters }
    }

    /// The key.
    pub fn key(&self) -> &TorrentKey {
        &self.key
    }

    /// `dn`: a name to show until the metadata is there; see [`Magnet::name`].
    pub fn name(&self) -> Option<&str> {
        self.parameters.name.as_deref()
    }

    /// `dht`: nodes of the DHT to start from.
    pub fn nodes(&self) -> &[HostPort] {
        &self.parameters.nodes
    }

    /// The link to the torrent that the key names now. It keeps the key, so that changes can be followed.
    pub fn resolve(self, hashes: InfoHashes) -> Magnet {
        Magnet::with_parameters(hashes, Some(self.key), self.parameters)
    }
}

/// The link without the info-hashes; an error if it has no key.
impl TryFrom<Magnet> for KeyMagnet {
    type Error = MagnetError;

    fn try_from(mut magnet: Magnet) -> Result<Self, MagnetError> {
        let key = magnet.key.take().ok_or(MagnetError::NoKey)?;
        Ok(Self { key, parameters: magnet.into() })
    }
}

impl FromStr for MagnetLink {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        read::read(text)
    }
}

impl FromStr for KeyMagnet {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        match text.parse()? {
            MagnetLink::Key(link) => Ok(link),
            MagnetLink::Torrent(magnet) => magnet.try_into(),
        }
    }
}

impl fmt::Display for MagnetLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torrent(magnet) => magnet.fmt(f),
            Self::Key(link) => link.fmt(f),
        }
    }
}

impl fmt::Display for KeyMagnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "magnet:?{}{}", self.key, self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tinytorrent_types::{HexError, hex};

    use super::*;
    use crate::KeyError;

    const V1: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    /// BEP 46, "Test Vectors".
    const KEY: &str = "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e";

    fn link(rest: &str) -> Result<MagnetLink, MagnetError> {
        format!("magnet:?xs=urn:btpk:{KEY}{rest}").parse()
    }

    fn key(salt: &[u8]) -> TorrentKey {
        TorrentKey::new(hex::decode(KEY).unwrap(), salt).unwrap()
    }

    // D-72
    #[test]
    fn a_link_has_a_key_or_an_info_hash_or_both() {
        for (rest, salt) in [("", &b""[..]), ("&s=6e", b"n"), ("&s=", b""), ("&S=6E&s=6e", b"n")] {
            let expected = KeyMagnet::new(key(salt));
            assert_eq!(link(rest), Ok(MagnetLink::Key(expected.clone())), "{rest}");
            assert_eq!(expected.to_string().parse(), Ok(MagnetLink::Key(expected)));
        }
        let both = format!("magnet:?xt=urn:btih:{V1}&xs=urn:btpk:{KEY}&s=6e&dn=a");
        let MagnetLink::Torrent(magnet) = both.parse().unwrap() else { panic!("a torrent") };
        assert_eq!((magnet.hashes.v1(), magnet.key.as_ref()), (V1.parse().ok(), Some(&key(b"n"))));
        assert_eq!((magnet.to_string(), both.parse()), (both, Ok(magnet)));
        let hash_alone = format!("magnet:?xt=urn:btih:{V1}&s=6e");
        assert_eq!(hash_alone.parse::<Magnet>().unwrap().key, None);
        assert_eq!(hash_alone.parse::<KeyMagnet>(), Err(MagnetError::NoKey));
    }

    // D-72
    #[test]
    fn a_key_alone_is_no_info_hash_until_it_is_resolved() {
        let text = format!(
            "magnet:?xs=urn:btpk:{KEY}&s=6e&dn=a&xl=5&tr=http%3A%2F%2Ft&ws=http%3A%2F%2Fw\
             &xs=http%3A%2F%2Fx&as=http%3A%2F%2Fa&x.pe=1.2.3.4:5&dht=router.example:8&so=0,2-4"
        );
        assert_eq!(text.parse::<Magnet>(), Err(MagnetError::KeyOnly));
        let link: KeyMagnet = text.parse().unwrap();
        assert_eq!((link.name(), link.nodes().len()), (Some("a"), 1));
        assert_eq!(link.to_string(), text, "nothing is lost");
        let hashes = InfoHashes::from_v1(V1.parse().unwrap());
        let magnet = link.clone().resolve(hashes);
        assert_eq!((magnet.hashes, magnet.key.as_ref()), (hashes, Some(link.key())));
        assert_eq!(magnet.exact_sources, ["http://x"], "a key is no URL");
        assert_eq!(KeyMagnet::try_from(magnet), Ok(link));
    }

    // D-72, G-07, G-09
    #[test]
    fn what_pages_do_to_a_key_is_undone() {
        for text in [
            format!("MAGNET:?XS=URN:BTPK:{}&S=6E", KEY.to_uppercase()),
            format!("magnet:?xs.1=urn%3Abtpk%3A{KEY}&amp;s.1=6e"),
            format!(" <magnet:?s=6e&xs=urn:btpk:{KEY}> "),
            format!("magnet:?xt=urn:sha1:AAAA&xs=urn:btpk:{KEY}&s=6e&xs=urn:btpk:{KEY}"),
        ] {
            assert_eq!(text.parse(), Ok(MagnetLink::Key(KeyMagnet::new(key(b"n")))), "{text}");
        }
    }

    // D-72
    #[test]
    fn a_key_that_cannot_be_used_is_an_error_unless_there_is_an_info_hash() {
        let digit = HexError::Digit { offset: 0 };
        let length = |expected, found| HexError::Length { expected, found };
        let other = KEY.replace('8', "9");
        for (query, error) in [
            (format!("xs=urn:btpk:{}", &KEY[1..]), KeyError::Public(length(64, 63)).into()),
            (format!("xs=urn:btpk:{KEY}{KEY}"), KeyError::Public(length(64, 128)).into()),
            (format!("xs=urn:btpk:g{}", &KEY[1..]), KeyError::Public(digit).into()),
            (format!("xs=urn:btpk:{KEY}&s=6"), KeyError::Salt(length(2, 1)).into()),
            (format!("xs=urn:btpk:{KEY}&s=zz"), KeyError::Salt(digit).into()),
            (
                format!("xs=urn:btpk:{KEY}&s={}", "6e".repeat(65)),
                KeyError::SaltTooLong { found: 65 }.into(),
            ),
            (format!("xs=urn:btpk:{KEY}&xs=urn:btpk:{other}"), MagnetError::KeyConflict),
            (format!("xs=urn:btpk:{KEY}&s=6e&s=6f"), MagnetError::KeyConflict),
            (format!("xs=urn:btpk:{KEY}&s=6e&s="), MagnetError::KeyConflict),
            ("xs=http://x".to_owned(), MagnetError::NoInfoHash),
        ] {
            assert_eq!(format!("magnet:?{query}").parse::<MagnetLink>(), Err(error), "{query}");
            let with_hash = format!("magnet:?xt=urn:btih:{V1}&{query}");
            assert_eq!(with_hash.parse::<Magnet>().unwrap().key, None, "{query}");
        }
        assert!(link(&format!("&s={}", "6e".repeat(64))).is_ok(), "the longest salt");
        // A wrong info-hash is no reason to go to a key instead.
        assert_eq!(link("&xt=urn:btih:abc"), Err(MagnetError::HashLength { found: 3 }));
    }

    proptest! {
        #[test]
        fn any_key_survives_the_round_trip(
            public in any::<[u8; 32]>(),
            salt in prop::collection::vec(any::<u8>(), 0..=64),
            garbage in "[a-z0-9=&:.%]{0,60}",
        ) {
            let link = KeyMagnet::new(TorrentKey::new(public, salt).unwrap());
            prop_assert_eq!(link.to_string().parse::<KeyMagnet>(), Ok(link.clone()));
            let _ = format!("{link}{garbage}").parse::<MagnetLink>();
            let _ = format!("magnet:?xs=urn:btpk:{garbage}").parse::<MagnetLink>();
        }
    }
}
