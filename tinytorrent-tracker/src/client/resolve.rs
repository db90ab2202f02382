use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::{Error, Phase, TrackerClient, no_address};
use crate::TrackerUrl;

impl TrackerClient {
    /// Resolves the addresses of a tracker, of the allowed families, in the order of the resolver.
    pub(super) async fn resolve(
        &self,
        url: &TrackerUrl,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Error> {
        let look_up = self.network().look_up(url.host_to_resolve(), url.port(), deadline);
        let mut addresses =
            look_up.await.map_err(|error| Error::new(url, Phase::Resolve, error))?;
        addresses.retain(|address| self.shared.config.families.allow(*address));
        if addresses.is_empty() {
            return Err(no_address(url));
        }
        self.shared.resolved.put(url, &addresses);
        Ok(addresses)
    }
}

/// The addresses found by the last lookup of each host, for the last announce (`stopped`), which
/// must not wait for a resolver.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    hosts: Mutex<HashMap<(String, u16), Vec<SocketAddr>>>,
}

impl Resolved {
    pub(super) fn get(&self, url: &TrackerUrl) -> Option<Vec<SocketAddr>> {
        self.lock().get(&(url.host().to_owned(), url.port())).cloned()
    }

    pub(super) fn put(&self, url: &TrackerUrl, addresses: &[SocketAddr]) {
        let mut hosts = self.lock();
        // A cache that is lost costs one lookup for each tracker.
        if hosts.len() >= MAX_HOSTS {
            hosts.clear();
        }
        hosts.insert((url.host().to_owned(), url.port()), addresses.to_vec());
    }

    #[cfg(all(test, feature = "server"))]
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, u16), Vec<SocketAddr>>> {
        // A panic in another thread leaves the map whole.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guess, above what clients with thousands of torrents have: a few MiB.
const MAX_HOSTS: usize = 10_000;
