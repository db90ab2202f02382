//! The part of a torrent in the local network (BEP 14).

use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_swarm::{Input, PeerSource};

use super::Driver;
use crate::State;

impl Driver {
    /// Adds a peer that has announced itself in the local network.
    pub(crate) fn add_neighbour(&mut self, now: Instant, address: SocketAddr) {
        let (source, addresses) = (PeerSource::Lsd, vec![address]);
        self.swarm.handle_input(now, Input::PeersFound { source, addresses });
    }

    /// Changes the port that others are told to connect to.
    #[cfg(feature = "port-mapping")]
    pub(crate) fn set_listen_port(&mut self, now: Instant, port: Option<u16>) {
        self.swarm.set_listen_port(now, port);
    }

    /// Announces the torrent in the local network as long as it may have peers from there, and only then.
    pub(super) fn follow_lsd(&mut self) {
        let Some(lsd) = &self.resources.lsd else { return };
        let has_peers =
            matches!(self.state(), State::FetchingMetadata | State::Downloading | State::Seeding);
        let may_be_told = has_peers
            && self.lifecycle.options().lsd
            && !self.is_private()
            && !self.lifecycle.stage().is_stopping_or_over();
        if self.is_announced_locally != may_be_told {
            match may_be_told {
                true => lsd.insert(self.outbox.hashes),
                false => lsd.remove(self.outbox.hashes),
            }
            self.is_announced_locally = may_be_told;
        }
    }
}
