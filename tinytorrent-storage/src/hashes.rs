use std::sync::Arc;

use tinytorrent_types::PieceIndex;

/// What each piece of a torrent must hash to.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct PieceHashes {
    sha1: Arc<[[u8; 20]]>,
}

impl PieceHashes {
    /// The `pieces` of a v1 info dictionary, cut into hashes (BEP 3).
    pub fn from_v1(hashes: impl IntoIterator<Item = [u8; 20]>) -> Self {
        Self { sha1: hashes.into_iter().collect() }
    }

    /// The `pieces` of a v1 info dictionary as they stand there; bytes beyond the last whole hash
    /// are left out (BEP 3).
    pub fn from_v1_bytes(pieces: &[u8]) -> Self {
        Self { sha1: pieces.as_chunks().0.into() }
    }

    /// For how many pieces there is a hash.
    pub fn piece_count(&self) -> u32 {
        u32::try_from(self.sha1.len()).unwrap_or(u32::MAX)
    }

    /// Whether this is the hash of the piece; never for a piece there is no hash of.
    pub(crate) fn matches(&self, piece: PieceIndex, hash: &[u8; 20]) -> bool {
        self.sha1.get(piece.as_usize()) == Some(hash)
    }
}

impl std::fmt::Debug for PieceHashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PieceHashes({})", self.sha1.len())
    }
}
