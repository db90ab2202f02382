use tinytorrent_hash::Sha1;
use tinytorrent_metainfo::merkle;

/// The hashes of pieces of zeros, each of which is computed once as long as lengths repeat: most pieces have
/// the same.
#[derive(Debug, Default)]
pub(crate) struct Zeros {
    /// By length. A torrent with SHA-1 has two: of the last piece, and of the others.
    sha1: Vec<(u32, [u8; 20])>,
    /// The one that was asked for last, by payload and leaves. It takes little to compute another.
    root: Option<((u32, usize), merkle::Hash)>,
}

impl Zeros {
    /// The SHA-1 of `length` zeros.
    pub(crate) fn sha1(&mut self, length: u32) -> [u8; 20] {
        if let Some((_, hash)) = self.sha1.iter().find(|(known, _)| *known == length) {
            return *hash;
        }
        let zeros = [0; SLICE as usize];
        let mut hasher = Sha1::new();
        for begin in (0..length).step_by(zeros.len()) {
            hasher.update(&zeros[..SLICE.min(length - begin) as usize]);
        }
        let hash = hasher.finalize();
        self.sha1.push((length, hash));
        hash
    }

    /// The root over `payload` bytes of zeros in a tree of `leaves` leaves (BEP 52).
    pub(crate) fn root(&mut self, payload: u32, leaves: usize) -> merkle::Hash {
        let key = (payload, leaves);
        match self.root {
            Some((known, root)) if known == key => root,
            _ => {
                let root = merkle::root_of_zeros(payload.into(), leaves);
                self.root = Some((key, root));
                root
            }
        }
    }
}

/// Bytes that are hashed at once, which stay in the processor's cache.
const SLICE: u32 = 32 << 10;

#[cfg(test)]
mod tests {
    use tinytorrent_hash::sha1;

    use super::*;

    #[test]
    fn zeros_of_a_length_are_hashed_once() {
        let mut zeros = Zeros::default();
        for length in [0, 5, SLICE, 3 * SLICE + 7, SLICE] {
            assert_eq!(zeros.sha1(length), sha1(&vec![0; length as usize]));
        }
        assert_eq!(zeros.sha1.len(), 4);
    }

    // V-17: pieces of a hybrid may differ in the padding at their ends.
    #[test]
    fn zeros_before_and_behind_the_end_of_a_file_are_told_apart() {
        let mut zeros = Zeros::default();
        for payload in [SLICE, 5, SLICE] {
            let leaves = merkle::leaves(&vec![0; payload as usize]);
            assert_eq!(zeros.root(payload, 2), merkle::root(&leaves, 2));
        }
    }
}
