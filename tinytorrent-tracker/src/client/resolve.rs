use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tinytorrent_types::compact::Family;
use tokio::time::{Instant, timeout_at};

use super::{Error, ErrorKind, Families, Phase, TrackerClient, no_address};
use crate::TrackerUrl;

impl TrackerClient {
    /// The addresses of a tracker, of the families that are allowed, in the system's order.
    pub(super) async fn resolve(
        &self,
        url: &TrackerUrl,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Error> {
        let lookup = tokio::net::lookup_host((url.host_to_resolve(), url.port()));
        let found = timeout_at(deadline, lookup)
            .await
            .map_err(|_| Error::new(url, Phase::Resolve, ErrorKind::TimedOut))?
            .map_err(|error| Error::new(url, Phase::Resolve, error))?;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found.filter(|address| self.is_allowed(*address)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(no_address(url));
        }
        self.shared.resolved.put(url, &addresses);
        Ok(addresses)
    }

    fn is_allowed(&self, address: SocketAddr) -> bool {
        match self.shared.config.families {
            Families::Both => true,
            Families::V4 => Family::of(address.ip()) == Family::V4,
            Families::V6 => Family::of(address.ip()) == Family::V6,
        }
    }
}

/// What was found last, for the `stopped` of a program that ends: it must not wait for a resolver
/// then.
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
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses of one family, at most [`MAX_ADDRESSES`].
pub(super) fn of_family(
    addresses: &[SocketAddr],
    family: Family,
) -> impl Iterator<Item = SocketAddr> + '_ {
    let of_family = move |address: &&SocketAddr| Family::of(address.ip()) == family;
    addresses.iter().filter(of_family).copied().take(MAX_ADDRESSES)
}

/// More addresses of one host than anybody waits for.
const MAX_ADDRESSES: usize = 4;

/// More trackers than anybody has; then it begins anew.
const MAX_HOSTS: usize = 10_000;
