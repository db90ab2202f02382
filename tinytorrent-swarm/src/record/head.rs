//! The frame of a recording: a line that names the version, and entries with their lengths.

use super::code::{Code, Malformed, Reader, Writer, push_number};
use crate::SwarmConfig;
use crate::config::Sha1;

/// The first line. The version grows with each change of the format, and others are not read.
pub(super) const MAGIC: &[u8] = b"tinytorrent recording 1\n";

/// Bytes of an entry at most. The largest there is has an info dictionary of 32 MiB.
pub(super) const MAX_ENTRY: usize = 40 << 20;

/// The first entry: what the engine was made with.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Addresses and names are not the real ones.
    pub(super) is_masked: bool,
    pub(super) config: SwarmConfig,
    /// The digest of no bytes, by the function that the engine was given for SHA-1.
    pub(super) sample: Option<[u8; 20]>,
}

/// The digest by which a function is recognized.
pub(super) fn sample(sha1: Sha1) -> [u8; 20] {
    sha1(b"")
}

pub(super) fn encode(config: &SwarmConfig, is_masked: bool, out: &mut Writer) {
    is_masked.encode(out);
    config.encode(out);
    config.sha1.map(sample).encode(out);
}

impl Head {
    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let is_masked = Code::decode(input)?;
        let (config, sample) = Code::decode(input)?;
        Ok(Self { is_masked, config, sample })
    }
}

/// Appends an entry with its length, and empties it.
pub(super) fn append(to: &mut Vec<u8>, entry: &mut Vec<u8>) {
    push_number(to, entry.len() as u64);
    to.append(entry);
}
