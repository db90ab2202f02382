//! Piece layers in parts: what is answered leads to its root, and only what is right is taken.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tinytorrent_bencode::encode;
use tinytorrent_fuzz::within;
use tinytorrent_metainfo::{LayerAssembly, LayerPart, LayerProofs, Metainfo, merkle};

/// Files of so many pieces of 32 KiB.
const PIECES: [usize; 4] = [2, 5, 512, 1300];

static TORRENT: LazyLock<Metainfo> = LazyLock::new(|| {
    let layer = |pieces: usize| -> Vec<[u8; 32]> {
        (0..pieces).map(|at| merkle::padding(1 << (at % 40))).collect()
    };
    let layers: Vec<_> = PIECES.iter().map(|&pieces| layer(pieces)).collect();
    let roots: Vec<_> = layers.iter().map(|layer| merkle::root_of_layer(layer, 2)).collect();
    let mut out = Vec::new();
    encode::dict(&mut out, |torrent| {
        torrent.dict("info", |info| {
            info.dict("file tree", |tree| {
                for (at, (root, pieces)) in roots.iter().zip(PIECES).enumerate() {
                    tree.dict(format!("{at}"), |file| {
                        file.dict("", |file| {
                            file.integer("length", pieces as u64 * 32_768 - 5);
                            file.bytes("pieces root", root);
                        });
                    });
                }
            });
            info.integer("meta version", 2);
            info.bytes("name", "layers");
            info.integer("piece length", 32_768);
        });
        torrent.dict("piece layers", |dict| {
            let mut entries: Vec<_> = roots.iter().zip(&layers).collect();
            entries.sort();
            for (root, layer) in entries {
                dict.bytes(root, layer.as_flattened());
            }
        });
    });
    Metainfo::from_bytes_lenient(&out).expect("it is a torrent")
});

fuzz_target!(|input: &[u8]| {
    LazyLock::force(&TORRENT);
    // All layers of the torrent have 1,819 hashes; whatever is asked for is a part of them.
    within(input.len(), 0, 1 << 20, || run(input));
});

fn run(input: &[u8]) {
    let mut proofs = LayerProofs::new(Arc::new(TORRENT.clone()));
    let bare = Metainfo::from_info(Arc::clone(TORRENT.info()));
    let mut assembly = LayerAssembly::new(bare);
    let missing: Vec<LayerPart> = assembly.missing().collect();
    let (steps, _) = input.as_chunks::<6>();
    for &[which, base_layer, index, length, proof_layers, change] in steps {
        let near = missing[usize::from(which) % missing.len()];
        // Either what is missing or something odd; indices and lengths are mostly powers of two.
        let part = match change % 2 {
            0 => near,
            _ => LayerPart {
                base_layer: u32::from(base_layer % 4),
                index: u32::from(index % 8) << (index / 8),
                length: 1u32.checked_shl(length.into()).unwrap_or(length.into()),
                proof_layers: proof_layers.into(),
                ..near
            },
        };
        let Some(mut hashes) = proofs.hashes(&part) else { continue };
        let is_wrong = change & 4 != 0;
        if is_wrong {
            let at = usize::from(index) * 7 % hashes.len();
            hashes[at][usize::from(change >> 3)] ^= 1;
        }
        let is_wanted = assembly.missing().any(|wanted| wanted == part);
        if assembly.add(&part, &hashes) {
            assert!(missing.contains(&part) && !is_wrong, "{part:?}");
        } else {
            assert!(!is_wanted || is_wrong, "{part:?}");
        }
    }
    if let Some(complete) = assembly.finish() {
        for file in TORRENT.layout().files() {
            assert_eq!(complete.piece_layer(file.index), TORRENT.piece_layer(file.index));
        }
    }
}
