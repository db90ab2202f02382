//! Addresses that the user avoids.

use std::sync::Arc;

use tinytorrent_types::IpRanges;

use crate::{Client, ClientOptions};

impl ClientOptions {
    /// Avoids these addresses: nothing is sent there, and nothing that comes from there is read. Default: none.
    /// [`Client::set_filter`] changes them, and has the details; the crate `tinytorrent-blocklist` reads lists of them.
    pub fn filter(&mut self, ranges: Option<Arc<IpRanges>>) -> &mut Self {
        self.network.filter = ranges;
        self
    }
}

impl Client {
    /// Avoids these addresses from now on, in place of those of before; `None` avoids nobody.
    ///
    /// - Peers there are left ([`LeaveReason::Blocked`](crate::LeaveReason::Blocked)) and forgotten, whoever told of
    ///   them: a peer that the user named as well. Their connections are closed before anything is read from them, and
    ///   their datagrams are dropped.
    /// - Nodes of the DHT there are forgotten, neither asked nor answered. What is announced from there in the local
    ///   network (BEP 14) leads to nobody; our announcements go to a group, and whoever is in it gets them.
    /// - Trackers and web seeds are connected to at their other addresses, or not at all. A name that a proxy resolves
    ///   has no address here, so that the filter cannot hold for it; nor does it for the proxy itself.
    ///
    /// A request to a tracker that is under way ends by itself. An address that was forgotten comes back when somebody
    /// tells of it again. The time grows with the number of torrents, connections and known addresses.
    pub fn set_filter(&self, ranges: Option<Arc<IpRanges>>) {
        let resources = self.resources();
        // First, so that a torrent that is added meanwhile follows it.
        resources.network.filter().set(ranges.clone());
        if let Some(dht) = &resources.dht {
            dht.node.set_blocked(ranges);
        }
        for torrent in resources.registry.all() {
            torrent.change(|driver, now| driver.follow_filter(now));
        }
    }
}
