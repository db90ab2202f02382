use std::sync::Mutex;

use tinytorrent_hash::Sha1;
use tinytorrent_types::{BLOCK_LENGTH, PieceIndex};

use super::Digest;
use crate::{Layout, merkle};

/// The hashes of pieces that read as zeros. Each length is hashed once: there are two in a torrent that has
/// SHA-1, of the last piece and of the others.
#[derive(Default)]
pub(super) struct Zeros(Mutex<Vec<(u32, [u8; 20])>>);

impl Zeros {
    pub(super) fn digest(
        &self,
        layout: &Layout,
        has_sha1: bool,
        has_root: bool,
        piece: PieceIndex,
    ) -> Digest {
        Digest {
            sha1: has_sha1.then(|| self.sha1(layout.geometry().piece_length(piece))),
            root: has_root.then(|| root(layout, piece)).flatten(),
        }
    }

    fn sha1(&self, length: u32) -> [u8; 20] {
        // Under the lock, so that other threads wait for the hash and do not compute it too.
        let mut known = self.0.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some((_, hash)) = known.iter().find(|(of, _)| *of == length) {
            return *hash;
        }
        let hash = sha1_of_zeros(length);
        known.push((length, hash));
        hash
    }
}

fn sha1_of_zeros(length: u32) -> [u8; 20] {
    let zeros = [0; BLOCK_LENGTH as usize];
    let mut hasher = Sha1::new();
    for begin in (0..length).step_by(zeros.len()) {
        hasher.update(&zeros[..BLOCK_LENGTH.min(length - begin) as usize]);
    }
    hasher.finalize()
}

/// The root of a piece of zeros; `None` for a piece that is all padding.
fn root(layout: &Layout, piece: PieceIndex) -> Option<merkle::Hash> {
    let width = super::hash::tree_width(layout, piece)?;
    Some(merkle::root_of_zeros(layout.payload_length(piece).into(), width))
}
