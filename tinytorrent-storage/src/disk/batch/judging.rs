//! The verdicts on complete pieces, and the digests of their blocks.

use tinytorrent_hash::sha1_many;
use tinytorrent_types::{BLOCK_LENGTH, BlockDigest, PieceIndex};

use super::{Done, PieceWork, Progress, READ_BACK, Subject, hashing::Hashing, read_blocks};
use crate::{StorageError, hashes::Verdict};

/// Compares the hashes of pieces that are complete.
pub(super) fn judge(content: &Subject, hashing: Vec<Hashing>, sync_before_have: bool) -> Vec<Done> {
    let mut complete = Vec::new();
    let mut done = Vec::new();
    for mut piece in hashing {
        match piece.error {
            Some(error) => done.push(Done { work: piece.work, result: Err(error) }),
            None if piece.work.finish.is_some() && piece.padding == 0 => {
                let hasher = std::mem::take(&mut piece.work.hasher);
                let index = piece.work.piece;
                complete.push((piece.work, (index, hasher)));
            }
            None => done.push(Done { work: piece.work, result: Ok(Progress::Partial) }),
        }
    }
    // Judged together, so that the ends of the hashes share the lanes as well.
    let (works, hashers): (Vec<_>, Vec<_>) = complete.into_iter().unzip();
    let verdicts = content.hashes.judge(hashers);
    for (work, verdict) in works.into_iter().zip(verdicts) {
        let result = judge_one(content, &work, verdict, sync_before_have);
        done.push(Done { work, result });
    }
    done
}

fn judge_one(
    content: &Subject,
    work: &PieceWork,
    verdict: Verdict,
    sync_before_have: bool,
) -> Result<Progress, StorageError> {
    match verdict {
        Verdict::Right => {}
        // Read back, as blocks of earlier batches have left memory.
        Verdict::Wrong => return digests(content, work.piece).map(Progress::Failed),
        Verdict::Inconsistent => return Ok(Progress::Inconsistent),
    }
    // S-26. A wrong piece has returned above. The first right piece of a batch syncs for all of it,
    // as no later one finds a file that is not synced.
    if sync_before_have {
        content.storage.sync()?;
    }
    let wanted = work.finish.is_some_and(|finish| finish.digests);
    let digests = if wanted { digests(content, work.piece)? } else { Vec::new() };
    Ok(Progress::Verified(digests))
}

/// The digest of each block of a piece, as it is on disk.
fn digests(content: &Subject, piece: PieceIndex) -> Result<Vec<BlockDigest>, StorageError> {
    let block_count = content.storage.geometry().block_count(piece);
    let mut digests = Vec::with_capacity(block_count as usize);
    for first in (0..block_count).step_by(READ_BACK as usize) {
        let count = READ_BACK.min(block_count - first);
        let data = read_blocks(content, piece, first, count)?;
        let blocks: Vec<&[u8]> = data.chunks(BLOCK_LENGTH as usize).collect();
        let mut hashes = vec![[0; 20]; blocks.len()];
        sha1_many(&blocks, &mut hashes);
        digests.extend(hashes.into_iter().map(BlockDigest::from_bytes));
    }
    Ok(digests)
}
