use std::net::SocketAddr;

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
        if addresses.is_empty() { Err(no_address(url)) } else { Ok(addresses) }
    }

    fn is_allowed(&self, address: SocketAddr) -> bool {
        match self.shared.config.families {
            Families::Both => true,
            Families::V4 => Family::of(address.ip()) == Family::V4,
            Families::V6 => Family::of(address.ip()) == Family::V6,
        }
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
