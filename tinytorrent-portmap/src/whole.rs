//! The task with gateways that come, go, forget and refuse.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fake::udp::{Gateway, is_pcp, natpmp, pcp};
use crate::fake::upnp::{GATEWAY, LOCAL, OTHER, Server, done, fault, search};
use crate::route::Route;
use crate::surroundings::Surroundings;
use crate::task::Task;
use crate::{MappingProtocol, PortMapper, PortMapping, Transport};

/// A task in a network of ours.
struct World {
    mapper: PortMapper,
    /// The way to the internet, which tests change.
    route: Arc<Mutex<Option<Route>>>,
    /// The port that others are told of.
    told: watch::Receiver<Option<u16>>,
    announced_port: u16,
    _task: JoinSet<()>,
}

impl World {
    /// At first the way leads over `GATEWAY`, whose port is `port` for PCP and NAT-PMP.
    async fn new(port: u16, upnp_group: Option<SocketAddr>) -> Self {
        let local = LOCAL;
        let route = Arc::new(Mutex::new(Some(Route { gateway: Some(GATEWAY), local })));
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let free = free.local_addr().unwrap();
        let (seen, announced_port) = (Arc::clone(&route), free.port());
        let surroundings = Surroundings {
            find_route: Box::new(move || *seen.lock().unwrap()),
            look: Duration::from_millis(10),
            gateway_port: port,
            announced_port,
            upnp_group: upnp_group.unwrap_or(free),
            upnp_time: Duration::from_millis(700),
        };
        let (told_to, told) = watch::channel(None);
        let ports = vec![(Transport::Tcp, 6881), (Transport::Udp, 6881)];
        let announce = move |port| _ = told_to.send_replace(port);
        let (mapper, task) = Task::new(ports, surroundings, announce);
        let mut tasks = JoinSet::new();
        tasks.spawn(task.run());
        Self { mapper, route, told, announced_port, _task: tasks }
    }

    /// Waits until others are told of this port.
    async fn tells(&mut self, port: Option<u16>) {
        self.told.wait_for(|told| *told == port).await.unwrap();
    }

    /// Waits until the mappings are so.
    async fn mapped(&self, is_so: impl Fn(&[PortMapping]) -> bool) -> Vec<PortMapping> {
        loop {
            let mappings = self.mapper.mappings();
            if is_so(&mappings) {
                return mappings;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn lead_over(&self, gateway: Option<Ipv4Addr>) {
        let route = gateway.map(|gateway| Route { gateway: Some(gateway), local: LOCAL });
        *self.route.lock().unwrap() = route;
    }
}

fn are_mapped(mappings: &[PortMapping]) -> bool {
    mappings.iter().all(|mapping| mapping.external_port.is_some())
}

/// A gateway of PCP that grants everything at this port.
async fn granting(address: Ipv4Addr, external: u16) -> Gateway {
    Gateway::at(address, move |request| vec![pcp(request, 0, 7_200, external)]).await
}

fn life(request: &[u8]) -> u32 {
    u32::from_be_bytes(request[4..8].try_into().unwrap())
}

// N-05, N-07
#[tokio::test]
async fn ports_are_mapped_told_and_deleted_at_the_end() {
    let mut gateway = granting(GATEWAY, 7_000).await;
    let mut world = World::new(gateway.address.port(), None).await;
    world.tells(Some(7_000)).await;
    let mappings = world.mapped(are_mapped).await;
    let of = |mapping: &PortMapping| (mapping.transport, mapping.external_port, mapping.protocol);
    let (port, protocol) = (Some(7_000), Some(MappingProtocol::Pcp));
    let due = [(Transport::Tcp, port, protocol), (Transport::Udp, port, protocol)];
    assert_eq!(mappings.iter().map(of).collect::<Vec<_>>(), due);
    world.mapper.release().await;
    let lives: Vec<_> = gateway.requests().iter().map(|request| life(request)).collect();
    assert_eq!(lives, [7_200, 7_200, 0, 0]);
}

// N-07
#[tokio::test]
async fn a_mapper_ends_soon_after_its_gateway_has_gone() {
    let gateway = granting(GATEWAY, 7_000).await;
    let mut world = World::new(gateway.address.port(), None).await;
    world.tells(Some(7_000)).await;
    world.mapped(are_mapped).await;
    // It is there, and says nothing any more.
    let silent = gateway.address;
    drop(gateway);
    let _silent = UdpSocket::bind(silent).await;
    // It would ask for minutes if it waited for the answer.
    tokio::time::timeout(Duration::from_secs(30), world.mapper.release()).await.unwrap();
    assert!(*world.mapper.released.borrow(), "the task has ended");
    let searching = World::new(1, None).await;
    tokio::time::timeout(Duration::from_secs(30), searching.mapper.release()).await.unwrap();
    assert!(*searching.mapper.released.borrow());
}

// N-07
#[tokio::test]
async fn a_mapping_that_was_made_while_others_are_asked_for_is_deleted_as_well() {
    let mut gateway = Gateway::at(GATEWAY, |request| match request[36] {
        6 => vec![pcp(request, 0, 7_200, 7_000)],
        _ => vec![],
    })
    .await;
    let mut world = World::new(gateway.address.port(), None).await;
    world.tells(Some(7_000)).await;
    world.mapper.release().await;
    let requests = gateway.requests();
    assert!(requests.iter().any(|request| life(request) == 0 && request[36] == 6));
}

// N-02, N-11
#[tokio::test]
async fn another_gateway_is_asked_at_once_though_the_first_one_has_refused() {
    let first = Gateway::at(GATEWAY, |request| vec![pcp(request, 2, 86_400, 0)]).await;
    let port = first.address.port();
    let mut world = World::new(port, None).await;
    let why = Some("it is not allowed");
    world.mapped(|mappings| mappings.iter().all(|mapping| mapping.failure == why)).await;
    let mut second = Gateway::on((OTHER, port).into(), |request| match is_pcp(request) {
        true => vec![vec![0, 0x81, 0, 1, 0, 0, 0, 7]],
        false => vec![natpmp(request, 0, 7_001)],
    })
    .await;
    world.lead_over(Some(OTHER));
    world.tells(Some(7_001)).await;
    let mappings = world.mapped(are_mapped).await;
    assert_eq!(mappings[0].protocol, Some(MappingProtocol::NatPmp));
    assert_eq!(mappings[0].failure, None);
    assert!(is_pcp(&second.requests()[0]), "PCP comes first at each gateway");
}

// N-02
#[tokio::test]
async fn a_network_that_goes_and_comes_back_has_the_ports_mapped_again() {
    let gateway = granting(GATEWAY, 7_000).await;
    let mut world = World::new(gateway.address.port(), None).await;
    for _ in 0..2 {
        world.tells(Some(7_000)).await;
        world.lead_over(None);
        // Others are told of our own port again.
        world.tells(None).await;
        let gone = Some("there is no way to the internet with a gateway");
        world.mapped(|mappings| mappings.iter().all(|mapping| mapping.failure == gone)).await;
        world.lead_over(Some(GATEWAY));
    }
    world.tells(Some(7_000)).await;
}

// N-10
#[tokio::test]
async fn a_gateway_that_announces_that_it_began_anew_is_asked_again() {
    let mut gateway = granting(GATEWAY, 7_000).await;
    let world = World::new(gateway.address.port(), None).await;
    world.mapped(are_mapped).await;
    assert_eq!(gateway.requests().len(), 2);
    let socket = UdpSocket::bind((GATEWAY, 0)).await.unwrap();
    socket2::SockRef::from(&socket).set_multicast_if_v4(&LOCAL).unwrap();
    let group = (crate::announced::GROUP, world.announced_port);
    // Its clock is far ahead of what it was.
    let announcement = [0, 128, 0, 0, 0, 9, 0, 0, 9, 9, 9, 9];
    let mut requests = 0;
    while requests < 2 {
        requests += gateway.requests().len();
        socket.send_to(&announcement, group).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

// N-12, N-19
#[tokio::test]
async fn a_mapping_that_is_not_renewed_is_made_anew_by_its_nonce() {
    let mut requests = 0;
    let mut gateway = Gateway::at(GATEWAY, move |request| {
        requests += 1;
        match requests {
            // The shortest life whose renewal is due before its end.
            1 | 2 => vec![pcp(request, 0, 6, 7_000)],
            3 => vec![pcp(request, 8, 0, 0)],
            _ => vec![pcp(request, 0, 7_200, 7_000)],
        }
    })
    .await;
    let mut world = World::new(gateway.address.port(), None).await;
    world.tells(Some(7_000)).await;
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.push(gateway.requests.recv().await.unwrap());
    }
    let of = |request: &Vec<u8>, transport: u8| request[36] == transport;
    for transport in [6, 17] {
        let mut nonces: Vec<_> =
            seen.iter().filter(|one| of(one, transport)).map(|one| &one[24..36]).collect();
        assert!(nonces.len() >= 2, "each is asked for again");
        nonces.dedup();
        assert_eq!(nonces.len(), 1, "another one would be refused until the end of the first");
    }
    assert_eq!(*world.told.borrow(), Some(7_000));
}

// N-29
#[tokio::test]
async fn a_port_that_is_refused_is_no_failure_of_the_other() {
    for refused in ["TCP", "UDP"] {
        let kind = "urn:schemas-upnp-org:service:WANIPConnection:1";
        let gateway = Server::gateway(GATEWAY, kind, move |asked| {
            match asked.argument("NewProtocol") == refused {
                true => fault(606),
                false => done(asked, ""),
            }
        })
        .await;
        let (search, _answers) = search(Some(GATEWAY), vec![(GATEWAY, gateway.found())]).await;
        // Nobody is there for PCP.
        let mut world = World::new(1, Some(search.group)).await;
        world.tells(Some(6881)).await;
        let mappings = world
            .mapped(|mappings| {
                let is_known = |mapping: &PortMapping| {
                    mapping.failure.is_some() != mapping.external_port.is_some()
                };
                mappings.iter().all(is_known)
            })
            .await;
        let fails = mappings.iter().position(|mapping| mapping.failure.is_some());
        assert_eq!(fails, Some(usize::from(refused == "UDP")), "{mappings:?}");
        assert_eq!(mappings[0].external_port.is_some(), refused == "UDP");
        world.mapper.release().await;
        let deleted = gateway.actions("DeletePortMapping");
        assert!(deleted.iter().all(|asked| asked.argument("NewProtocol") != refused));
        assert_eq!(deleted.len(), 1);
    }
}

// N-30
#[tokio::test]
async fn a_gateway_behind_another_one_is_told_of() {
    let gateway = Gateway::at(GATEWAY, |request| {
        let mut answer = pcp(request, 0, 7_200, 7_000);
        answer[56..60].copy_from_slice(&[192, 168, 0, 2]);
        vec![answer]
    })
    .await;
    let world = World::new(gateway.address.port(), None).await;
    let mappings = world.mapped(are_mapped).await;
    assert_eq!(mappings[0].external_address, Some(IpAddr::from([192, 168, 0, 2])));
    assert!(mappings.iter().all(PortMapping::is_behind_another_nat));
}
