use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use tinytorrent_bencode::{Document, MaybeNode, Options, encode};
use tinytorrent_types::compact::{self, Family};

use super::{Extension, ExtensionError, TheirExtensionId};
use crate::Extended;

/// A message of `ut_pex`: peers that the sender has gained and lost since the last one (BEP 11).
///
/// Nothing proves the addresses: pass them through an
/// [`AddressFilter`](tinytorrent_types::AddressFilter).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PexMessage {
    /// Peers to which the sender has connected since the last message.
    pub added: Vec<PexPeer>,
    /// Peers to which the sender is no longer connected.
    pub dropped: Vec<SocketAddr>,
}

/// A peer in a message, and its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PexPeer {
    /// The address at which it listens.
    pub address: SocketAddr,
    /// Its properties.
    pub flags: PexFlags,
}

/// The properties of a peer as another one states them (BEP 11, "flags"). Unknown bits are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PexFlags(u8);

impl PexFlags {
    /// It prefers encrypted connections.
    pub const PREFERS_ENCRYPTION: Self = Self(0x01);
    /// It only uploads: a seed, or a partial one.
    pub const UPLOAD_ONLY: Self = Self(0x02);
    /// It speaks uTP.
    pub const SUPPORTS_UTP: Self = Self(0x04);
    /// It speaks `ut_holepunch`.
    pub const SUPPORTS_HOLEPUNCH: Self = Self(0x08);
    /// The sender has connected to it, so it can be reached.
    pub const REACHABLE: Self = Self(0x10);

    /// Takes the byte as it is.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// The byte as it stands in a message.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// The union of both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns true if all of the other flags are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Debug for PexFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PexFlags({:#04x})", self.0)
    }
}

impl PexMessage {
    /// The largest payload to parse, in bytes. It is the limit of libtorrent, and holds some 80,000 peers.
    pub const MAX_LENGTH: usize = 500 * 1024;

    /// The number of peers of each kind (added, dropped, of IPv4, of IPv6) to take from one message. BEP 11
    /// allows 50, except in the first message. Those beyond the limit are left out.
    pub const MAX_PEERS: usize = 512;

    /// Parses the payload of a message. Missing flags are 0, entries that are cut short are left out, and
    /// unknown keys are ignored.
    ///
    /// # Errors
    /// The payload is larger than [`MAX_LENGTH`](Self::MAX_LENGTH), or no dictionary.
    pub fn parse(payload: &[u8]) -> Result<Self, ExtensionError> {
        if payload.len() > Self::MAX_LENGTH {
            return Err(ExtensionError::TooLong {
                extension: Extension::PeerExchange.name(),
                found: payload.len(),
                limit: Self::MAX_LENGTH,
            });
        }
        let unreadable =
            |source| ExtensionError::Bencode { message: Extension::PeerExchange.name(), source };
        let mut options = Options::lenient();
        options.max_depth(MAX_DEPTH).max_nodes(MAX_NODES);
        let document = options.decode(payload).map_err(unreadable)?;
        document.root().to_dict().map_err(unreadable)?;
        let mut message = Self::default();
        for (added, flags, dropped, family) in KEYS {
            message.added.extend(read_added(&document, added, flags, family));
            let dropped = document.get(dropped).as_bytes().unwrap_or_default();
            message.dropped.extend(compact::peers(dropped, family).take(Self::MAX_PEERS));
        }
        Ok(message)
    }

    /// Returns true if it names no peer. BEP 11 forbids to send it then.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }

    /// The message to send.
    pub fn to_message(&self, to: TheirExtensionId) -> Extended {
        let (v4, v6) = (self.packed(Family::V4), self.packed(Family::V6));
        let mut out = Vec::new();
        encode::dict(&mut out, |message| {
            let mut put = |key, bytes: &[u8]| {
                if !bytes.is_empty() {
                    message.bytes(key, bytes);
                }
            };
            put("added", &v4.added);
            put("added.f", &v4.flags);
            put("added6", &v6.added);
            put("added6.f", &v6.flags);
            put("dropped", &v4.dropped);
            put("dropped6", &v6.dropped);
        });
        to.message(Bytes::from(out))
    }

    fn packed(&self, family: Family) -> Packed {
        let mut packed = Packed::default();
        for peer in self.added.iter().filter(|peer| Family::of(peer.address.ip()) == family) {
            compact::write(peer.address, &mut packed.added);
            packed.flags.push(peer.flags.to_byte());
        }
        for address in self.dropped.iter().filter(|address| Family::of(address.ip()) == family) {
            compact::write(*address, &mut packed.dropped);
        }
        packed
    }
}

#[derive(Default)]
struct Packed {
    added: Vec<u8>,
    flags: Vec<u8>,
    dropped: Vec<u8>,
}

fn read_added(
    document: &Document<'_>,
    added: &str,
    flags: &str,
    family: Family,
) -> impl Iterator<Item = PexPeer> {
    let added = document.get(added).as_bytes().unwrap_or_default();
    let flags = document.get(flags).as_bytes().unwrap_or_default();
    // Some clients send fewer flags than peers, or none.
    let flags = flags.iter().copied().chain(std::iter::repeat(0)).map(PexFlags::from_byte);
    let peers = compact::peers(added, family).take(PexMessage::MAX_PEERS);
    peers.zip(flags).map(|(address, flags)| PexPeer { address, flags })
}

/// The keys of each family: added peers, their flags, dropped peers.
const KEYS: [(&str, &str, &str, Family); 2] =
    [("added", "added.f", "dropped", Family::V4), ("added6", "added6.f", "dropped6", Family::V6)];

/// Limits of the dictionary. It has six strings, and later clients may add some.
const MAX_DEPTH: usize = 8;
const MAX_NODES: usize = 1000;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::*;

    fn peer(address: &str, flags: u8) -> PexPeer {
        PexPeer { address: address.parse().unwrap(), flags: PexFlags::from_byte(flags) }
    }

    fn id() -> TheirExtensionId {
        TheirExtensionId(NonZeroU8::new(1).unwrap())
    }

    /// X-22, BEP 11.
    #[test]
    fn pex_has_the_keys_of_bep_11() {
        let message = PexMessage {
            added: vec![peer("1.2.3.4:258", 0x12), peer("[::7]:1", 0x01)],
            dropped: vec!["5.6.7.8:2".parse().unwrap()],
        };
        let payload = message.to_message(id()).payload;
        let mut expected = b"d5:added6:\x01\x02\x03\x04\x01\x027:added.f1:\x12".to_vec();
        expected.extend_from_slice(b"6:added618:");
        expected.extend_from_slice(&[0; 15]);
        expected.extend_from_slice(b"\x07\x00\x018:added6.f1:\x01");
        expected.extend_from_slice(b"7:dropped6:\x05\x06\x07\x08\x00\x02e");
        assert_eq!(payload, expected);
        assert_eq!(PexMessage::parse(&payload), Ok(message));
    }

    /// missing flags are 0, too many or too few are tolerated.
    #[test]
    fn flags_that_do_not_fit_are_tolerated() {
        for (flags, expected) in
            [("", [0, 0]), ("7:added.f1:\x02", [2, 0]), ("7:added.f3:\x01\x02\x03", [1, 2])]
        {
            let payload =
                format!("d5:added12:\x01\x02\x03\x04\x01\x02\x01\x02\x03\x05\x01\x02{flags}e");
            let message = PexMessage::parse(payload.as_bytes()).unwrap();
            assert_eq!(
                message.added.iter().map(|peer| peer.flags.to_byte()).collect::<Vec<_>>(),
                expected
            );
        }
    }

    /// an entry that is cut short or of a wrong type spoils no other.
    #[test]
    fn ragged_and_odd_entries_are_left_out() {
        let message =
            PexMessage::parse(b"d5:added8:\x01\x02\x03\x04\x01\x02\x05\x066:added6i7e7:droppedlee")
                .unwrap();
        assert_eq!(message.added, [peer("1.2.3.4:258", 0)]);
        assert!(message.dropped.is_empty());
    }

    /// refused above 500 KiB; bounded below it.
    #[test]
    fn a_flood_of_peers_is_bounded() {
        let large = |count: usize| {
            let mut payload = format!("d5:added{}:", count * 6).into_bytes();
            payload.extend_from_slice(&vec![1; count * 6]);
            payload.push(b'e');
            PexMessage::parse(&payload)
        };
        assert_eq!(large(10_000).unwrap().added.len(), PexMessage::MAX_PEERS);
        assert!(matches!(large(100_000), Err(ExtensionError::TooLong { .. })));
    }

    ///
    #[test]
    fn pex_that_is_no_dictionary_is_an_error() {
        for payload in [&b""[..], b"le", b"i1e", b"d5:added"] {
            assert!(PexMessage::parse(payload).is_err());
        }
        assert!(PexMessage::parse(b"de").unwrap().is_empty());
    }
}
