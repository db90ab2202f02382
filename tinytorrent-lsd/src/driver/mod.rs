//! Discovery over sockets of the system, on tokio.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is the driver: it owns the clock and the sockets"
)]

mod interfaces;
mod link_socket;
mod task;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tinytorrent_types::WireInfoHash;
use tokio::sync::Notify;

use crate::{Found, message};
use task::Task;

/// Settings of a [`LsdNode`].
pub struct LsdConfig {
    seed: [u8; 32],
    group_port: u16,
    device: Option<String>,
    port_at: Box<dyn Fn(IpAddr) -> Option<u16> + Send>,
}

impl LsdConfig {
    /// `seed`: random, so that no other client has our cookie. `port_at`: the port at which the client accepts
    /// connections to this address of the machine, or `None` where it accepts none. Nothing is announced by
    /// interfaces without such an address. Loopback is one as well, if its port is given.
    pub fn new(seed: [u8; 32], port_at: impl Fn(IpAddr) -> Option<u16> + Send + 'static) -> Self {
        Self { seed, group_port: message::PORT, device: None, port_at: Box::new(port_at) }
    }

    /// The only interface to use, by its name. Default: all of them.
    pub fn device(&mut self, name: Option<String>) -> &mut Self {
        self.device = name;
        self
    }

    /// Port of the groups, for tests. Default: that of BEP 14.
    pub fn group_port(&mut self, port: u16) -> &mut Self {
        self.group_port = port;
        self
    }
}

impl fmt::Debug for LsdConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LsdConfig").field("group_port", &self.group_port).finish_non_exhaustive()
    }
}

/// Local discovery on all interfaces. Sockets are opened with the first torrent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LsdNode {
    changes: Arc<Changes>,
}

/// Torrents that were added (`true`) or removed, and not yet seen by the task, in their order.
#[derive(Debug, Default)]
struct Changes {
    list: Mutex<Vec<(WireInfoHash, bool)>>,
    wake: Notify,
}

impl LsdNode {
    /// The node, and the task that runs it until it is dropped. It calls `found` with each peer.
    pub fn new(
        config: LsdConfig,
        found: impl FnMut(Found) + Send + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let changes = Arc::<Changes>::default();
        let task = Task::new(config, Arc::clone(&changes), Box::new(found));
        (Self { changes }, task.run())
    }

    /// Adds a torrent, to announce it and to find its peers. It must not be private (BEP 27).
    pub fn insert(&self, hash: WireInfoHash) {
        self.changes.push(hash, true);
    }

    /// Removes a torrent.
    pub fn remove(&self, hash: WireInfoHash) {
        self.changes.push(hash, false);
    }
}

impl Changes {
    fn push(&self, hash: WireInfoHash, is_there: bool) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push((hash, is_there));
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<(WireInfoHash, bool)> {
        // A panic under the lock cannot leave the list in a bad state.
        std::mem::take(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
