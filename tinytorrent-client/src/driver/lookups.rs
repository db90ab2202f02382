//! Look-ups of peers by name, and requests to trackers.

use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_storage::is_out_of_descriptors;
use tinytorrent_swarm::{AnnounceOutcome, AnnounceTask, ScrapeOutcome, ScrapeTask};
use tinytorrent_tracker::Failure;
use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_types::InfoHashes;
use tokio::net::{TcpSocket, lookup_host};
use tokio::time::timeout;
use tracing::Instrument;

use crate::spans;

/// Timeout of a name look-up. Resolvers take 5 s for each of two tries.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval at which a name is looked up again while no descriptor is left for that.
const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(500);

/// Returns the addresses of the host name of a peer or a node, or none if it cannot be resolved.
pub(crate) async fn resolve(host: String, port: u16) -> Vec<SocketAddr> {
    let look_up = async {
        loop {
            match lookup_host((host.as_str(), port)).await {
                // Some resolvers say then that the name does not exist.
                Err(_) if has_no_descriptor() => tokio::time::sleep(DESCRIPTOR_PAUSE).await,
                found => break found,
            }
        }
    };
    let found = timeout(RESOLVE_TIMEOUT, look_up).await;
    let span = spans::peer(format_args!("{host}:{port}"));
    span.in_scope(|| match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot resolve the name of a peer");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("the name of a peer was not resolved in time");
            Vec::new()
        }
    })
}

fn has_no_descriptor() -> bool {
    TcpSocket::new_v4().is_err_and(|error| is_out_of_descriptors(&error))
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
        assert_eq!(resolve("name.invalid".into(), 1).await, []);
    }

    #[tokio::test]
    async fn an_address_is_its_own_name() {
        assert_eq!(resolve("127.0.0.1".into(), 7).await, ["127.0.0.1:7".parse().unwrap()]);
    }
}
