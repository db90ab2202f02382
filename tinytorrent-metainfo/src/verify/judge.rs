use tinytorrent_types::PieceIndex;

use crate::content::Digest;
use crate::metainfo::PieceHash;
use crate::{Metainfo, merkle};

/// The state of a piece that was read.
pub(super) enum Verdict {
    Right,
    Wrong,
    /// The hash of a piece whose file has no piece layer. It is decided when the whole file was hashed.
    Pending(merkle::Hash),
}

/// The error of a hybrid torrent whose two hashes of a piece belong to different contents.
pub(super) struct Inconsistent;

/// Compares the hashes of a piece with those of the torrent.
pub(super) fn judge(
    metainfo: &Metainfo,
    piece: PieceIndex,
    digest: Digest,
) -> Result<Verdict, Inconsistent> {
    let v1 = digest.sha1.map(|sha1| metainfo.info().piece_hash(piece) == Some(sha1));
    let known = metainfo.piece_hash_v2(piece).map(|PieceHash { hash, .. }| hash);
    match (v1, digest.root.map(|root| known.map(|known| known == root).ok_or(root))) {
        (Some(v1), Some(Ok(v2))) if v1 != v2 => Err(Inconsistent),
        (Some(false), _) | (_, Some(Ok(false))) => Ok(Verdict::Wrong),
        (Some(true), _) | (_, Some(Ok(true))) => Ok(Verdict::Right),
        (None, Some(Err(root))) => Ok(Verdict::Pending(root)),
        // A piece of a v2 torrent that is all padding has no hash, and cannot be wrong.
        (None, None) => Ok(Verdict::Right),
    }
}
