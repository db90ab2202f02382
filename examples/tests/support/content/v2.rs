//! Parts of a v2 torrent that a v1 torrent does not have (BEP 52).

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{bytes, string};

type Hash = [u8; 32];

/// A leaf of the merkle trees.
const BLOCK: usize = 16 << 10;

/// The `file tree` of files in its order, whose paths lie below the torrent's name.
///
/// A file stands in its own folder under an empty name, which is what is left of its path.
pub fn file_tree(files: &[(&Path, &[u8])]) -> Vec<u8> {
    let first = |path: &Path| path.iter().next().map(ToOwned::to_owned);
    let mut out = b"d".to_vec();
    for group in files.chunk_by(|(one, _), (other, _)| first(one) == first(other)) {
        let (path, content) = group[0];
        let name = first(path).unwrap_or_default();
        out.extend(string(name.to_str().expect("names are text")));
        if name.is_empty() {
            out.extend(file(content));
        } else {
            let rest = |path| Path::strip_prefix(path, &name).expect("they begin alike");
            let below = group.iter().map(|(path, content)| (rest(path), *content));
            out.extend(file_tree(&below.collect::<Vec<_>>()));
        }
    }
    out.push(b'e');
    out
}

fn file(content: &[u8]) -> Vec<u8> {
    let mut out = format!("d6:lengthi{}e", content.len()).into_bytes();
    if !content.is_empty() {
        out.extend(string("pieces root"));
        out.extend(bytes(&pieces_root(content)));
    }
    out.push(b'e');
    out
}

/// The `piece layers` of these files: of those that have more than one piece.
pub fn piece_layers<'a>(files: impl Iterator<Item = &'a [u8]>, piece_length: usize) -> Vec<u8> {
    let large = files.filter(|content| content.len() > piece_length);
    let layer = |content| {
        let width = piece_length / BLOCK;
        leaves(content).chunks(width).flat_map(|piece| root(piece, width)).collect()
    };
    let layers: BTreeMap<Hash, Vec<u8>> =
        large.map(|content| (pieces_root(content), layer(content))).collect();
    let entries = layers.iter().map(|(root, layer)| [bytes(root), bytes(layer)].concat());
    [b"d".to_vec(), entries.flatten().collect(), b"e".to_vec()].concat()
}

fn pieces_root(content: &[u8]) -> Hash {
    let leaves = leaves(content);
    root(&leaves, leaves.len().next_power_of_two())
}

fn leaves(content: &[u8]) -> Vec<Hash> {
    content.chunks(BLOCK).map(|block| Sha256::digest(block).into()).collect()
}

/// The root over a row of so many hashes, where those that lack are zeros.
fn root(leaves: &[Hash], width: usize) -> Hash {
    let mut row = leaves.to_vec();
    row.resize(width, [0; 32]);
    while row.len() > 1 {
        row = row.chunks(2).map(|pair| Sha256::digest(pair.concat()).into()).collect();
    }
    row[0]
}
