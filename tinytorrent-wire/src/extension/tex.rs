use bytes::Bytes;
use tinytorrent_bencode::{MaybeNode, Options, encode};

use super::{Extension, ExtensionError, TheirExtensionId};
use crate::Extended;

/// A message of `lt_tex`: trackers that the sender has learned of since the last one, or in the first one all that it
/// knows (BEP 28).
///
/// They are claims of a stranger, who can name any host. Ask them with care, and pass on only those that have answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TexMessage {
    /// Announce URLs.
    pub added: Vec<String>,
}

impl TexMessage {
    /// The largest payload to parse, in bytes.
    pub const MAX_LENGTH: usize = 64 << 10;

    /// The number of trackers to take from one message, and bytes of the URL of each. Those beyond it are left out.
    pub const MAX_TRACKERS: usize = 64;

    /// Bytes of a URL at most. Longer ones are left out.
    pub const MAX_URL: usize = 1_024;

    /// Parses the payload of a message. What is no text is left out, and unknown keys are ignored.
    ///
    /// # Errors
    /// The payload is larger than [`MAX_LENGTH`](Self::MAX_LENGTH), or no dictionary.
    pub fn parse(payload: &[u8]) -> Result<Self, ExtensionError> {
        let extension = Extension::TrackerExchange.name();
        if payload.len() > Self::MAX_LENGTH {
            let (found, limit) = (payload.len(), Self::MAX_LENGTH);
            return Err(ExtensionError::TooLong { extension, found, limit });
        }
        let unreadable = |source| ExtensionError::Bencode { message: extension, source };
        let mut options = Options::lenient();
        options.max_depth(MAX_DEPTH).max_nodes(MAX_NODES).max_deviations(0);
        let document = options.decode(payload).map_err(unreadable)?;
        document.root().to_dict().map_err(unreadable)?;
        let added = document.get("added").list();
        let urls = added.filter_map(|url| str::from_utf8(url.as_bytes()?).ok());
        let urls = urls.filter(|url| !url.is_empty() && url.len() <= Self::MAX_URL);
        Ok(Self { added: urls.take(Self::MAX_TRACKERS).map(str::to_owned).collect() })
    }

    /// The message to send.
    pub fn to_message(&self, to: TheirExtensionId) -> Extended {
        let mut out = Vec::new();
        encode::dict(&mut out, |message| {
            message.list("added", |list| self.added.iter().for_each(|url| list.bytes(url)));
        });
        to.message(Bytes::from(out))
    }
}

/// Limits of the dictionary: the list of a thousand URLs, and unknown keys.
const MAX_DEPTH: usize = 8;
const MAX_NODES: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::super::{ExtendedHandshake, OurExtensions, TheirExtensions};
    use super::*;

    fn to_us() -> TheirExtensionId {
        let mut theirs = TheirExtensions::default();
        theirs.update(&ExtendedHandshake::new(&OurExtensions::new([Extension::TrackerExchange])));
        theirs.id(Extension::TrackerExchange).unwrap()
    }

    /// The example of BEP 28, "extension message".
    #[test]
    fn the_example_of_the_bep_is_read_and_written() {
        let payload = b"d5:addedl38:http://tracker.bittorrent.com/announce30:http://tracker2.bittorrent.comee";
        let message = TexMessage::parse(payload).unwrap();
        assert_eq!(
            message.added,
            ["http://tracker.bittorrent.com/announce", "http://tracker2.bittorrent.com"]
        );
        assert_eq!(&message.to_message(to_us()).payload[..], payload);
    }

    #[test]
    fn what_is_no_url_is_left_out_and_what_is_too_much_as_well() {
        for payload in [&b"de"[..], b"d5:addedi1ee", b"d5:addedli1e0:le1:\xffe1:xi1ee"] {
            assert_eq!(TexMessage::parse(payload), Ok(TexMessage::default()));
        }
        let long = format!("d5:addedl1025:{}1:aee", "x".repeat(1_025));
        assert_eq!(TexMessage::parse(long.as_bytes()).unwrap().added, ["a"]);
        let many = format!("d5:addedl{}ee", "1:a".repeat(1_000));
        assert_eq!(TexMessage::parse(many.as_bytes()).unwrap().added.len(), 64);
    }

    #[test]
    fn a_message_that_is_no_dictionary_or_too_large_is_an_error() {
        for payload in [&b""[..], b"le", b"d5:addedl"] {
            assert!(TexMessage::parse(payload).is_err());
        }
        let large = vec![b' '; TexMessage::MAX_LENGTH + 1];
        assert!(matches!(TexMessage::parse(&large), Err(ExtensionError::TooLong { .. })));
    }
}
