use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::Transport;
use crate::lease::{Epoch, Lease};
use crate::messages::{Granted, Wish};
use crate::router::Router;

/// The ports that a gateway maps, or refuses to.
#[derive(Debug)]
pub(crate) struct Leases {
    pub(crate) router: Router,
    ports: Vec<Port>,
    epoch: Option<Epoch>,
    address: Option<IpAddr>,
}

#[derive(Debug)]
struct Port {
    transport: Transport,
    internal: u16,
    /// The mapping, or the time at which it is asked for again.
    lease: Result<Lease, Instant>,
}

/// The life that is asked for, in seconds (RFC 6886, section 3.3).
pub(crate) const LIFETIME: u32 = 7_200;

/// Time after which a port is asked for again that was refused, while the gateway maps another one.
const RETRY: Duration = Duration::from_secs(10 * 60);

impl Leases {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, ports: Vec::new(), epoch: None, address: None }
    }

    /// The port that others can be told of: both transports are to have one outside, as others are told of one.
    pub(crate) fn external(&self) -> Option<u16> {
        self.ports.iter().find_map(|port| port.lease.ok()).map(|lease| lease.external)
    }

    /// Time of the next [`due`](Self::due).
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.ports.iter().map(Port::due_at).min()
    }

    /// The next request to the gateway: a renewal, for the port of before (N-05), or a port that it has refused (N-29).
    pub(crate) fn due(&self, now: Instant) -> Option<Wish> {
        let port = self.ports.iter().find(|port| now >= port.due_at())?;
        let external = port.lease.ok().map(|lease| lease.external).or(self.external());
        let &Port { transport, internal, .. } = port;
        let external = external.unwrap_or(internal);
        Some(Wish { transport, internal, external, lifetime: LIFETIME })
    }

    /// Notes an answer to a wish. Returns false if the gateway has forgotten all others (N-09, N-17).
    pub(crate) fn note(
        &mut self,
        now: Instant,
        wish: &Wish,
        granted: &Granted,
        spread: f64,
    ) -> bool {
        *self.lease_of(wish, now) = Ok(Lease::new(now, granted, spread));
        self.address = granted.address.or(self.address);
        granted.epoch.is_none_or(|seconds| self.follows(now, seconds))
    }

    /// Notes what a gateway says to all hosts. Returns false if it has forgotten, or has another address (N-10).
    pub(crate) fn hear(&mut self, now: Instant, epoch: u32, address: Option<IpAddr>) -> bool {
        let is_same = address.is_none() || self.address.is_none() || address == self.address;
        self.follows(now, epoch) && is_same
    }

    /// Notes that the gateway maps no port for a wish. Returns true if there is a mapping all the same, whose end has not
    /// come.
    pub(crate) fn note_failure(&mut self, now: Instant, wish: &Wish) -> bool {
        match self.lease_of(wish, now) {
            Ok(lease) => {
                lease.note_failure();
                !lease.is_over(now)
            }
            Err(retry_at) => {
                *retry_at = now + RETRY;
                false
            }
        }
    }

    /// True if there is a mapping for a wish.
    pub(crate) fn has(&self, wish: &Wish) -> bool {
        self.ports.iter().any(|port| port.is_of(wish) && port.lease.is_ok())
    }

    /// Deletes all mappings (N-07).
    pub(crate) async fn delete_all(&self) {
        for Port { transport, internal, lease } in &self.ports {
            if let Ok(lease) = lease {
                self.router.delete(*transport, *internal, lease.external).await;
            }
        }
    }

    fn follows(&mut self, now: Instant, seconds: u32) -> bool {
        match &mut self.epoch {
            Some(epoch) => epoch.follows(now, seconds),
            None => {
                self.epoch = Some(Epoch::new(now, seconds));
                true
            }
        }
    }

    fn lease_of(&mut self, wish: &Wish, now: Instant) -> &mut Result<Lease, Instant> {
        let at = self.ports.iter().position(|port| port.is_of(wish)).unwrap_or_else(|| {
            let &Wish { transport, internal, .. } = wish;
            self.ports.push(Port { transport, internal, lease: Err(now + RETRY) });
            self.ports.len() - 1
        });
        &mut self.ports[at].lease
    }
}

impl Port {
    fn is_of(&self, wish: &Wish) -> bool {
        (self.transport, self.internal) == (wish.transport, wish.internal)
    }

    fn due_at(&self) -> Instant {
        self.lease.map_or_else(|retry_at| retry_at, |lease| lease.renew_at())
    }
}
