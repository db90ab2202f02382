//! Look-ups of peers by name, and requests to trackers.

use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_net::Network;
use tinytorrent_swarm::{AnnounceOutcome, AnnounceTask, ScrapeOutcome, ScrapeTask};
use tinytorrent_tracker::Failure;
use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_types::InfoHashes;
use tokio::time::Instant;
use tracing::Instrument;

use crate::spans;

/// Timeout of a name look-up. Resolvers take 5 s for each of two tries.
pub(crate) const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the addresses of the host name of a peer or a node, or none if it cannot be resolved.
pub(super) async fn resolve(network: Network, host: String, port: u16) -> Vec<SocketAddr> {
    let found = network.look_up(&host, port, Instant::now() + RESOLVE_TIMEOUT).await;
    let span = spans::peer(format_args!("{host}:{port}"));
    span.in_scope(|| {
        let told = |error: &_| tracing::warn!(%error, "cannot resolve the name of a peer");
        found.inspect_err(told).unwrap_or_default()
    })
}

/// Announces to a tracker, under both hashes of a hybrid torrent.
pub(super) async fn announce(
    trackers: TrackerClient,
    hashes: InfoHashes,
    task: AnnounceTask,
) -> AnnounceOutcome {
    let AnnounceTask { id, url, request } = task;
    let span = spans::tracker(&url);
    span.in_scope(|| {
        let (event, left) = (request.event, request.left);
        tracing::debug!(%url, ?event, ?left, "announcing");
    });
    let answer = trackers.announce_all_hashes(&url, &hashes, &request).instrument(span).await;
    AnnounceOutcome { id, result: answer.map_err(|error| Failure::from(&error)) }
}

/// Scrapes a tracker, for both hashes of a hybrid torrent.
pub(super) async fn scrape(
    trackers: TrackerClient,
    hashes: InfoHashes,
    task: ScrapeTask,
) -> ScrapeOutcome {
    let ScrapeTask { id, url } = task;
    tracing::debug!(%url, "scraping");
    let hashes: Vec<_> = hashes.wire_hashes().collect();
    let answer = trackers.scrape(&url, &hashes).await;
    ScrapeOutcome { id, result: answer.map_err(|error| Failure::from(&error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_cannot_be_resolved_has_no_addresses() {
        assert_eq!(resolve(Network::default(), "name.invalid".into(), 1).await, []);
    }

    #[tokio::test]
    async fn an_address_is_its_own_name() {
        assert_eq!(
            resolve(Network::default(), "127.0.0.1".into(), 7).await,
            ["127.0.0.1:7".parse().unwrap()]
        );
    }
}
