use std::sync::Arc;

use tinytorrent_hash::Sha1;
use tinytorrent_metainfo::{Info, Metainfo, merkle};
use tinytorrent_types::PieceIndex;

use crate::hasher::PieceHasher;

/// What each piece of a torrent must hash to: the SHA-1 of its bytes (BEP 3), or the root of a tree
/// over its blocks (BEP 52).
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
    Trees(Arc<Metainfo>),
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

    /// The hashes of a v1 or hybrid torrent; `None` for one that is v2 alone, whose hashes are not all
    /// in the info dictionary.
    pub fn from_info(info: &Arc<Info>) -> Option<Self> {
        info.piece_hashes()?;
        Some(Self { source: Source::Info(Arc::clone(info)) })
    }

    /// The hashes of a torrent of any version: those of v1, if it has them. `None` if a piece layer is
    /// missing.
    pub fn from_metainfo(metainfo: &Arc<Metainfo>) -> Option<Self> {
        Self::from_info(metainfo.info()).or_else(|| {
            let is_complete = metainfo.has_all_piece_layers();
            is_complete.then(|| Self { source: Source::Trees(Arc::clone(metainfo)) })
        })
    }

    /// For how many pieces there is a hash.
    pub fn piece_count(&self) -> u32 {
        match &self.source {
            Source::Trees(metainfo) => metainfo.info().geometry().piece_count(),
            _ => u32::try_from(self.list().len()).unwrap_or(u32::MAX),
        }
    }

    /// What hashes a piece.
    pub(crate) fn hasher(&self) -> PieceHasher {
        match &self.source {
            Source::Trees(_) => PieceHasher::Leaves(Vec::new()),
            _ => PieceHasher::Sha1(Sha1::new()),
        }
    }

    /// Whether these pieces, hashed from start to end, are right; none is of which there is no hash.
    pub(crate) fn judge(&self, pieces: Vec<(PieceIndex, PieceHasher)>) -> Vec<bool> {
        match &self.source {
            Source::Trees(metainfo) => pieces
                .into_iter()
                .map(|(piece, hasher)| is_right(metainfo, piece, &hasher))
                .collect(),
            _ => self.judge_sha1(pieces),
        }
    }

    fn judge_sha1(&self, pieces: Vec<(PieceIndex, PieceHasher)>) -> Vec<bool> {
        let (pieces, hashers): (Vec<_>, Vec<_>) = pieces
            .into_iter()
            .map(|(piece, hasher)| match hasher {
                PieceHasher::Sha1(hasher) => (Some(piece), hasher),
                PieceHasher::Leaves(_) => (None, Sha1::new()),
            })
            .unzip();
        let hashes = Sha1::finalize_many(hashers);
        let list = self.list();
        let is_right = |(piece, hash): (Option<PieceIndex>, [u8; 20])| {
            piece.is_some_and(|piece| list.get(piece.as_usize()) == Some(&hash))
        };
        pieces.into_iter().zip(hashes).map(is_right).collect()
    }

    fn list(&self) -> &[[u8; 20]] {
        match &self.source {
            Source::List(list) => list,
            Source::Info(info) => info.piece_hashes().unwrap_or(&[]),
            Source::Trees(_) => &[],
        }
    }
}

/// BEP 52: the leaves of a piece are as many as it has room for, those beyond the file are zero.
fn is_right(metainfo: &Metainfo, piece: PieceIndex, hasher: &PieceHasher) -> bool {
    let PieceHasher::Leaves(leaves) = hasher else { return false };
    metainfo
        .piece_hash_v2(piece)
        .is_some_and(|expected| merkle::root(leaves, expected.leaf_count) == expected.hash)
}

impl std::fmt::Debug for PieceHashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PieceHashes({})", self.piece_count())
    }
}
