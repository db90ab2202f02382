use std::time::Instant;

use tinytorrent_types::Bitfield;
use tinytorrent_wire::{Message, Request};

use super::Download;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::piece::Picker;

/// Changes of the pieces that are wanted.
impl Download {
    /// Other pieces may be asked for than before, or in another order.
    pub(crate) fn choice_has_changed(&mut self) {
        self.refill.add_all();
    }

    /// Cancels the requests to a peer for pieces that are not among these.
    pub(crate) fn take_back_unwanted(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &mut Picker,
        out: &mut Outbox,
        wanted: &Bitfield,
    ) {
        let unwanted: Vec<Request> =
            peer.session.open_requests().filter(|request| !wanted.get(request.index)).collect();
        if unwanted.is_empty() {
            return;
        }
        for request in &unwanted {
            out.send(now, peer, Message::Cancel(*request));
        }
        self.repay(unwanted.len());
        self.release(peer, picker, &unwanted);
    }

    /// Counts the wanted pieces of a peer anew, and says whether we are interested.
    pub(crate) fn recount(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &Picker,
        out: &mut Outbox,
    ) {
        if let Some(pieces) = peer.pieces() {
            peer.pipeline.interesting = picker.count_wanted(pieces);
            self.update_interest(now, peer, out);
        }
    }
}
