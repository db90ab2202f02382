use std::sync::Arc;

use tinytorrent_hash::Sha1;
use tinytorrent_metainfo::{Info, Metainfo, merkle};
use tinytorrent_types::PieceIndex;

use crate::{hasher::PieceHasher, verify::Zeros};

/// The hashes of a torrent's pieces: the SHA-1 of the bytes of each (BEP 3), the root of a tree over
/// its blocks (BEP 52), or both.
///
/// A piece of a hybrid is right only by both of its hashes. One that satisfies one hash and not the other
/// shows that the torrent contradicts itself (V-17): see
/// [`StorageError::Inconsistent`](crate::StorageError::Inconsistent). A piece that is nearly all padding is
/// judged by its tree alone, so that a byte of payload does not have millions hashed
/// ([`Metainfo::is_verified_by_tree_alone`]).
///
/// Cheap to clone.
#[derive(Clone)]
pub struct PieceHashes {
    source: Source,
}

#[derive(Clone)]
enum Source {
    List(Arc<[[u8; 20]]>),
    /// A torrent of v1 alone.
    Info(Arc<Info>),
    /// A torrent of v2, alone or hybrid.
    Metainfo(Arc<Metainfo>),
}

/// The outcome of hashing all of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    Wrong,
    /// Right by one hash of a hybrid and wrong by the other (V-17).
    Inconsistent,
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
    ///
    /// Of a hybrid, only the files no larger than a piece have both hashes there. With the piece
    /// layers, [`from_metainfo`](Self::from_metainfo) has both for all.
    pub fn from_info(info: &Arc<Info>) -> Option<Self> {
        info.piece_hashes()?;
        let source = match info.hashes().v2() {
            None => Source::Info(Arc::clone(info)),
            Some(_) => Source::Metainfo(Arc::new(Metainfo::from_info(Arc::clone(info)))),
        };
        Some(Self { source })
    }

    /// The hashes of a torrent of any version. `None` if it is v2 alone and a piece layer is missing.
    ///
    /// Files of a hybrid whose piece layer is missing are verified by SHA-1 alone: peers of v1 can
    /// give the content, but no layers.
    pub fn from_metainfo(metainfo: &Arc<Metainfo>) -> Option<Self> {
        let info = metainfo.info();
        if info.hashes().v2().is_none() {
            return Self::from_info(info);
        }
        let is_enough = info.piece_hashes().is_some() || metainfo.has_all_piece_layers();
        is_enough.then(|| Self { source: Source::Metainfo(Arc::clone(metainfo)) })
    }

    /// The number of pieces that have a hash.
    pub fn piece_count(&self) -> u32 {
        match &self.source {
            Source::Metainfo(metainfo) => metainfo.info().geometry().piece_count(),
            Source::List(_) | Source::Info(_) => {
                u32::try_from(self.sha1_list().len()).unwrap_or(u32::MAX)
            }
        }
    }

    /// A hasher for the piece, for all of its hashes that are known.
    pub(crate) fn hasher(&self, piece: PieceIndex) -> PieceHasher {
        let Source::Metainfo(metainfo) = &self.source else { return PieceHasher::sha1() };
        let payload = metainfo.info().geometry().payload_length(piece);
        let has_v1 = metainfo.info().piece_hashes().is_some();
        match (has_v1, metainfo.piece_hash_v2(piece)) {
            (true, Some(_)) if metainfo.is_verified_by_tree_alone(piece) => {
                PieceHasher::leaves(payload)
            }
            (true, Some(_)) => PieceHasher::both(payload),
            (true, None) => PieceHasher::sha1(),
            // A piece without any hash gets leaves too, and `judge` finds it wrong.
            (false, _) => PieceHasher::leaves(payload),
        }
    }

    /// Judges pieces that were hashed from start to end. One without a hash is wrong.
    pub(crate) fn judge(&self, pieces: Vec<(PieceIndex, PieceHasher)>) -> Vec<Verdict> {
        let mut halves = Vec::with_capacity(pieces.len());
        let mut hashers = Vec::with_capacity(pieces.len());
        for (piece, hasher) in pieces {
            let (sha1, leaves) = hasher.into_halves();
            halves.push((piece, sha1.is_some(), leaves));
            // Finished side by side below. Pieces of v2 alone have none.
            hashers.extend(sha1);
        }
        let mut sums = Sha1::finalize_many(hashers).into_iter();
        let judge_one = |(piece, has_sha1, leaves): (PieceIndex, bool, Option<Vec<_>>)| {
            let sum = if has_sha1 { sums.next() } else { None };
            let by_v1 = sum.map(|sum| self.sha1_list().get(piece.as_usize()) == Some(&sum));
            let by_v2 = leaves.map(|leaves| self.is_root_of(piece, &leaves));
            Verdict::of(by_v1, by_v2)
        };
        halves.into_iter().map(judge_one).collect()
    }

    /// Judges a piece that is all zeros, without hashing each such piece anew.
    pub(crate) fn judge_zeros(&self, piece: PieceIndex, length: u32, zeros: &mut Zeros) -> Verdict {
        let v1 = self.sha1_list();
        let by_v1 = (!v1.is_empty()).then(|| v1.get(piece.as_usize()) == Some(&zeros.sha1(length)));
        let Source::Metainfo(metainfo) = &self.source else { return Verdict::of(by_v1, None) };
        let payload = metainfo.info().geometry().payload_length(piece);
        let by_v2 = metainfo
            .piece_hash_v2(piece)
            .map(|expected| zeros.root(payload, expected.leaf_count) == expected.hash);
        Verdict::of(by_v1, by_v2)
    }

    /// BEP 52: the leaves of a piece are as many as it has room for, those beyond the file are zero.
    fn is_root_of(&self, piece: PieceIndex, leaves: &[merkle::Hash]) -> bool {
        let Source::Metainfo(metainfo) = &self.source else { return false };
        metainfo
            .piece_hash_v2(piece)
            .is_some_and(|expected| merkle::root(leaves, expected.leaf_count) == expected.hash)
    }

    fn sha1_list(&self) -> &[[u8; 20]] {
        match &self.source {
            Source::List(list) => list,
            Source::Info(info) => info.piece_hashes().unwrap_or(&[]),
            Source::Metainfo(metainfo) => metainfo.info().piece_hashes().unwrap_or(&[]),
        }
    }
}

impl Verdict {
    fn of(by_v1: Option<bool>, by_v2: Option<bool>) -> Self {
        match (by_v1, by_v2) {
            (Some(v1), Some(v2)) if v1 != v2 => Verdict::Inconsistent,
            (Some(true), _) | (_, Some(true)) => Verdict::Right,
            _ => Verdict::Wrong,
        }
    }
}

impl std::fmt::Debug for PieceHashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PieceHashes({})", self.piece_count())
    }
}
