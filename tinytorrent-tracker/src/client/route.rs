use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_types::compact::Family;
use tokio::time::{Instant, timeout_at};

use super::hosts::Host;
use super::{Error, ErrorKind, LocalAccess, Phase, TrackerClient};
use crate::TrackerUrl;

/// A route from this host to a server.
#[derive(Debug, Clone)]
pub(super) enum Route {
    /// Sockets that are connected to the server itself.
    Direct {
        /// Addresses of the server, in the order of the resolver, all of `family` if it is given.
        addresses: Vec<SocketAddr>,
        /// The one family to use, also after a redirect; `None` for both.
        family: Option<Family>,
    },
    /// The proxy of the network, which resolves the server's host.
    Proxied,
}

impl Route {
    /// A route to the addresses of one family; `None` if there are none.
    pub(super) fn over(family: Family, addresses: &[SocketAddr]) -> Option<Self> {
        let of_family = addresses.iter().copied().filter(|address| is_of(family, *address));
        let addresses: Vec<_> = of_family.collect();
        (!addresses.is_empty()).then_some(Self::Direct { addresses, family: Some(family) })
    }

    /// The one family to use, also after a redirect; `None` for both.
    pub(super) fn family(&self) -> Option<Family> {
        match self {
            Self::Direct { family, .. } => *family,
            Self::Proxied => None,
        }
    }

    /// Known addresses of the server: none through a proxy.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        match self {
            Self::Direct { addresses, .. } => addresses,
            Self::Proxied => &[],
        }
    }

    /// True if this is one of the addresses to try.
    pub(super) fn leads_to(&self, address: SocketAddr) -> bool {
        self.candidates().any(|candidate| candidate == address)
    }

    /// The addresses to try one after the other: all, or at most [`MAX_ADDRESSES`] of a given
    /// family.
    pub(super) fn candidates(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let limit = if self.family().is_some() { MAX_ADDRESSES } else { usize::MAX };
        self.addresses().iter().copied().take(limit)
    }
}

/// An attempt to reach a server: its URL, the route to it, and the deadline.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) url: TrackerUrl,
    pub(super) route: Route,
    /// The local addresses that may be asked, also after a redirect.
    pub(super) local: LocalAccess,
    /// The server, if its connections may be used again.
    pub(super) host: Option<Arc<Host>>,
    pub(super) deadline: Instant,
}

impl Attempt {
    /// An error that names the URL.
    pub(super) fn error(&self, phase: Phase, kind: impl Into<ErrorKind>) -> Error {
        Error::new(&self.url, phase, kind)
    }

    /// The deadline of a step with this timeout, never later than that of the attempt.
    pub(super) fn deadline_of_step(&self, timeout: Duration) -> Instant {
        self.deadline.min(super::after(timeout))
    }

    /// Runs a future until `deadline`, at most. An error names the URL and the phase.
    pub(super) async fn within<T, E: Into<ErrorKind>>(
        &self,
        phase: Phase,
        deadline: Instant,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        match timeout_at(deadline, future).await {
            Ok(outcome) => outcome.map_err(|error| self.error(phase, error)),
            Err(_) => Err(self.error(phase, ErrorKind::TimedOut)),
        }
    }
}

impl TrackerClient {
    /// The route to a server: through the proxy if there is one, else to the addresses that the
    /// resolver gives, of `family` if it is given, and that the URL may be requested from.
    pub(super) async fn route_to(
        &self,
        url: &TrackerUrl,
        family: Option<Family>,
        local: LocalAccess,
        deadline: Instant,
    ) -> Result<Route, Error> {
        if self.network().proxy().is_some() {
            local.check_host(url)?;
            return Ok(Route::Proxied);
        }
        let mut addresses = self.resolve(url, deadline).await?;
        local.retain_allowed(url, &mut addresses)?;
        addresses.retain(|address| family.is_none_or(|family| is_of(family, *address)));
        Ok(Route::Direct { addresses, family })
    }
}

fn is_of(family: Family, address: SocketAddr) -> bool {
    Family::of(address.ip()) == family
}

/// A guess: with 15 s for each, more addresses would not fit into the deadline of a request.
const MAX_ADDRESSES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Vec<SocketAddr> {
        let v4 = (1..=5).map(|host| SocketAddr::from(([192, 0, 2, host], 1)));
        v4.chain(["[2001:db8::1]:1".parse().unwrap()]).collect()
    }

    #[test]
    fn a_route_over_a_family_has_addresses_of_that_family_only() {
        let v6 = Route::over(Family::V6, &addresses()).unwrap();
        assert_eq!((v6.family(), v6.addresses()), (Some(Family::V6), &addresses()[5..]));
        assert!(Route::over(Family::V6, &addresses()[..5]).is_none());
    }

    #[test]
    fn few_addresses_of_a_family_are_tried() {
        let v4 = Route::over(Family::V4, &addresses()).unwrap();
        assert_eq!(v4.addresses().len(), 5);
        assert_eq!(v4.candidates().collect::<Vec<_>>(), addresses()[..4]);
        let any = Route::Direct { addresses: addresses(), family: None };
        assert_eq!(any.candidates().count(), 6);
    }

    #[test]
    fn a_proxy_gets_no_addresses() {
        let proxied = Route::Proxied;
        assert_eq!((proxied.family(), proxied.candidates().next()), (None, None));
    }

    #[tokio::test]
    async fn an_error_of_an_attempt_names_its_url_and_phase() {
        let url = "udp://tracker.example:6969".parse().unwrap();
        let route = Route::over(Family::V4, &addresses()).unwrap();
        let attempt =
            Attempt { url, route, local: LocalAccess::Full, host: None, deadline: Instant::now() };
        let outcome = std::future::pending::<Result<(), ErrorKind>>();
        let error = attempt.within(Phase::Tls, attempt.deadline, outcome).await.unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.to_string(), "udp://tracker.example:6969: tls handshake: timed out");
    }
}
