use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, sleep_until};

use crate::announced::Announced;
use crate::leases::{LIFETIME, Leases};
use crate::messages::{Announcement, Granted, Nonce, Wish};
use crate::route::Route;
use crate::router::Router;
use crate::surroundings::Surroundings;
use crate::{MapError, MappingProtocol, PortMapper, PortMapping, Transport};

/// The task that keeps ports mapped.
pub(crate) struct Task {
    ports: Vec<(Transport, u16)>,
    surroundings: Surroundings,
    mappings: Arc<Mutex<Vec<PortMapping>>>,
    release: Arc<Notify>,
    released: watch::Sender<bool>,
    /// Called with the port that others are to be told of, whenever it is another one.
    announce: Box<dyn Fn(Option<u16>) + Send + Sync>,
}

/// The reason for which all ports have to be mapped anew.
#[derive(Debug)]
enum End {
    /// There is another way to the internet, or none.
    OtherRoute,
    /// The gateway has forgotten the mappings, or does not extend them.
    Forgotten,
    /// It makes none.
    Failed(MapError),
}

/// Time after a failure until all protocols are tried again. It doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Time at most that a gateway can have us wait by the life of its error.
const LONGEST_REFUSAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Time in which the hosts of a gateway ask it again that has announced that it began anew (RFC 6887, section 14.1.3).
const SPREAD: Duration = Duration::from_secs(5);

impl Task {
    /// A mapper for these ports, and its task.
    pub(crate) fn new(
        ports: Vec<(Transport, u16)>,
        surroundings: Surroundings,
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
        let announce = Box::new(announce);
        (mapper, Self { ports, surroundings, mappings, release, released, announce })
    }

    /// Keeps the ports mapped until they are to be released.
    pub(crate) async fn run(self) {
        let mut mapped = None;
        tokio::select! {
            () = self.keep(&mut mapped) => {}
            () = self.release.notified() => {}
        }
        if let Some(mapped) = mapped {
            mapped.delete_all().await;
        }
        self.released.send_replace(true);
    }

    /// Does so for ever. What the gateway has mapped is in `mapped` whenever it waits.
    async fn keep(&self, mapped: &mut Option<Leases>) {
        let mut pause = FIRST_PAUSE;
        // The same for all requests to a gateway: those that it knows no more are no obstacle then (N-12).
        let mut nonces = rand::random();
        loop {
            *mapped = None;
            let Some(route) = (self.surroundings.find_route)() else {
                self.fail("there is no way to the internet with a gateway");
                sleep(self.surroundings.look).await;
                continue;
            };
            let end = tokio::select! {
                end = self.serve(route, nonces, mapped, &mut pause) => end,
                () = self.route_changes(route) => End::OtherRoute,
            };
            let wait = match end {
                End::Forgotten => continue,
                End::OtherRoute => Duration::ZERO,
                End::Failed(error) => {
                    tracing::debug!(?error, "the gateway maps no port");
                    self.fail(error.why());
                    // N-16
                    pause.max(error.retry_after().min(LONGEST_REFUSAL))
                }
            };
            pause = (pause * 2).min(LONGEST_PAUSE);
            let is_same = tokio::select! {
                () = sleep(wait) => self.surroundings.are_those_of(route),
                () = self.route_changes(route) => false,
            };
            // N-02: what one gateway refuses, another may grant.
            if !is_same {
                tracing::debug!(?route, "the way to the internet has changed");
                self.fail("there is another way to the internet");
                (pause, nonces) = (FIRST_PAUSE, rand::random());
            }
        }
    }

    /// Ends when there is another way to the internet, or none.
    async fn route_changes(&self, route: Route) {
        while self.surroundings.are_those_of(route) {
            sleep(self.surroundings.look).await;
        }
    }

    /// Has a gateway map the ports, and renews the mappings.
    async fn serve(
        &self,
        route: Route,
        nonces: [Nonce; 2],
        mapped: &mut Option<Leases>,
        pause: &mut Duration,
    ) -> End {
        if let Err(error) = self.map_all(route, nonces, mapped).await {
            return End::Failed(error);
        }
        let Some(mapped) = mapped else { return End::Failed(MapError::Silent) };
        *pause = FIRST_PAUSE;
        let announced = match route.gateway {
            Some(gateway) if mapped.router.protocol() != MappingProtocol::Upnp => {
                let port = self.surroundings.announced_port;
                let announced = Announced::listen(route.local, gateway, port);
                announced
                    .inspect_err(|error| tracing::debug!(%error, "the gateway cannot be heard"))
                    .ok()
            }
            _ => None,
        };
        self.hold(mapped, announced.as_ref()).await
    }

    /// Maps all ports. The first one decides which protocol the gateway speaks.
    async fn map_all(
        &self,
        route: Route,
        nonces: [Nonce; 2],
        mapped: &mut Option<Leases>,
    ) -> Result<(), MapError> {
        let mut refused = Vec::new();
        let mut failure = MapError::Silent;
        for (n, &(transport, internal)) in self.ports.iter().enumerate() {
            // That of another transport, or that of before (N-05).
            let given = mapped.as_ref().and_then(Leases::external).or(self.external(n));
            let external = given.unwrap_or(internal);
            let wish = Wish { transport, internal, external, lifetime: LIFETIME };
            let granted = match mapped {
                Some(mapped) => mapped.router.map(&wish).await,
                None => {
                    let found = Router::find(&self.surroundings, route, nonces, &wish).await;
                    found.map(|(router, granted)| {
                        *mapped = Some(Leases::new(router));
                        granted
                    })
                }
            };
            match (granted, &mut *mapped) {
                (Ok(granted), Some(mapped)) => {
                    mapped.note(Instant::now(), &wish, &granted, rand::random());
                    self.note(&wish, mapped, &granted);
                }
                // N-29: the other one may be mapped all the same.
                (Err(error), _) => {
                    self.note_failure(&wish, error.why());
                    refused.push(wish);
                    failure = error;
                    // Who says nothing says nothing to the next one either.
                    if mapped.is_none() && !matches!(failure, MapError::Refused { .. }) {
                        return Err(failure);
                    }
                }
                (Ok(_), None) => {}
            }
        }
        let mapped = mapped.as_mut().ok_or(failure)?;
        for wish in refused {
            mapped.note_failure(Instant::now(), &wish);
        }
        Ok(())
    }

    /// Renews the mappings, until all have to be mapped anew.
    async fn hold(&self, mapped: &mut Leases, announced: Option<&Announced>) -> End {
        loop {
            let due = mapped.due_at();
            let Some(due) = due else { return End::Forgotten };
            tokio::select! {
                () = sleep_until(due.into()) => {}
                said = hear(announced) => {
                    let Announcement { epoch, address } = said;
                    if !mapped.hear(Instant::now(), epoch, address.map(IpAddr::V4)) {
                        tracing::debug!("the gateway announces that it began anew");
                        sleep(SPREAD.mul_f64(rand::random())).await;
                        return End::Forgotten;
                    }
                }
            }
            let Some(wish) = mapped.due(Instant::now()) else { continue };
            let was_mapped = mapped.has(&wish);
            match mapped.router.map(&wish).await {
                Ok(granted) => {
                    let follows = mapped.note(Instant::now(), &wish, &granted, rand::random());
                    self.note(&wish, mapped, &granted);
                    if !follows {
                        tracing::debug!("the gateway began anew, and the ports are mapped again");
                        return End::Forgotten;
                    }
                }
                Err(error) => {
                    tracing::debug!(?error, ?wish, "the gateway does not map a port");
                    let is_mapped = mapped.note_failure(Instant::now(), &wish);
                    if !was_mapped {
                        self.note_failure(&wish, error.why());
                    // N-19
                    } else if !(is_mapped && matches!(error, MapError::Silent)) {
                        return End::Forgotten;
                    }
                }
            }
        }
    }

    /// The port outside of the nth port of ours.
    fn external(&self, n: usize) -> Option<u16> {
        let mappings = self.mappings.lock().unwrap_or_else(PoisonError::into_inner);
        mappings.get(n).and_then(|mapping| mapping.external_port)
    }

    fn note(&self, wish: &Wish, mapped: &Leases, granted: &Granted) {
        let mut is_told = self.is_told_of_another_nat();
        self.change(|mapping| {
            if !is_of(mapping, wish) {
                return;
            }
            mapping.external_port = Some(granted.external);
            mapping.external_address = granted.address.filter(IpAddr::is_ipv4);
            mapping.protocol = Some(mapped.router.protocol());
            mapping.failure = None;
            let (transport, port, address) = (wish.transport, granted.external, granted.address);
            let protocol = mapping.protocol;
            tracing::debug!(?transport, port, ?address, ?protocol, "the gateway maps a port");
            // N-30
            if mapping.is_behind_another_nat() && !is_told {
                is_told = true;
                tracing::warn!(
                    ?address,
                    "there is another gateway behind ours, so that nobody can connect to the mapped port"
                );
            }
        });
    }

    fn is_told_of_another_nat(&self) -> bool {
        let mappings = self.mappings.lock().unwrap_or_else(PoisonError::into_inner);
        mappings.iter().any(PortMapping::is_behind_another_nat)
    }

    fn note_failure(&self, wish: &Wish, why: &'static str) {
        self.change(|mapping| {
            if is_of(mapping, wish) {
                (mapping.external_port, mapping.failure) = (None, Some(why));
            }
        });
    }

    fn fail(&self, why: &'static str) {
        self.change(|mapping| {
            (mapping.external_port, mapping.external_address) = (None, None);
            (mapping.protocol, mapping.failure) = (None, Some(why));
        });
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

fn is_of(mapping: &PortMapping, wish: &Wish) -> bool {
    (mapping.transport, mapping.internal_port) == (wish.transport, wish.internal)
}

async fn hear(announced: Option<&Announced>) -> Announcement {
    match announced {
        Some(announced) => announced.next().await,
        None => std::future::pending().await,
    }
}
