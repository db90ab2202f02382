use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::route::Route;
use crate::upnp::{self, Search};
use crate::{announced, messages};

/// The network that a task is in. Tests have another one.
pub(crate) struct Surroundings {
    /// Finds the way to the internet.
    pub(crate) find_route: Box<dyn Fn() -> Option<Route> + Send + Sync>,
    /// Time from one look at the way to the next. Another gateway knows none of our mappings.
    pub(crate) look: Duration,
    /// The port of gateways for PCP and NAT-PMP.
    pub(crate) gateway_port: u16,
    /// The port at which gateways announce themselves by these.
    pub(crate) announced_port: u16,
    /// The group of UPnP, and the time of a search there.
    pub(crate) upnp_group: SocketAddr,
    pub(crate) upnp_time: Duration,
}

impl Surroundings {
    /// True as long as this is the way to the internet.
    pub(crate) fn are_those_of(&self, route: Route) -> bool {
        (self.find_route)() == Some(route)
    }

    pub(crate) fn gateway(&self, route: Route) -> Option<SocketAddr> {
        route.gateway.map(|gateway: Ipv4Addr| (IpAddr::V4(gateway), self.gateway_port).into())
    }

    pub(crate) fn search(&self, route: Route) -> Search {
        let Route { gateway, local } = route;
        Search { local, gateway, group: self.upnp_group, time: self.upnp_time }
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            find_route: Box::new(Route::find),
            look: Duration::from_secs(30),
            gateway_port: messages::PORT,
            announced_port: announced::PORT,
            upnp_group: upnp::GROUP,
            upnp_time: upnp::SEARCH_TIME,
        }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("look", &self.look).finish_non_exhaustive()
    }
}
