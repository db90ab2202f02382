use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use tinytorrent_bencode::{Node, Options, Raw, encode};
use tinytorrent_types::Printable;

use super::{ExtensionError, OurExtensions};
use crate::Extended;

/// The extended handshake (BEP 10, "handshake message"; BEP 9 and 21 for some keys). Every key may be
/// missing.
///
/// All values are claims of the peer. A later handshake on the same connection replaces the values that
/// it has, and leaves the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExtendedHandshake {
    /// `m`: names of extensions, and the numbers under which the sender receives them; 0 takes a name
    /// away. See [`TheirExtensions::update`](super::TheirExtensions::update).
    pub extensions: Vec<(Vec<u8>, u8)>,
    /// `v`: the client's name and version, meant to be UTF-8. See
    /// [`client_name`](Self::client_name).
    pub client: Option<Vec<u8>>,
    /// `p`: the TCP port at which the sender listens; never 0.
    pub listen_port: Option<u16>,
    /// `yourip`: the address of the receiver as the sender sees it. One peer may lie: compare several.
    pub your_ip: Option<IpAddr>,
    /// `ipv4`: another address of the sender.
    pub ipv4: Option<Ipv4Addr>,
    /// `ipv6`: another address of the sender.
    pub ipv6: Option<Ipv6Addr>,
    /// `reqq`: the number of requests that the sender queues without dropping any.
    pub request_queue: Option<u32>,
    /// `metadata_size`: bytes of the info dictionary, never 0 (BEP 9). It is a claim: allocate no memory
    /// for it.
    pub metadata_size: Option<u64>,
    /// `upload_only`: the sender downloads nothing (BEP 21).
    pub upload_only: Option<bool>,
    /// `e`: the sender prefers encrypted connections.
    pub prefers_encryption: Option<bool>,
    /// `complete_ago`: seconds since the sender became a seed; negative for never.
    pub complete_ago: Option<i64>,
    /// `tr`: SHA-1 of the announce URLs that the sender tells of, sorted and joined (BEP 28). Who has the same list need
    /// not send it.
    pub tracker_list: Option<[u8; 20]>,
    /// Keys without a field here, as received. Keys with a field are here too if their value has a wrong
    /// type.
    pub unknown: Vec<(Vec<u8>, Raw<'static>)>,
}

impl ExtendedHandshake {
    /// A handshake that announces these extensions.
    pub fn new(ours: &OurExtensions) -> Self {
        let named = |(id, extension): (super::OurExtensionId, super::Extension)| {
            (extension.name().as_bytes().to_vec(), id.get())
        };
        Self { extensions: ours.iter().map(named).collect(), ..Self::default() }
    }

    /// Announces that we no longer want to receive this extension (BEP 10: the number 0).
    pub fn disable(&mut self, extension: super::Extension) -> &mut Self {
        for (name, id) in &mut self.extensions {
            if name == extension.name().as_bytes() {
                *id = 0;
            }
        }
        self
    }

    /// Parses the payload of an extended message with id 0.
    ///
    /// Parsing is lenient, as many clients do not sort their keys. Odd values are passed over, and only a
    /// payload that is no dictionary fails.
    ///
    /// # Errors
    /// The payload is no bencoded dictionary, is longer than 64 KiB, or has too many values.
    pub fn parse(payload: &[u8]) -> Result<Self, ExtensionError> {
        if payload.len() > MAX_LENGTH {
            let (extension, found) = ("extended handshake", payload.len());
            return Err(ExtensionError::TooLong { extension, found, limit: MAX_LENGTH });
        }
        let unreadable = |source| ExtensionError::Bencode { message: "extended handshake", source };
        let mut options = Options::lenient();
        // Deviations are tolerated; a list of them would only take memory.
        options.max_depth(MAX_DEPTH).max_nodes(MAX_NODES).max_deviations(0);
        let document = options.decode(payload).map_err(unreadable)?;
        let mut handshake = Self::default();
        for (key, value) in document.root().to_dict().map_err(unreadable)? {
            if handshake.take(key, value).is_none() {
                // Kept, so that a proxy or a tool can show or pass on what this crate does not know.
                handshake.unknown.push((key.to_vec(), value.to_raw().into_owned()));
            }
        }
        Ok(handshake)
    }

    /// Sets the field of the key. `None` if there is no such field, or the value has a wrong type.
    fn take(&mut self, key: &[u8], value: Node<'_, '_>) -> Option<()> {
        match key {
            b"m" => self.extensions = extensions(value)?,
            b"v" => self.client = Some(value.as_bytes()?.to_vec()),
            b"p" => self.listen_port = Some(u16::try_from(value.as_u64()?).ok().filter(positive)?),
            b"yourip" => self.your_ip = Some(address(value.as_bytes()?)?),
            b"ipv4" => self.ipv4 = Some(<[u8; 4]>::try_from(value.as_bytes()?).ok()?.into()),
            b"ipv6" => self.ipv6 = Some(<[u8; 16]>::try_from(value.as_bytes()?).ok()?.into()),
            // A queue longer than a u32 is as good as the longest.
            b"reqq" => self.request_queue = Some(value.as_u64()?.try_into().unwrap_or(u32::MAX)),
            b"metadata_size" => self.metadata_size = Some(value.as_u64().filter(positive)?),
            b"upload_only" => self.upload_only = Some(value.as_bool()?),
            b"e" => self.prefers_encryption = Some(value.as_bool()?),
            b"tr" => self.tracker_list = Some(value.as_bytes()?.try_into().ok()?),
            b"complete_ago" => self.complete_ago = Some(value.as_i64()?),
            _ => return None,
        }
        Some(())
    }

    /// The message to send, with its keys in order.
    pub fn to_message(&self) -> Extended {
        let mut out = Vec::new();
        encode::dict(&mut out, |handshake| {
            // In any place, as the encoder sorts the keys of a dictionary.
            for (key, value) in &self.unknown {
                handshake.raw(key, value);
            }
            if let Some(ago) = self.complete_ago {
                handshake.integer("complete_ago", ago);
            }
            if let Some(prefers) = self.prefers_encryption {
                handshake.integer("e", u8::from(prefers));
            }
            if let Some(address) = self.ipv4 {
                handshake.bytes("ipv4", address.octets());
            }
            if let Some(address) = self.ipv6 {
                handshake.bytes("ipv6", address.octets());
            }
            handshake.dict("m", |m| {
                for (name, id) in &self.extensions {
                    m.integer(name, *id);
                }
            });
            if let Some(size) = self.metadata_size {
                handshake.integer("metadata_size", size);
            }
            if let Some(port) = self.listen_port {
                handshake.integer("p", port);
            }
            if let Some(count) = self.request_queue {
                handshake.integer("reqq", count);
            }
            if let Some(hash) = self.tracker_list {
                handshake.bytes("tr", hash);
            }
            if let Some(is_upload_only) = self.upload_only {
                handshake.integer("upload_only", u8::from(is_upload_only));
            }
            if let Some(client) = &self.client {
                handshake.bytes("v", client);
            }
            // BEP 10 has four bytes for IPv4, and a mapped address would take sixteen.
            match self.your_ip.map(|ip| ip.to_canonical()) {
                Some(IpAddr::V4(ip)) => handshake.bytes("yourip", ip.octets()),
                Some(IpAddr::V6(ip)) => handshake.bytes("yourip", ip.octets()),
                None => {}
            }
        });
        Extended { id: 0, payload: Bytes::from(out) }
    }

    /// [`client`](Self::client) as text that is safe to print, of at most 64 characters. Bytes that are not
    /// UTF-8, and characters that control a terminal, are replaced.
    pub fn client_name(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.client.as_deref()?);
        let text: String = text.chars().take(MAX_NAME).collect();
        Some(Printable(&text).to_string())
    }
}

/// The entries of `m` whose value fits a byte. `None` if `m` is no dictionary.
fn extensions(value: Node<'_, '_>) -> Option<Vec<(Vec<u8>, u8)>> {
    let entries = value.to_dict().ok()?;
    let numbered =
        |(name, id): (&[u8], Node<'_, '_>)| Some((name.to_vec(), u8::try_from(id.as_u64()?).ok()?));
    // No message can bear a number above 255, so that such a name is left out, and the others are
    // kept.
    Some(entries.filter_map(numbered).collect())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn positive<N: PartialOrd + Default>(number: &N) -> bool {
    *number > N::default()
}

/// Characters of a name to print: more than any client's name has.
const MAX_NAME: usize = 64;

/// Limits of the dictionary: ten times as much as any client is known to send.
const MAX_LENGTH: usize = 64 << 10;
const MAX_DEPTH: usize = 16;
const MAX_NODES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::{Extension, TheirExtensions};
    use super::*;

    fn parse(payload: &[u8]) -> ExtendedHandshake {
        ExtendedHandshake::parse(payload).unwrap()
    }

    fn numbered(name: &str, id: u8) -> (Vec<u8>, u8) {
        (name.as_bytes().to_vec(), id)
    }

    /// the keys of BEP 10, 9, 21.
    #[test]
    fn every_key_is_read_and_written() {
        let mut payload = b"d12:complete_agoi-1e1:ei1e4:ipv44:\x01\x02\x03\x044:ipv616:".to_vec();
        payload.extend_from_slice(&[9; 16]);
        payload.extend_from_slice(b"1:md6:ut_pexi2e11:ut_metadatai3ee13:metadata_sizei31235e");
        payload.extend_from_slice(
            b"1:pi6881e4:reqqi250e2:tr20:abcdefghijklmnopqrst11:upload_onlyi1e1:v4:\xc2\xb5T26:yourip4:\x05\x06\x07\x08e",
        );
        let handshake = parse(&payload);
        assert_eq!(handshake.complete_ago, Some(-1));
        assert_eq!(handshake.prefers_encryption, Some(true));
        assert_eq!(handshake.ipv4, Some([1, 2, 3, 4].into()));
        assert_eq!(handshake.ipv6, Some([9; 16].into()));
        assert_eq!(handshake.extensions, [numbered("ut_pex", 2), numbered("ut_metadata", 3)]);
        assert_eq!(handshake.metadata_size, Some(31_235));
        assert_eq!(handshake.listen_port, Some(6881));
        assert_eq!(handshake.request_queue, Some(250));
        assert_eq!(handshake.tracker_list, Some(*b"abcdefghijklmnopqrst"));
        assert_eq!(handshake.upload_only, Some(true));
        assert_eq!(handshake.client_name().unwrap(), "\u{b5}T2");
        assert_eq!(handshake.your_ip, Some([5, 6, 7, 8].into()));
        assert!(handshake.unknown.is_empty());
        let mut again = parse(&handshake.to_message().payload);
        again.extensions.sort_by_key(|(_, id)| *id);
        assert_eq!(again, handshake);
    }

    /// every key is optional.
    #[test]
    fn an_empty_handshake_is_one() {
        assert_eq!(parse(b"de"), ExtendedHandshake::default());
    }

    ///
    #[test]
    fn unsorted_keys_are_read() {
        let handshake = parse(b"d1:v1:x1:pi1e1:md6:ut_pexi1e11:ut_metadatai2eee");
        assert_eq!(handshake.listen_port, Some(1));
        assert_eq!(handshake.extensions.len(), 2);
    }

    /// a value of the wrong type costs its key only.
    #[test]
    fn odd_values_are_passed_over() {
        let handshake = parse(
            b"d1:md3:foo1:x6:ut_pexi999e11:ut_metadatai-1e2:oki7ee1:pi70000e4:reqq1:a1:vi1e6:yourip3:abce",
        );
        assert_eq!(handshake.extensions, [numbered("ok", 7)]);
        assert_eq!(handshake.listen_port, None);
        assert_eq!((handshake.request_queue, &handshake.client), (None, &None));
        assert_eq!(handshake.your_ip, None);
        assert_eq!(parse(b"d1:mi1e1:pi0ee").extensions, []);
        assert_eq!(parse(b"d1:pi0ee").listen_port, None);
    }

    /// an error, not a panic.
    #[test]
    fn a_handshake_that_is_no_dictionary_is_an_error() {
        for payload in [&b""[..], b"le", b"i1e", b"d1:m", b"<html>"] {
            assert!(ExtendedHandshake::parse(payload).is_err());
        }
        let deep = [&b"d1:m"[..], &b"l".repeat(5000)].concat();
        assert!(ExtendedHandshake::parse(&deep).is_err());
    }

    /// what a handshake holds in memory is bounded.
    #[test]
    fn a_handshake_over_the_limit_is_an_error() {
        let of_length = |length: usize| {
            let digits = (length - "d1:v65000:e".len()).to_string();
            let name = "x".repeat(digits.parse().unwrap());
            ExtendedHandshake::parse(format!("d1:v{digits}:{name}e").as_bytes())
        };
        assert!(of_length(64 << 10).is_ok());
        assert!(matches!(of_length((64 << 10) + 1), Err(ExtensionError::TooLong { .. })));
    }

    /// X-10, BEP 9.
    #[test]
    fn metadata_size_of_nothing_is_none() {
        for size in ["0", "-1", "-99999999999999999999"] {
            let payload = format!("d13:metadata_sizei{size}ee");
            assert_eq!(parse(payload.as_bytes()).metadata_size, None, "{size}");
        }
        assert_eq!(parse(b"d1:md13:metadata_sizei5eee").metadata_size, None, "not inside m");
    }

    /// kept, and sent on in their place.
    #[test]
    fn unknown_keys_are_kept() {
        let payload = b"d2:aad1:bli1eee1:mde1:v1:x2:zzi-7ee";
        let handshake = parse(payload);
        let keys: Vec<_> = handshake.unknown.iter().map(|(key, _)| key.as_slice()).collect();
        assert_eq!(keys, [b"aa", b"zz"]);
        assert_eq!(&handshake.to_message().payload[..], payload);
    }

    /// `v` may hold anything.
    #[test]
    fn client_name_is_safe_to_print() {
        let handshake = parse(b"d1:v9:\xff\x1b[31m\0\n\te");
        assert_eq!(
            handshake.client_name().unwrap(),
            "\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}"
        );
        let long = parse(format!("d1:v200:{}e", "x".repeat(200)).as_bytes());
        assert_eq!(long.client_name().unwrap().len(), 64);
    }

    /// BEP 10: `m` adds, 0 takes away, numbers are theirs.
    #[test]
    fn m_is_additive_and_zero_removes() {
        let mut theirs = TheirExtensions::default();
        theirs.update(&parse(b"d1:md11:ut_metadatai3e6:ut_pexi9eee"));
        assert_eq!(theirs.id(Extension::Metadata).unwrap().get(), 3);
        theirs.update(&parse(b"d1:md6:ut_pexi0e11:lt_donthavei7eee"));
        assert_eq!(theirs.id(Extension::PeerExchange), None);
        assert_eq!(theirs.id(Extension::Metadata).unwrap().get(), 3);
        assert_eq!(theirs.id(Extension::DontHave).unwrap().get(), 7);
        theirs.update(&parse(b"de"));
        assert_eq!(theirs.iter().count(), 2);
    }
}
