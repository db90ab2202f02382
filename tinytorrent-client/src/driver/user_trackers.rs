use std::collections::HashSet;

use tinytorrent_tracker::TrackerUrl;
use tinytorrent_tracker::client::TrackerClient;

/// The trackers that the user gave, and no torrent. They may be at any path of a local address: a
/// torrent comes from a stranger, who must not choose requests that are sent into the network of
/// the user.
#[derive(Debug, Default)]
pub(super) struct UserTrackers {
    urls: HashSet<TrackerUrl>,
}

impl UserTrackers {
    pub(super) fn new(tiers: &[Vec<String>]) -> Self {
        let mut trackers = Self::default();
        trackers.add(tiers);
        trackers
    }

    pub(super) fn add(&mut self, tiers: &[Vec<String>]) {
        self.urls.extend(tiers.iter().flatten().filter_map(|url| url.parse::<TrackerUrl>().ok()));
    }

    /// The client for requests to this tracker.
    pub(super) fn client_for(&self, url: &TrackerUrl, client: &TrackerClient) -> TrackerClient {
        if self.urls.contains(url) { client.trusting_urls() } else { client.clone() }
    }
}
