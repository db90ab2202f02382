use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::lease::{Epoch, Lease};
use crate::messages::{Granted, Wish};
use crate::route::Route;
use crate::router::Router;
use crate::{MapError, PortMapper, PortMapping, Transport};

/// The task that keeps the ports of a client mapped.
pub(crate) struct Task {
    ports: Vec<(Transport, u16)>,
    mappings: Arc<Mutex<Vec<PortMapping>>>,
    release: Arc<Notify>,
    released: watch::Sender<bool>,
    /// Called with the port that others are to be told of, whenever it is another one.
    announce: Box<dyn Fn(Option<u16>) + Send + Sync>,
}

/// The leases of a gateway.
struct Leases {
    router: Router,
    leases: Vec<(Transport, u16, Lease)>,
    epoch: Option<Epoch>,
}

/// The life that is asked for, in seconds (RFC 6886, section 3.3).
const LIFETIME: u32 = 7_200;

/// Time from one look at the way to the internet to the next. Another gateway knows none of our mappings.
const LOOK: Duration = Duration::from_secs(30);

/// Time after a failure until all protocols are tried again. It doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

impl Task {
    /// A mapper for these ports, and its task.
    pub(crate) fn new(
        ports: Vec<(Transport, u16)>,
        announce: impl Fn(Option<u16>) + Send + Sync + 'static,
    ) -> (PortMapper, Self) {
        let unmapped = |&(transport, internal_port): &(Transport, u16)| PortMapping {
            transport,
            internal_port,
            external_port: None,
            external_address: None,
            protocol: None,
            failure: None,
        };
        let mappings = Arc::new(Mutex::new(ports.iter().map(unmapped).collect()));
        let release = Arc::<Notify>::default();
        let (released, is_released) = watch::channel(false);
        let mapper = PortMapper {
            mappings: Arc::clone(&mappings),
            release: Arc::clone(&release),
            released: is_released,
        };
        (mapper, Self { ports, mappings, release, released, announce: Box::new(announce) })
    }

    /// Keeps the ports mapped until they are to be released.
    pub(crate) async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let release = Arc::clone(&self.release);
        loop {
            let Some(route) = Route::find() else {
                self.fail("there is no way to the internet with a gateway");
                tokio::select! {
                    () = sleep(LOOK) => continue,
                    () = release.notified() => break,
                }
            };
            let found = tokio::select! {
                found = self.map_all(route) => found,
                () = release.notified() => break,
            };
            let wait = match found {
                Ok(mut leases) => {
                    pause = FIRST_PAUSE;
                    let is_released = tokio::select! {
                        () = self.hold(route, &mut leases) => false,
                        () = release.notified() => true,
                    };
                    if is_released {
                        leases.delete_all().await;
                        break;
                    }
                    // The gateway is another one, or has forgotten: all is mapped anew.
                    continue;
                }
                Err(error) => {
                    tracing::debug!(?error, "the gateway maps no port");
                    self.fail(error.why());
                    let refused = match error {
                        MapError::Refused { retry_after, .. } => retry_after,
                        _ => Duration::ZERO,
                    };
                    pause.max(refused.min(LONGEST_PAUSE * 24))
                }
            };
            pause = (pause * 2).min(LONGEST_PAUSE);
            tokio::select! {
                () = self.wait(route, wait) => {}
                () = release.notified() => break,
            }
        }
        self.released.send_replace(true);
    }

    /// Maps all ports. The first one decides which protocol the gateway speaks.
    async fn map_all(&self, route: Route) -> Result<Leases, MapError> {
        let mut mapped: Option<Leases> = None;
        let mut failure = MapError::Silent;
        for &(transport, internal) in &self.ports {
            // Both protocols are to have one port outside, as others are told of one.
            let given = mapped.as_ref().and_then(Leases::external);
            let wish = Wish {
                transport,
                internal,
                external: given.unwrap_or(internal),
                lifetime: LIFETIME,
            };
            let granted = match &mut mapped {
                Some(leases) => leases.router.map(&wish).await,
                None => Router::find(route, &wish).await.map(|(router, granted)| {
                    mapped = Some(Leases { router, leases: Vec::new(), epoch: None });
                    granted
                }),
            };
            match (granted, &mut mapped) {
                (Ok(granted), Some(leases)) => {
                    let lease = Lease::new(Instant::now(), &granted, rand::random());
                    leases.leases.push((transport, internal, lease));
                    leases.epoch = granted.epoch.map(|epoch| Epoch::new(Instant::now(), epoch));
                    self.note(transport, leases, &granted);
                }
                // N-29: the other one may be mapped all the same.
                (Err(error), _) => {
                    self.note_failure(transport, error.why());
                    failure = error;
                }
                (Ok(_), None) => {}
            }
        }
        mapped.ok_or(failure)
    }

    /// Renews the mappings. Returns if all have to be mapped anew.
    async fn hold(&self, route: Route, mapped: &mut Leases) {
        let mut looked = Instant::now();
        loop {
            let next = mapped.leases.iter().map(|(_, _, lease)| lease.renew_at()).min();
            let due = next.map_or(looked + LOOK, |next| next.min(looked + LOOK));
            tokio::time::sleep_until(due.into()).await;
            let now = Instant::now();
            if now >= looked + LOOK {
                looked = now;
                if Route::find() != Some(route) {
                    return;
                }
            }
            let due = mapped.leases.iter_mut().find(|(_, _, lease)| now >= lease.renew_at());
            let Some((transport, internal, lease)) = due else { continue };
            let (transport, internal, external) = (*transport, *internal, lease.external);
            // N-05
            let wish = Wish { transport, internal, external, lifetime: LIFETIME };
            let renewed = mapped.router.map(&wish).await;
            let now = Instant::now();
            match renewed {
                Ok(granted) => {
                    *lease = Lease::new(now, &granted, rand::random());
                    self.note(transport, mapped, &granted);
                    // N-09, N-17
                    let follows = match (&mut mapped.epoch, granted.epoch) {
                        (Some(epoch), Some(seconds)) => epoch.follows(now, seconds),
                        _ => true,
                    };
                    if !follows {
                        tracing::debug!("the gateway began anew, and the ports are mapped again");
                        return;
                    }
                }
                Err(error) => {
                    lease.note_failure();
                    tracing::debug!(?error, ?transport, "a mapping is not renewed");
                    // N-19
                    if lease.is_over(now) || !matches!(error, MapError::Silent) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until this time is over, or there is another way to the internet (N-02).
    async fn wait(&self, route: Route, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && Route::find() == Some(route) {
            sleep(LOOK.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    fn note(&self, transport: Transport, mapped: &Leases, granted: &Granted) {
        self.change(|mapping| {
            if mapping.transport == transport {
                mapping.external_port = Some(granted.external);
                mapping.external_address = granted.address.filter(IpAddr::is_ipv4);
                mapping.protocol = Some(mapped.router.protocol());
                mapping.failure = None;
                let (port, address) = (granted.external, granted.address);
                let protocol = mapping.protocol;
                tracing::debug!(?transport, port, ?address, ?protocol, "the gateway maps a port");
                if mapping.is_behind_another_nat() {
                    tracing::warn!(?address, "behind the gateway there is another one");
                }
            }
        });
    }

    fn note_failure(&self, transport: Transport, why: &'static str) {
        self.change(|mapping| {
            if mapping.transport == transport {
                (mapping.external_port, mapping.failure) = (None, Some(why));
            }
        });
    }

    fn fail(&self, why: &'static str) {
        self.change(|mapping| (mapping.external_port, mapping.failure) = (None, Some(why)));
    }

    /// Changes mappings, and says so if others are to be told of another port.
    fn change(&self, change: impl FnMut(&mut PortMapping)) {
        let mut mappings = self.mappings.lock().unwrap_or_else(PoisonError::into_inner);
        let port = |mappings: &[PortMapping]| mappings.iter().find_map(|one| one.external_port);
        let before = port(&mappings);
        mappings.iter_mut().for_each(change);
        let after = port(&mappings);
        drop(mappings);
        if before != after {
            (self.announce)(after);
        }
    }
}

impl Leases {
    /// The port that others can be told of.
    fn external(&self) -> Option<u16> {
        self.leases.first().map(|(_, _, lease)| lease.external)
    }

    async fn delete_all(&self) {
        for (transport, internal, lease) in &self.leases {
            self.router.delete(*transport, *internal, lease.external).await;
        }
    }
}
