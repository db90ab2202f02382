use std::sync::Arc;

use tinytorrent_metainfo::Info;
use tinytorrent_types::PieceIndex;

/// What each piece of a torrent must hash to.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct PieceHashes {
    source: Source,
}

#[derive(Clone)]
enum Source {
    List(Arc<[[u8; 20]]>),
    Info(Arc<Info>),
}

impl PieceHashes {
    /// The `pieces` of a v1 info dictionary, cut into hashes (BEP 3).
    pub fn from_v1(hashes: impl IntoIterator<Item = [u8; 20]>) -> Self {
        Self { source: Source::List(hashes.into_iter().collect()) }
    }

    /// The `pieces` of a v1 info dictionary as they stand there; bytes beyond the last whole hash
    /// are left out (BEP 3).
    pub fn from_v1_bytes(pieces: &[u8]) -> Self {
        Self { source: Source::List(pieces.as_chunks().0.into()) }
    }

    /// The hashes of a v1 or hybrid torrent; `None` for one that is v2 alone.
    pub fn from_info(info: &Arc<Info>) -> Option<Self> {
        info.piece_hashes()?;
        Some(Self { source: Source::Info(Arc::clone(info)) })
    }

    /// For how many pieces there is a hash.
    pub fn piece_count(&self) -> u32 {
        u32::try_from(self.list().len()).unwrap_or(u32::MAX)
    }

    /// Whether this is the hash of the piece; never for a piece there is no hash of.
    pub(crate) fn matches(&self, piece: PieceIndex, hash: &[u8; 20]) -> bool {
        self.list().get(piece.as_usize()) == Some(hash)
    }

    fn list(&self) -> &[[u8; 20]] {
        match &self.source {
            Source::List(list) => list,
            Source::Info(info) => info.piece_hashes().unwrap_or(&[]),
        }
    }
}

impl std::fmt::Debug for PieceHashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PieceHashes({})", self.piece_count())
    }
}
