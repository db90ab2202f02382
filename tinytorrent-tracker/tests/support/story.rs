//! The announces of two peers, and the responses that a tracker should give.

use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse, TrackerUrl};
use tinytorrent_types::{PeerId, WireInfoHash};

/// One comes, another comes and finds it, completes, and the first leaves.
pub async fn two_peers(client: &TrackerClient, url: &TrackerUrl, info_hash: WireInfoHash) {
    two_peers_seen(client, url, info_hash, true).await;
}

/// A seed comes and stays.
pub async fn one_seed(client: &TrackerClient, url: &TrackerUrl, info_hash: WireInfoHash) {
    let mut request = AnnounceRequest::new(info_hash, PeerId::from_bytes([7; 20]), 7_010, 7);
    (request.event, request.left) = (AnnounceEvent::Started, Some(0));
    client.announce(url, &request).await.unwrap_or_else(|error| panic!("{error}"));
}

/// The same, where a tracker that cannot name peers has to count them at least.
pub async fn two_peers_seen(
    client: &TrackerClient,
    url: &TrackerUrl,
    info_hash: WireInfoHash,
    names_peers: bool,
) {
    let tell = async |number: u8, event, left| {
        let port = 7000 + u16::from(number);
        let mut id = *b"-TY0100-abcdefghijk0";
        id[19] += number;
        let key = u32::from(number);
        let mut request = AnnounceRequest::new(info_hash, PeerId::from_bytes(id), port, key);
        (request.event, request.left) = (event, Some(left));
        client.announce(url, &request).await.unwrap_or_else(|error| panic!("{error}"))
    };
    let ports = |response: &AnnounceResponse| -> Vec<u16> {
        response.peers.iter().map(|peer| peer.address.port()).collect()
    };
    let counts = async || {
        let scrape = client.scrape(url, &[info_hash]).await;
        let scrape = scrape.unwrap_or_else(|error| panic!("{error}"));
        let counts = scrape.get(info_hash).unwrap_or_default();
        (counts.seeders.unwrap(), counts.leechers.unwrap())
    };

    let first = tell(1, AnnounceEvent::Started, 0).await;
    assert!(first.interval.is_some(), "{url}: {first:?}");
    let second = tell(2, AnnounceEvent::Started, 1000).await;
    assert_eq!(ports(&second).contains(&7001), names_peers, "{url}: {second:?}");
    assert_eq!(counts().await, (1, 1), "{url} after started");
    tell(2, AnnounceEvent::Completed, 0).await;
    assert_eq!(counts().await, (2, 0), "{url} after completed");
    tell(1, AnnounceEvent::Stopped, 0).await;
    assert_eq!(counts().await, (1, 0), "{url} after stopped");
    let alone = tell(2, AnnounceEvent::None, 0).await;
    assert!(!ports(&alone).contains(&7001), "{url}: {alone:?}");
    tell(2, AnnounceEvent::Stopped, 0).await;
}
