//! Piece layers of v2 torrents (BEP 52), received from peers if they are missing, and sent to peers
//! on request.

use std::sync::Arc;

use bytes::Bytes;
use tinytorrent_metainfo::{LayerAssembly, LayerPart, LayerProofs, Metainfo};
use tinytorrent_wire::{HashRequest, Hashes};

/// Piece layers that are being fetched.
pub(super) struct LayerFetch {
    /// `None` after [`take_complete`](Self::take_complete).
    assembly: Option<Box<LayerAssembly>>,
}

impl LayerFetch {
    pub(super) fn new(metainfo: &Metainfo) -> Self {
        Self { assembly: Some(Box::new(LayerAssembly::new(metainfo.clone()))) }
    }

    /// Returns the requests for all parts that are missing.
    pub(super) fn requests(&self) -> Vec<HashRequest> {
        self.assembly.iter().flat_map(|assembly| assembly.missing()).map(request_of).collect()
    }

    /// Adds a part from a peer. Returns `false` if its proof is wrong.
    pub(super) fn add(&mut self, hashes: &Hashes) -> bool {
        let (list, rest) = hashes.hashes.as_chunks();
        let part = part_of(&hashes.request);
        rest.is_empty() && self.assembly.as_mut().is_some_and(|assembly| assembly.add(&part, list))
    }

    /// Adds the layers that an earlier run has saved.
    pub(super) fn add_saved(&mut self, saved: Metainfo) {
        let Some(assembly) = &mut self.assembly else { return };
        let mut proofs = LayerProofs::new(Arc::new(saved));
        // Collected, as each part that is added changes the list.
        let missing: Vec<LayerPart> = assembly.missing().collect();
        for part in missing {
            if let Some(hashes) = proofs.hashes(&part) {
                assembly.add(&part, &hashes);
            }
        }
    }

    /// Returns the torrent with all its piece layers, once none is missing.
    pub(super) fn take_complete(&mut self) -> Option<Arc<Metainfo>> {
        let complete = self.assembly.take_if(|assembly| assembly.is_complete())?;
        complete.finish().map(Arc::new)
    }
}

/// Piece layers for the answers to hash requests of peers.
pub(super) struct LayerAnswers {
    /// `None` for v1 torrents, which have no layers.
    proofs: Option<LayerProofs>,
}

impl LayerAnswers {
    pub(super) fn new(metainfo: &Arc<Metainfo>) -> Self {
        let has_layers = metainfo.info().version().has_v2();
        Self { proofs: has_layers.then(|| LayerProofs::new(Arc::clone(metainfo))) }
    }

    /// Returns the requested hashes and the proof behind them; `None` if the request is to be refused.
    pub(super) fn answer(&mut self, request: &HashRequest) -> Option<Bytes> {
        let hashes = self.proofs.as_mut()?.hashes(&part_of(request))?;
        Some(Bytes::from(hashes.into_flattened()))
    }
}

fn part_of(request: &HashRequest) -> LayerPart {
    let HashRequest { pieces_root: root, base_layer, index, length, proof_layers } = *request;
    LayerPart { root, base_layer, index, length, proof_layers }
}

fn request_of(part: LayerPart) -> HashRequest {
    let LayerPart { root: pieces_root, base_layer, index, length, proof_layers } = part;
    HashRequest { pieces_root, base_layer, index, length, proof_layers }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use tinytorrent_metainfo::{CreateOptions, Version};

    use super::*;

    /// A v2 torrent of one file of ten pieces, with its layer.
    fn metainfo() -> Arc<Metainfo> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 160 << 10]).unwrap();
        let mut options = CreateOptions::new();
        options.version(Version::V2).piece_length(16 << 10).unwrap();
        Arc::new(options.create(&path, &|_| ControlFlow::Continue(())).unwrap())
    }

    fn bare(metainfo: &Metainfo) -> Metainfo {
        Metainfo::from_info(Arc::clone(metainfo.info()))
    }

    #[test]
    fn layers_are_complete_by_the_answers_of_one_who_has_them() {
        let metainfo = metainfo();
        let mut fetch = LayerFetch::new(&bare(&metainfo));
        let mut answers = LayerAnswers::new(&metainfo);
        for request in fetch.requests() {
            assert!(fetch.take_complete().is_none());
            let hashes = answers.answer(&request).unwrap();
            assert!(fetch.add(&Hashes { request, hashes }));
        }
        assert!(fetch.requests().is_empty());
        assert!(fetch.take_complete().unwrap().has_all_piece_layers());
        assert!(fetch.take_complete().is_none(), "it is taken once");
    }

    #[test]
    fn hashes_that_do_not_prove_right_change_nothing() {
        let metainfo = metainfo();
        let mut fetch = LayerFetch::new(&bare(&metainfo));
        let request = fetch.requests()[0];
        let mut hashes = LayerAnswers::new(&metainfo).answer(&request).unwrap().to_vec();
        let cut = Bytes::copy_from_slice(&hashes[..hashes.len() - 1]);
        assert!(!fetch.add(&Hashes { request, hashes: cut }));
        hashes[0] ^= 1;
        assert!(!fetch.add(&Hashes { request, hashes: hashes.into() }));
        assert_eq!(fetch.requests(), [request]);
    }

    #[test]
    fn saved_layers_need_no_peer() {
        let metainfo = metainfo();
        let mut fetch = LayerFetch::new(&bare(&metainfo));
        fetch.add_saved(bare(&metainfo));
        assert!(fetch.take_complete().is_none(), "nothing was saved");
        fetch.add_saved(Metainfo::clone(&metainfo));
        assert!(fetch.take_complete().is_some());
    }
}
