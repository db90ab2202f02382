use bytes::Bytes;
use tinytorrent_bencode::{Document, Options, Prefix, encode};

use super::{Extension, ExtensionError, TheirExtensionId};
use crate::Extended;

/// A message of `ut_metadata` (BEP 9).
///
/// The unit that the BEP calls a piece is a block here, since pieces are parts of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataMessage {
    /// The sender wants this block. Answer with data or, until all metadata is verified, with a reject.
    Request {
        /// Number of the block of 16 KiB.
        block: u32,
    },
    /// A block.
    Data {
        /// Number of the block of 16 KiB.
        block: u32,
        /// Bytes of the whole metadata. Some clients leave it out.
        total_size: Option<u64>,
        /// The block: the bytes from the end of the dictionary to the end of the message.
        data: Bytes,
    },
    /// The sender does not have the block, or has sent enough.
    Reject {
        /// Number of the block of 16 KiB.
        block: u32,
    },
    /// A type that BEP 9 does not have. Ignore the message.
    Unknown {
        /// `msg_type`.
        kind: u64,
    },
}

impl MetadataMessage {
    /// Parses the payload of a message. `data` is a slice of it.
    ///
    /// # Errors
    /// The dictionary is unreadable, or lacks `msg_type` or `piece`.
    pub fn parse(payload: &Bytes) -> Result<Self, ExtensionError> {
        let (document, length) = read_prefix(payload)?;
        let number = |key: &'static str| {
            document.get(key).and_then(|value| value.as_u64()).ok_or(missing(key))
        };
        let kind = number("msg_type")?;
        // An unknown type need not have a `piece`.
        if kind > REJECT {
            return Ok(MetadataMessage::Unknown { kind });
        }
        let block = u32::try_from(number("piece")?).map_err(|_| missing("piece"))?;
        Ok(match kind {
            REQUEST => MetadataMessage::Request { block },
            DATA => {
                let total_size = document.get("total_size").and_then(|size| size.as_u64());
                // The block follows the dictionary without a length of its own (BEP 9, "data").
                let data = payload.slice(length..);
                MetadataMessage::Data { block, total_size, data }
            }
            _ => MetadataMessage::Reject { block },
        })
    }

    /// The message to send. An [`Unknown`](Self::Unknown) one has only its type.
    pub fn to_message(&self, to: TheirExtensionId) -> Extended {
        let mut out = Vec::new();
        match self {
            MetadataMessage::Request { block } => dictionary(&mut out, REQUEST, Some(*block), None),
            MetadataMessage::Data { block, total_size, data } => {
                // One allocation for the dictionary and the block.
                out.reserve(64 + data.len());
                dictionary(&mut out, DATA, Some(*block), *total_size);
                out.extend_from_slice(data);
            }
            MetadataMessage::Reject { block } => dictionary(&mut out, REJECT, Some(*block), None),
            MetadataMessage::Unknown { kind } => dictionary(&mut out, *kind, None, None),
        }
        to.message(Bytes::from(out))
    }
}

fn dictionary(out: &mut Vec<u8>, kind: u64, block: Option<u32>, total_size: Option<u64>) {
    encode::dict(out, |message| {
        message.integer("msg_type", kind);
        if let Some(block) = block {
            message.integer("piece", block);
        }
        if let Some(size) = total_size {
            message.integer("total_size", size);
        }
    });
}

/// The dictionary at the start of the payload, and its length in bytes.
fn read_prefix(payload: &[u8]) -> Result<(Document<'_>, usize), ExtensionError> {
    let mut options = Options::lenient();
    options.max_depth(MAX_DEPTH).max_nodes(MAX_NODES);
    let unreadable =
        |source| ExtensionError::Bencode { message: Extension::Metadata.name(), source };
    match options.decode_prefix(payload).map_err(unreadable)? {
        Prefix::Complete(document, length) => {
            document.root().to_dict().map_err(unreadable)?;
            Ok((document, length))
        }
        Prefix::Incomplete { .. } => Err(ExtensionError::Truncated {
            extension: Extension::Metadata.name(),
            found: payload.len(),
        }),
    }
}

fn missing(key: &'static str) -> ExtensionError {
    ExtensionError::Number { extension: Extension::Metadata.name(), key }
}

const REQUEST: u64 = 0;
const DATA: u64 = 1;
const REJECT: u64 = 2;

/// Limits of the dictionary. It has three numbers, and later clients may add some.
const MAX_DEPTH: usize = 8;
const MAX_NODES: usize = 100;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::*;

    fn id() -> TheirExtensionId {
        TheirExtensionId(NonZeroU8::new(3).unwrap())
    }

    fn parse(payload: &'static [u8]) -> Result<MetadataMessage, ExtensionError> {
        MetadataMessage::parse(&Bytes::from_static(payload))
    }

    /// the examples of BEP 9, the reject's type as its text has it.
    #[test]
    fn the_examples_of_bep_9_are_read_and_written() {
        let data = Bytes::from_static(b"xxxxxxxx");
        let examples: [(&'static [u8], _); 3] = [
            (b"d8:msg_typei0e5:piecei0ee", MetadataMessage::Request { block: 0 }),
            (
                b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx",
                MetadataMessage::Data { block: 0, total_size: Some(34_256), data },
            ),
            (b"d8:msg_typei2e5:piecei0ee", MetadataMessage::Reject { block: 0 }),
        ];
        for (bytes, message) in examples {
            assert_eq!(parse(bytes).unwrap(), message);
            assert_eq!(message.to_message(id()).payload, bytes);
        }
    }

    /// the block is a slice of the message.
    #[test]
    fn metadata_bytes_are_not_copied() {
        let payload = Bytes::from_static(b"d8:msg_typei1e5:piecei7eede");
        let Ok(MetadataMessage::Data { block: 7, total_size: None, data }) =
            MetadataMessage::parse(&payload)
        else {
            panic!("data without total_size is data");
        };
        assert_eq!(data, &b"de"[..]);
        assert_eq!(data.as_ptr(), payload[25..].as_ptr());
    }

    /// X-12, BEP 9: "an unrecognized message ID MUST be ignored".
    #[test]
    fn unknown_metadata_message_is_told_apart() {
        assert_eq!(parse(b"d8:msg_typei9ee"), Ok(MetadataMessage::Unknown { kind: 9 }));
    }

    ///
    #[test]
    fn unreadable_metadata_message_is_an_error() {
        for bytes in [&b"d8:msg_typei0ee"[..], b"d8:msg_typei0e5:piecei-1ee", b"le", b"", b"d1:"] {
            assert!(parse(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        assert!(parse(b"d8:msg_typei0e5:piecei4294967296ee").is_err());
        assert!(parse(b"d5:piecei1e8:msg_typei0ee").is_ok(), "any order will do");
    }
}
