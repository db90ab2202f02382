//! The swarm as applications show it.

use std::net::IpAddr;
use std::time::Instant;

use tinytorrent_tracker::TrackerStatus;
use tinytorrent_types::Bitfield;

use super::Swarm;
use crate::contract::{ChokeReason, PeerFlow, PeerView};
use crate::peer::Peer;
use crate::piece::{Picker, Pieces};

impl Swarm {
    /// The peers whose handshakes are through. The time grows with their number alone.
    pub fn peers(&mut self, now: Instant) -> Vec<PeerView> {
        self.peers.iter_mut().map(|peer| view(now, peer)).collect()
    }

    /// Bytes of the verified pieces.
    pub fn have_bytes(&self) -> u64 {
        self.stage.picker().map_or(0, Picker::have_bytes)
    }

    /// Bytes of blocks accepted from peers since the start.
    pub fn downloaded(&self) -> u64 {
        self.download.total()
    }

    /// Bytes of blocks that were received and not needed, or failed.
    pub fn wasted(&self) -> u64 {
        self.download.wasted()
    }

    /// Bytes of blocks sent to peers since the start.
    pub fn uploaded(&self) -> u64 {
        self.upload.total()
    }

    /// The number of connections that are being made.
    pub fn connecting(&self) -> usize {
        self.peers.pending().count()
    }

    /// The connections that we are making, and how many more at most could be begun now if there is credit
    /// ([`set_dial_credit`](Self::set_dial_credit)).
    pub fn dials(&self, now: Instant) -> (usize, usize) {
        let (dials, more) = self.roster.dials(now, &self.peers);
        (dials, if self.is_paused() { 0 } else { more })
    }

    /// Connections that may still be begun; `None` for any number.
    pub fn dial_credit(&self) -> Option<u32> {
        self.roster.dial_credit()
    }

    /// The number of peers that want something of us. The time grows with the number of peers.
    pub fn interested(&self) -> usize {
        self.peers.iter().filter(|peer| peer.is_interested()).count()
    }

    /// The addresses at which others see us, of each family that enough of them agree on
    /// ([`Event::OwnAddressAgreed`](crate::Event::OwnAddressAgreed)).
    pub fn external_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.roster.external_addresses()
    }

    /// The trackers and their status, in the order in which they were added.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus<'_>> {
        self.trackers.status()
    }

    /// The number of connected peers that have each piece; `None` until the content is known. The time
    /// grows with the number of pieces.
    pub fn availability(&self) -> Option<Vec<u32>> {
        self.stage.picker().map(Picker::availability)
    }

    /// The pieces that are to be downloaded; `None` until the content is known.
    pub fn wanted(&self) -> Option<&Bitfield> {
        self.stage.picker().map(Picker::wanted)
    }
}

fn view(now: Instant, peer: &mut Peer) -> PeerView {
    PeerView {
        key: peer.key,
        address: peer.contact.address,
        listens_at: peer.contact.listens_at,
        is_incoming: peer.contact.is_incoming,
        transport: peer.contact.transport,
        source: peer.contact.source,
        id: peer.id,
        client: peer.claims.client.clone(),
        connected: now.saturating_duration_since(peer.joined),
        pieces: peer.pieces().map_or(0, Pieces::count),
        is_seed: peer.is_seed(),
        flow: PeerFlow {
            we_are_interested: peer.interests_us(),
            peer_chokes: peer.chokes_us(),
            peer_is_snubbing: peer.pipeline.is_snubbing(),
            our_requests: peer.requested_count() as u32,
            peer_is_interested: peer.is_interested(),
            we_choke: choke_reason(peer),
            peer_requests: peer.session.peer_requests().count() as u32,
        },
        downloaded: peer.pipeline.pace.total(),
        uploaded: peer.serving.meter.total(),
        download_rate: peer.pipeline.pace.bytes_per_second(now),
        upload_rate: peer.serving.meter.bytes_per_second(now),
    }
}

fn choke_reason(peer: &Peer) -> Option<ChokeReason> {
    if !peer.is_choked() {
        return None;
    }
    Some(match peer.is_interested() {
        false => ChokeReason::NotInterested,
        true if peer.serving.slot.wasted_at().is_some() => ChokeReason::UnusedTurn,
        true if peer.pipeline.is_snubbing() => ChokeReason::Snubs,
        true => ChokeReason::NoSlot,
    })
}
