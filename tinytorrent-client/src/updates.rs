use tinytorrent_dht::{DhtNode, Event, Follow, Lookup, WireInfoHash};
use tinytorrent_metainfo::{KeyMagnet, Magnet};
use tinytorrent_types::{InfoHashV1, InfoHashes};

use crate::Client;
use crate::dht::wait_for_nodes;

/// The torrents that the owner of a key names, one after the other (BEP 46): from
/// [`Client::follow`]. The end of this is the end of the look-ups.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tinytorrent_client::{Client, ClientOptions, KeyMagnet, TorrentOptions};
///
/// let client = Client::start(ClientOptions::default())?;
/// let link: KeyMagnet = "magnet:?xs=urn:btpk:\
///     8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e".parse()?;
/// let mut updates = client.follow(&link, None).ok_or("there is no DHT")?;
/// let mut current = None;
/// while let Some(update) = updates.next().await {
///     let torrent = client.add(update.magnet, TorrentOptions::new("/srv/nightly"))?;
///     if let Some(old) = current.replace(torrent) {
///         old.stop().await;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Updates {
    node: DhtNode,
    link: KeyMagnet,
    follow: Follow,
    /// `None` before the first call.
    lookup: Option<Lookup>,
    last: Option<WireInfoHash>,
}

/// A torrent that the owner of a key has named.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Update {
    /// The link with the info-hash of the torrent, to be added. The DHT tells 20 bytes, which are taken for an
    /// info-hash of v1.
    pub magnet: Magnet,
    /// The number of the item that names it, which each change increases: what the next run begins from.
    pub seq: i64,
}

impl Client {
    /// Looks in the DHT for the torrent that the owner of a key names, and again each five minutes for another one.
    /// Only items with a higher number than `newer_than` count, which an earlier run may know. The item is kept
    /// alive there, whether or not its owner is (BEP 46, "Consuming content"). `None` if the client has
    /// [no DHT](Self::dht).
    ///
    /// The feature `mutable` has this.
    pub fn follow(&self, link: &KeyMagnet, newer_than: Option<i64>) -> Option<Updates> {
        let dht = self.resources().dht.as_ref()?;
        dht.look_ups.enter();
        dht.add_named(link.nodes().to_vec());
        let mut follow = Follow::new(*link.key().public(), link.key().salt());
        follow.newer_than(newer_than);
        let (node, link) = (dht.node.clone(), link.clone());
        Some(Updates { node, link, follow, lookup: None, last: None })
    }
}

impl Updates {
    /// The next torrent: the current one at first, and each other one once it is named. It waits as long as no node
    /// knows any. `None` after the end of the client. May be cancelled: nothing is lost.
    pub async fn next(&mut self) -> Option<Update> {
        if self.lookup.is_none() {
            wait_for_nodes(&self.node).await;
        }
        let lookup = self.lookup.get_or_insert_with(|| self.node.follow(self.follow.clone()));
        loop {
            let Event::ItemFound { item, .. } = lookup.next().await? else { continue };
            let Some((torrent, seq)) = item.torrent().zip(item.seq()) else { continue };
            // It may be signed anew without a change.
            if self.last.replace(torrent) == Some(torrent) {
                continue;
            }
            let hash = InfoHashV1::from_bytes(*torrent.as_bytes());
            let magnet = self.link.clone().resolve(InfoHashes::from_v1(hash));
            return Some(Update { magnet, seq });
        }
    }
}
