use std::collections::HashSet;

use tinytorrent_tracker::TrackerUrl;
use tinytorrent_tracker::client::TrackerClient;

/// The trackers that the user gave, and no torrent. They may be at any path of a local address: a
/// torrent comes from a stranger, who must not choose requests that are sent into the network of
/// the user.
#[derive(Debug, Default)]
pub(super) struct UserTrackers {
    /// `None` as long as there are none, as for most torrents of a large client.
    #[expect(clippy::box_collection, reason = "an empty set takes six words in each torrent")]
    urls: Option<Box<HashSet<TrackerUrl>>>,
}

impl UserTrackers {
    pub(super) fn new(tiers: &[Vec<String>]) -> Self {
        let mut trackers = Self::default();
        trackers.add(tiers);
        trackers
    }

    pub(super) fn add(&mut self, tiers: &[Vec<String>]) {
        let parsed = tiers.iter().flatten().filter_map(|url| url.parse::<TrackerUrl>().ok());
        let mut parsed = parsed.peekable();
        if parsed.peek().is_some() {
            self.urls.get_or_insert_default().extend(parsed);
        }
    }

    fn contains(&self, url: &TrackerUrl) -> bool {
        self.urls.as_ref().is_some_and(|urls| urls.contains(url))
    }

    /// Replaces the trackers. Those that the torrent names are a stranger's, even in a list of the user,
    /// who may have copied them, unless he has given them before. Returns the tiers that are the user's.
    pub(super) fn replace(
        &mut self,
        tiers: &[Vec<String>],
        of_torrent: &[Vec<String>],
    ) -> Vec<Vec<String>> {
        let parse = |url: &String| url.parse::<TrackerUrl>().ok();
        let strange: HashSet<_> = of_torrent.iter().flatten().filter_map(parse).collect();
        let before = std::mem::take(self);
        let is_users = |url: &&String| {
            parse(url).is_some_and(|url| before.contains(&url) || !strange.contains(&url))
        };
        let tier = |tier: &Vec<String>| tier.iter().filter(is_users).cloned().collect();
        let of_user: Vec<Vec<String>> = tiers.iter().map(tier).collect();
        self.add(&of_user);
        of_user
    }

    /// The client for requests to this tracker.
    pub(super) fn client_for(&self, url: &TrackerUrl, client: &TrackerClient) -> TrackerClient {
        if self.contains(url) { client.trusting_urls() } else { client.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_the_user_makes_no_tracker_of_the_torrent_his_own() {
        let tier = |url: &str| vec![format!("http://{url}.example/x")];
        let mut trackers = UserTrackers::new(&[tier("both"), tier("gone")]);
        let of_torrent = [tier("both"), tier("strange")];
        let of_user = trackers.replace(&[tier("strange"), tier("new"), tier("both")], &of_torrent);
        assert_eq!(of_user, [vec![], tier("new"), tier("both")]);
        let is_users = |url: &str| trackers.contains(&tier(url)[0].parse().unwrap());
        assert_eq!(["strange", "new", "both", "gone"].map(is_users), [false, true, true, false]);
    }
}
