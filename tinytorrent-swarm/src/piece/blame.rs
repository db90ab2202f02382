use std::collections::BTreeMap;

use tinytorrent_types::{BlockDigest, PieceIndex};

use super::Sender;
use crate::PeerKey;
use crate::planted::{Bug, is_planted};

/// Finds out who sent the bad blocks of pieces that failed (S-05).
///
/// A piece from one peer that fails is proof. A piece from several is kept in mind, by the
/// digests of its blocks, until it arrives right; whoever sent another block than the right one
/// is guilty. Nobody is punished for having shared a piece with a liar.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    attempts: BTreeMap<PieceIndex, Vec<Attempt>>,
    /// Blocks of all attempts.
    blocks: usize,
}

#[derive(Debug)]
struct Attempt {
    blocks: Vec<(Sender, Digest)>,
}

/// The beginning of a digest. Whoever wanted a wrong block to pass for the right one would have to find
/// one of 2^64.
type Digest = [u8; 8];

/// Failures of one piece to keep in mind. More come only from ever new liars, who will be caught
/// by the attempts that are kept of them.
const MAX_ATTEMPTS: usize = 8;

/// Blocks to keep in mind, of all pieces that failed: about 3 MiB, four attempts at the largest pieces.
const MAX_BLOCKS: usize = 1 << 17;

impl Blame {
    /// A piece failed; gives who is proven guilty by that alone. `digests` may be empty when the
    /// disk does not know them.
    pub(crate) fn piece_failed(
        &mut self,
        piece: PieceIndex,
        senders: Vec<Sender>,
        digests: &[BlockDigest],
    ) -> Vec<PeerKey> {
        if is_planted(Bug::BansSharers) {
            return senders.into_iter().flatten().collect();
        }
        if let Some(only) = only_sender(&senders) {
            return vec![only];
        }
        let attempts = self.attempts.get(&piece).map_or(0, Vec::len);
        // A disk that could not read the piece back has fewer digests, which prove nothing.
        let is_proof = digests.len() == senders.len();
        // The first attempts are kept: a liar cannot push out what proves it.
        let has_room = attempts < MAX_ATTEMPTS && self.blocks + senders.len() <= MAX_BLOCKS;
        if is_proof && has_room {
            self.blocks += senders.len();
            let blocks = senders.into_iter().zip(digests.iter().map(beginning)).collect();
            self.attempts.entry(piece).or_default().push(Attempt { blocks });
        }
        Vec::new()
    }

    /// Returns true if the digests of this piece are wanted when it arrives right.
    pub(crate) fn wants_digests(&self, piece: PieceIndex) -> bool {
        self.attempts.contains_key(&piece)
    }

    /// Returns true if the peer had a part in a failure of this piece.
    pub(crate) fn is_suspect(&self, piece: PieceIndex, peer: PeerKey) -> bool {
        let has_part =
            |attempt: &Attempt| attempt.blocks.iter().any(|(sender, _)| *sender == Some(peer));
        self.attempts.get(&piece).is_some_and(|attempts| attempts.iter().any(has_part))
    }

    /// The piece arrived right, and these are its blocks; gives who sent others before.
    pub(crate) fn piece_verified(
        &mut self,
        piece: PieceIndex,
        right: &[BlockDigest],
    ) -> Vec<PeerKey> {
        let mut guilty = Vec::new();
        for mut attempt in self.attempts.remove(&piece).unwrap_or_default() {
            self.blocks -= attempt.blocks.len();
            if is_planted(Bug::BansNeighbour) {
                let last = attempt.blocks.len() - 1;
                (0..last).for_each(|at| attempt.blocks[at].0 = attempt.blocks[at + 1].0);
            }
            for ((sender, digest), right) in attempt.blocks.iter().zip(right) {
                if let Some(sender) = sender
                    && *digest != beginning(right)
                    && !guilty.contains(sender)
                {
                    guilty.push(*sender);
                }
            }
        }
        guilty
    }
}

fn beginning(digest: &BlockDigest) -> Digest {
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    [a, b, c, d, e, f, g, h]
}

/// The peer that sent every block, if one did.
fn only_sender(senders: &[Sender]) -> Option<PeerKey> {
    let first = (*senders.first()?)?;
    senders.iter().all(|sender| *sender == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::Geometry;

    use super::*;

    const fn digest(byte: u8) -> BlockDigest {
        BlockDigest::from_bytes([byte; 20])
    }

    const RIGHT: [BlockDigest; 3] = [digest(1), digest(2), digest(3)];

    fn piece() -> PieceIndex {
        Geometry::new(48 << 10, 48 << 10).unwrap().piece(0).unwrap()
    }

    fn peer(slot: u32) -> PeerKey {
        PeerKey::new(slot, 1)
    }

    #[test]
    fn a_bad_piece_from_one_peer_is_proof() {
        let guilty = Blame::default().piece_failed(piece(), vec![Some(peer(7)); 3], &[]);
        assert_eq!(guilty, [peer(7)]);
    }

    #[test]
    fn only_the_sender_of_the_bad_block_is_guilty() {
        let mut blame = Blame::default();
        let senders = vec![Some(peer(1)), Some(peer(2)), Some(peer(1))];
        let sent = vec![RIGHT[0], digest(9), RIGHT[2]];
        assert_eq!(blame.piece_failed(piece(), senders, &sent), []);
        assert!(blame.wants_digests(piece()));
        assert!(blame.is_suspect(piece(), peer(1)));
        assert_eq!(blame.piece_verified(piece(), &RIGHT), [peer(2)]);
        assert!(!blame.wants_digests(piece()));
    }

    #[test]
    fn blocks_found_on_the_disk_blame_nobody() {
        let mut blame = Blame::default();
        let senders = vec![None, Some(peer(1)), Some(peer(1))];
        let sent = vec![digest(9), RIGHT[1], RIGHT[2]];
        assert_eq!(blame.piece_failed(piece(), senders, &sent), []);
        assert_eq!(blame.piece_verified(piece(), &RIGHT), []);
    }

    #[test]
    fn what_is_kept_in_mind_has_an_end_and_ends() {
        let geometry = Geometry::new(1 << 35, 1 << 29).unwrap();
        let count = geometry.block_count(geometry.piece(0).unwrap()) as usize;
        let mut blame = Blame::default();
        for piece in geometry.pieces() {
            let senders = (0..count).map(|at| Some(peer(at as u32 % 2))).collect();
            blame.piece_failed(piece, senders, &vec![digest(1); count]);
        }
        assert_eq!(blame.blocks, MAX_BLOCKS);
        for piece in geometry.pieces() {
            blame.piece_verified(piece, &vec![digest(1); count]);
        }
        assert_eq!((blame.blocks, blame.attempts.len()), (0, 0));
    }
}
