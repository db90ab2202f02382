//! Piece layers of v2 torrents: from peers, if a magnet link brought none, and for peers (BEP 52).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_metainfo::{LayerAssembly, LayerPart, LayerProofs, Metainfo};
use tinytorrent_swarm::{Input, PeerKey};
use tinytorrent_wire::{HashRequest, Hashes};

use super::Driver;
use super::lookups::Found;

/// What is known of the piece layers.
#[derive(Default)]
pub(super) enum Layers {
    /// Nothing, or that there are none.
    #[default]
    None,
    /// They are being fetched.
    Fetching(Box<LayerAssembly>),
    /// All of them are there, to answer from.
    Known(LayerProofs),
}

impl Driver {
    /// Has peers asked for the piece layers that the torrent lacks.
    pub(super) fn fetch_layers(&mut self, metainfo: &Metainfo) {
        let assembly = LayerAssembly::new(metainfo.clone());
        let requests = assembly.missing().map(request_of).collect();
        self.layers = Layers::Fetching(Box::new(assembly));
        self.update_state();
        self.swarm.handle_input(Instant::now(), Input::HashesNeeded(requests));
    }

    pub(super) fn keep_layers(&mut self, metainfo: &Arc<Metainfo>) {
        if metainfo.info().version().has_v2() {
            self.layers = Layers::Known(LayerProofs::new(Arc::clone(metainfo)));
        }
    }

    pub(super) fn check_hashes(&mut self, peer: PeerKey, hashes: &Hashes) {
        let Layers::Fetching(assembly) = &mut self.layers else { return };
        let (list, rest) = hashes.hashes.as_chunks();
        let is_right = rest.is_empty() && assembly.add(&part_of(&hashes.request), list);
        let request = hashes.request;
        let checked = Input::HashesChecked { peer, request, is_right };
        self.swarm.handle_input(Instant::now(), checked);
        if let Some(metainfo) = self.finish_layers() {
            let kept = self.kept.clone();
            self.lookups.work(move || {
                if let Some(kept) = kept {
                    kept.save(&metainfo);
                }
                Found::Layers(metainfo)
            });
        }
    }

    /// Takes in what an earlier run kept of the layers that are being fetched.
    pub(super) fn fill_layers(&mut self, now: Instant, kept: Metainfo) {
        let Layers::Fetching(assembly) = &mut self.layers else { return };
        let mut proofs = LayerProofs::new(Arc::new(kept));
        let missing: Vec<LayerPart> = assembly.missing().collect();
        for part in missing {
            if let Some(hashes) = proofs.hashes(&part) {
                assembly.add(&part, &hashes);
            }
        }
        let requests = assembly.missing().map(request_of).collect();
        self.swarm.handle_input(now, Input::HashesNeeded(requests));
        if let Some(metainfo) = self.finish_layers() {
            self.on_layers(metainfo);
        }
    }

    /// The torrent with all its piece layers, once none is missing any more.
    fn finish_layers(&mut self) -> Option<Arc<Metainfo>> {
        match &self.layers {
            Layers::Fetching(assembly) if assembly.is_complete() => {}
            _ => return None,
        }
        match std::mem::take(&mut self.layers) {
            Layers::Fetching(assembly) => assembly.finish().map(Arc::new),
            Layers::None | Layers::Known(_) => None,
        }
    }

    pub(super) fn on_layers(&mut self, metainfo: Arc<Metainfo>) {
        self.keep_metainfo(&metainfo);
        self.open(metainfo);
    }

    pub(super) fn read_hashes(&mut self, peer: PeerKey, request: HashRequest) {
        let hashes = match &mut self.layers {
            Layers::Known(proofs) => proofs.hashes(&part_of(&request)),
            Layers::None | Layers::Fetching(_) => None,
        };
        let hashes = hashes.map(|hashes| Bytes::from(hashes.into_flattened()));
        self.swarm.handle_input(Instant::now(), Input::HashesRead { peer, request, hashes });
    }

    pub(super) fn is_fetching_layers(&self) -> bool {
        matches!(self.layers, Layers::Fetching(_))
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
