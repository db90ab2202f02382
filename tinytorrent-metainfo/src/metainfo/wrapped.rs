//! Magnet links that are stored as torrent files.

use tinytorrent_bencode::Node;
use tinytorrent_types::{InfoHashV1, InfoHashes};

use super::keys::RootKeys;
use super::trackers;
use crate::Magnet;
use crate::info::keys;
use crate::report::Report;

keys! {
    /// The value of `magnet-info`, in which transmission up to 3.0 stores a magnet link.
    MagnetKeys {
        announce: b"announce",
        announce_list: b"announce-list",
        display_name: b"display-name",
        info_hash: b"info_hash",
    }
}

/// The magnet link of a file without an info dictionary. `magnet-uri` is the link itself; `magnet-info`
/// is a dictionary with its parts, with trackers and web seeds beside it.
pub(super) fn magnet(keys: &RootKeys<'_, '_>) -> Option<String> {
    let uri = keys.magnet_uri.and_then(|node| node.as_str()).map(str::to_owned);
    uri.or_else(|| Some(from_info(keys.magnet_info?, keys)?.to_string()))
}

fn from_info(node: Node<'_, '_>, root: &RootKeys<'_, '_>) -> Option<Magnet> {
    let keys = MagnetKeys::of(node);
    let hash = InfoHashV1::from(*keys.info_hash?.as_array()?);
    let mut magnet = Magnet::new(InfoHashes::from_v1(hash));
    let name = keys.display_name.and_then(|node| node.as_str()).filter(|name| !name.is_empty());
    // Transmission stores the name with `+` for blanks, as in the link.
    magnet.name = name.map(|name| name.replace('+', " "));
    // The result is a link, which cannot carry warnings.
    let mut unseen = Report::new(true, 0);
    for (announce, list) in
        [(root.announce, root.announce_list), (keys.announce, keys.announce_list)]
    {
        let tiers = trackers::trackers(announce, list, &mut unseen).unwrap_or_default();
        magnet.trackers.extend(tiers.into_iter().flatten());
    }
    magnet.web_seeds = trackers::urls(root.url_list, &mut unseen).unwrap_or_default();
    Some(magnet)
}
