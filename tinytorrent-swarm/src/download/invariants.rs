use super::Download;
use crate::peers::Peers;
use crate::piece::{Picker, Pieces};

impl Download {
    pub(crate) fn check_invariants(&self, peers: &Peers, picker: &Picker) {
        picker.check_invariants();
        self.partial.check_invariants(peers);
        for peer in peers.iter() {
            let Some(pieces) = peer.pieces() else { continue };
            let wanted = picker.geometry().pieces();
            let count = wanted.filter(|&p| picker.wants(p) && pieces.contains(p)).count();
            // Of a seed, everything that we want is of interest, and is not counted one by one.
            let is_counted = !matches!(pieces, Pieces::All { .. }) || count == 0;
            assert!(
                !is_counted || count as u32 == peer.pipeline.interesting,
                "interest is counted"
            );
            assert!(count as u32 <= peer.pipeline.interesting);
            picker.check_search(pieces, &peer.pipeline.search);
            for block in peer.requested() {
                assert!(picker.is_requested(peer.key, block), "a request in flight is known");
            }
        }
    }
}
