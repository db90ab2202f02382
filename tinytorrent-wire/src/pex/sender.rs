use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_types::canonical;

use super::{INTERVAL, MAX_ENTRIES};
use crate::extension::{PexFlags, PexMessage, PexPeer};

/// The peers that one peer was told of, and the source of its next message.
///
/// A message is the difference between the connected peers and those that were told. A peer that came
/// and went between two messages appears in neither, and each one that was added is dropped in the end.
#[derive(Debug, Clone)]
pub struct PexSender {
    /// The receiver, which is not told of itself.
    peer: SocketAddr,
    told: BTreeMap<SocketAddr, PexFlags>,
    last: Option<Instant>,
}

impl PexSender {
    /// A sender to the peer that listens at this address.
    pub fn new(peer: SocketAddr) -> Self {
        Self { peer: canonical(peer), told: BTreeMap::new(), last: None }
    }

    /// The message that is due now, if there is one. `connected` are the peers whose handshakes are through
    /// and that can be reached, by the port at which they listen.
    ///
    /// One message adds and drops 50 peers at most; the first one adds 100.
    pub fn poll_message(
        &mut self,
        now: Instant,
        connected: impl IntoIterator<Item = PexPeer>,
    ) -> Option<PexMessage> {
        if self.poll_timeout().is_some_and(|next| now < next) {
            return None;
        }
        let limit = if self.last.is_none() { MAX_FIRST } else { MAX_ENTRIES };
        let mut message = PexMessage::default();
        let mut present = BTreeSet::new();
        for PexPeer { address, flags } in connected {
            let address = canonical(address);
            // Nobody can connect to port 0.
            if address == self.peer || address.port() == 0 || !present.insert(address) {
                continue;
            }
            if message.added.len() < limit && !self.told.contains_key(&address) {
                message.added.push(PexPeer { address, flags });
            }
        }
        let gone = self.told.keys().filter(|address| !present.contains(*address));
        message.dropped = gone.take(MAX_ENTRIES).copied().collect();
        // Addresses beyond the limit stay, and come with a later message.
        for address in &message.dropped {
            self.told.remove(address);
        }
        self.told.extend(message.added.iter().map(|peer| (peer.address, peer.flags)));
        // The interval does not begin anew, so that the next change is told at once.
        if message.is_empty() {
            return None;
        }
        self.last = Some(now);
        Some(message)
    }

    /// The instant from which the next message may be sent; `None` if at once.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.last.map(|last| last + INTERVAL)
    }
}

/// Peers in the first message, which may be larger: as many as fit one packet.
const MAX_FIRST: usize = 100;
