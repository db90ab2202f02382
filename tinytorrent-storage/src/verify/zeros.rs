use crate::hasher::PieceHasher;

/// Hashers that have seen the zeros of a piece, one for each length: most pieces have the same.
#[derive(Default)]
pub(super) struct Zeros(Vec<(ZerosKey, PieceHasher)>);

/// The length of a piece, and that of its payload if it has a tree over that.
type ZerosKey = (u32, Option<u32>);

impl Zeros {
    /// The hasher after `length` zeros, which are all of its piece.
    pub(super) fn hasher(&mut self, mut hasher: PieceHasher, length: u32) -> PieceHasher {
        let key = (length, hasher.payload());
        if let Some((_, hasher)) = self.0.iter().find(|(known, _)| *known == key) {
            return hasher.clone();
        }
        let zeros = vec![0; SLICE as usize];
        for begin in (0..length).step_by(zeros.len()) {
            let slice = &zeros[..zeros.len().min((length - begin) as usize)];
            PieceHasher::update_many([(&mut hasher, &[slice][..])].into_iter());
        }
        if self.0.len() < MAX_ZEROS {
            self.0.push((key, hasher.clone()));
        }
        hasher
    }
}

/// Bytes that are hashed at once, which stay in the processor's cache.
const SLICE: u32 = 32 << 10;

/// Lengths of pieces that are kept. The last piece of each file of a v2 torrent may have its own.
const MAX_ZEROS: usize = 8;

#[cfg(test)]
mod tests {
    use tinytorrent_hash::sha1;

    use super::*;

    fn sum(hasher: PieceHasher) -> Option<[u8; 20]> {
        hasher.into_halves().0.map(tinytorrent_hash::Sha1::finalize)
    }

    #[test]
    fn zeros_of_a_length_are_hashed_once() {
        let mut zeros = Zeros::default();
        for length in [0, 5, SLICE, 3 * SLICE + 7, SLICE] {
            let expected = sha1(&vec![0; length as usize]);
            assert_eq!(sum(zeros.hasher(PieceHasher::sha1(), length)), Some(expected));
        }
        assert_eq!(zeros.0.len(), 4);
        for length in 100..200 {
            zeros.hasher(PieceHasher::sha1(), length);
        }
        assert_eq!(zeros.0.len(), MAX_ZEROS);
    }

    // V-17: pieces of a hybrid may differ in the padding at their ends.
    #[test]
    fn zeros_before_and_behind_the_end_of_a_file_are_told_apart() {
        let mut zeros = Zeros::default();
        for payload in [SLICE, 5, SLICE] {
            let (sha1, leaves) = zeros.hasher(PieceHasher::both(payload), SLICE).into_halves();
            assert!(sha1.is_some());
            let expected = tinytorrent_metainfo::merkle::leaves(&vec![0; payload as usize]);
            assert_eq!(leaves, Some(expected));
        }
        assert_eq!(zeros.0.len(), 2);
    }
}
