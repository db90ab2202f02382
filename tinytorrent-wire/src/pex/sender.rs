use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use super::{INTERVAL, MAX_ENTRIES};
use crate::extension::{PexFlags, PexMessage, PexPeer};

/// What one peer has been told of the others, and what to tell it next.
///
/// It compares what is with what was told, so that those who came and went in between are left
/// out, and all that was ever added is dropped in the end.
#[derive(Debug, Clone)]
pub struct PexSender {
    /// The peer that is told; it is not told of itself.
    peer: SocketAddr,
    told: BTreeMap<SocketAddr, PexFlags>,
    last: Option<Instant>,
}

impl PexSender {
    /// Nothing told yet to the peer that listens at this address.
    pub fn new(peer: SocketAddr) -> Self {
        Self { peer: canonical(peer), told: BTreeMap::new(), last: None }
    }

    /// What to tell now, if it is time and there is something. `connected` are those whose
    /// handshakes are done and who can be reached, with the port at which they listen.
    ///
    /// Of many, 50 are added in one message, and 50 dropped; 100 are added in the first.
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
            if address == self.peer || address.port() == 0 || !present.insert(address) {
                continue;
            }
            if message.added.len() < limit && !self.told.contains_key(&address) {
                message.added.push(PexPeer { address, flags });
            }
        }
        let gone = self.told.keys().filter(|address| !present.contains(*address));
        message.dropped = gone.take(MAX_ENTRIES).copied().collect();
        for address in &message.dropped {
            self.told.remove(address);
        }
        self.told.extend(message.added.iter().map(|peer| (peer.address, peer.flags)));
        if message.is_empty() {
            return None;
        }
        self.last = Some(now);
        Some(message)
    }

    /// When the next message may go out; `None` if at once.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.last.map(|last| last + INTERVAL)
    }
}

/// An IPv4 address that is mapped into IPv6 is the same peer.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The first message may be larger; so many fit one packet.
const MAX_FIRST: usize = 100;
