//! Gateways of UPnP that misbehave.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::*;
use crate::fake::upnp::{
    Asked, GATEWAY, LOCAL, OTHER, Server, description, done, fault, http, located, ok, search,
};

const IP: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";

const WISH: Wish =
    Wish { transport: Transport::Tcp, internal: 6881, external: 7000, lifetime: 7_200 };

/// A gateway that answers actions, as we have found it.
struct Scene {
    gateway: Server,
    upnp: Upnp,
    next: AtomicUsize,
    _answers: JoinSet<()>,
}

impl Scene {
    async fn new(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let gateway = Server::gateway(GATEWAY, IP, answer).await;
        let (search, _answers) = search(Some(GATEWAY), vec![(GATEWAY, gateway.found())]).await;
        let upnp = Upnp::find(search).await.unwrap();
        Self { gateway, upnp, next: AtomicUsize::new(0), _answers }
    }

    async fn map(&mut self, wish: Wish) -> Result<Granted, MapError> {
        self.upnp.map(&wish, || 20_000 + self.next.fetch_add(1, Ordering::Relaxed) as u16).await
    }

    /// The ports and the lives that were asked for, in seconds.
    fn asked(&self) -> Vec<(u32, u32)> {
        let added = self.gateway.actions("AddPortMapping");
        let of =
            |asked: &Asked| (asked.number("NewExternalPort"), asked.number("NewLeaseDuration"));
        added.iter().map(of).collect()
    }
}

/// A gateway alone that sends this description.
async fn find_described(document: Vec<u8>) -> Result<Upnp, MapError> {
    let gateway = Server::new(GATEWAY, move |_| document.clone()).await;
    let (search, _answers) = search(None, vec![(GATEWAY, gateway.found())]).await;
    let found = Upnp::find(search).await;
    assert!(!gateway.asked().is_empty());
    found
}

fn place(upnp: &Upnp) -> IpAddr {
    upnp.service.control.address.ip()
}

// N-26, N-28
#[tokio::test]
async fn a_request_names_the_gateway_with_its_port_and_our_address_there() {
    let mut scene = Scene::new(|asked| done(asked, "")).await;
    let granted = scene.map(WISH).await.unwrap();
    assert_eq!((granted.external, granted.lifetime), (7000, Some(Duration::from_secs(7_200))));
    assert_eq!(granted.address, Some([9, 9, 9, 9].into()));
    scene.upnp.delete(Transport::Tcp, 7000).await;
    for asked in scene.gateway.asked() {
        assert_eq!(asked.header("Host"), Some(&*scene.gateway.address.to_string()));
    }
    let added = &scene.gateway.actions("AddPortMapping")[0];
    assert!(added.head.starts_with("POST /control HTTP/1.1\r\n"));
    assert_eq!(added.header("SOAPAction"), Some(&*format!("\"{IP}#AddPortMapping\"")));
    assert_eq!(added.argument("NewInternalClient"), added.from.to_string());
    assert_eq!((added.argument("NewInternalPort"), added.argument("NewProtocol")), ("6881", "TCP"));
    let deleted = &scene.gateway.actions("DeletePortMapping")[0];
    assert_eq!(deleted.argument("NewExternalPort"), "7000");
}

// N-20, N-27
#[tokio::test]
async fn a_gateway_of_permanent_mappings_is_asked_for_those_from_then_on() {
    let scene = Scene::new(|asked| match asked.number("NewLeaseDuration") {
        0 => done(asked, ""),
        _ => fault(725),
    });
    let mut scene = scene.await;
    for _ in 0..2 {
        let granted = scene.map(WISH).await.unwrap();
        assert_eq!((granted.external, granted.lifetime), (7000, None));
    }
    assert_eq!(scene.asked(), [(7000, 7_200), (7000, 0), (7000, 0)]);
}

// N-20
#[tokio::test]
async fn a_gateway_that_wants_an_end_after_all_gets_it() {
    let wants_an_end = Mutex::new(false);
    let scene = Scene::new(move |asked| {
        let has_end = asked.number("NewLeaseDuration") != 0;
        let mut wants_an_end = wants_an_end.lock().unwrap();
        match (has_end, *wants_an_end) {
            (true, false) => fault(725),
            (false, true) => fault(402),
            _ => {
                *wants_an_end = true;
                done(asked, "")
            }
        }
    });
    let mut scene = scene.await;
    assert_eq!(scene.map(WISH).await.unwrap().lifetime, None);
    assert!(scene.map(WISH).await.unwrap().lifetime.is_some());
    assert_eq!(scene.asked().last(), Some(&(7000, 7_200)));
    let mut neither = Scene::new(|_| fault(402)).await;
    assert!(matches!(neither.map(WISH).await, Err(MapError::Refused { .. })));
    assert_eq!(neither.asked(), [(7000, 7_200), (7000, 0)]);
}

// N-21, N-27
#[tokio::test]
async fn a_port_of_another_host_is_left_to_it_and_four_are_tried() {
    for code in [718, 501] {
        let mut scene = Scene::new(move |asked| match asked.number("NewExternalPort") {
            20_002 => done(asked, ""),
            _ => fault(code),
        })
        .await;
        assert_eq!(scene.map(WISH).await.unwrap().external, 20_002);
        let ports: Vec<_> = scene.asked().into_iter().map(|(port, _)| port).collect();
        assert_eq!(ports, [7000, 20_000, 20_001, 20_002]);
        let mut full = Scene::new(move |_| fault(code)).await;
        assert!(matches!(full.map(WISH).await, Err(MapError::Refused { .. })));
        assert_eq!(full.asked().len(), 4);
    }
}

// N-21
#[tokio::test]
async fn a_gateway_that_maps_all_ports_or_none_is_asked_for_port_0() {
    let mut scene = Scene::new(|asked| match asked.number("NewExternalPort") {
        0 => done(asked, ""),
        _ => fault(727),
    })
    .await;
    assert_eq!(scene.map(WISH).await.unwrap().external, 6881, "each port outside is that of ours");
    scene.map(WISH).await.unwrap();
    assert_eq!(scene.asked(), [(7000, 7_200), (0, 7_200), (0, 7_200)]);
    scene.upnp.delete(Transport::Tcp, 6881).await;
    assert_eq!(scene.gateway.actions("DeletePortMapping")[0].number("NewExternalPort"), 0);
}

// N-21
#[tokio::test]
async fn a_gateway_that_wants_the_same_port_is_asked_for_that() {
    let mut scene = Scene::new(|asked| match asked.number("NewExternalPort") {
        6881 => done(asked, ""),
        _ => fault(724),
    })
    .await;
    assert_eq!(scene.map(WISH).await.unwrap().external, 6881);
    assert_eq!(scene.asked(), [(7000, 7_200), (6881, 7_200)]);
    let mut never = Scene::new(|_| fault(724)).await;
    assert!(matches!(never.map(WISH).await, Err(MapError::Refused { .. })));
    assert_eq!(never.asked().len(), 2);
}

// N-22
#[tokio::test]
async fn a_gateway_that_forgot_a_mapping_has_it_again_with_the_renewal() {
    let mut scene = Scene::new(|asked| match asked.action() {
        // Deleted ones are not there: it has forgotten.
        "DeletePortMapping" => fault(714),
        _ => done(asked, ""),
    })
    .await;
    for _ in 0..2 {
        assert_eq!(scene.map(WISH).await.unwrap().external, 7000);
    }
    assert_eq!(scene.asked(), [(7000, 7_200); 2], "a renewal is a request like the first");
    scene.upnp.delete(Transport::Tcp, 7000).await;
}

// N-23
#[tokio::test]
async fn services_of_all_versions_are_used_by_their_own_names() {
    for kind in [
        "urn:schemas-upnp-org:service:WANIPConnection:2",
        "urn:schemas-upnp-org:service:WANPPPConnection:1",
        "urn:schemas-upnp-org:service:WANIPConnection:5",
    ] {
        let gateway = Server::gateway(GATEWAY, kind, |asked| done(asked, "")).await;
        let (search, _answers) = search(None, vec![(GATEWAY, gateway.found())]).await;
        Upnp::find(search).await.unwrap().map(&WISH, || 1).await.unwrap();
        let added = &gateway.actions("AddPortMapping")[0];
        assert_eq!(added.header("SOAPAction"), Some(&*format!("\"{kind}#AddPortMapping\"")));
        assert!(added.body.contains(&format!("<u:AddPortMapping xmlns:u=\"{kind}\">")));
    }
}

// N-24
#[tokio::test]
async fn a_bad_answer_does_not_end_the_search() {
    let nothing = Server::new(OTHER, |_| Vec::new()).await;
    let page = Server::new(OTHER, |_| ok("<html><p>Welcome</html>")).await;
    let missing = Server::new(OTHER, |_| http("404 Not Found", &description(IP, "/x"))).await;
    // Nobody accepts there, so that a request hangs.
    let hanging = std::net::TcpListener::bind((OTHER, 0)).unwrap();
    let hanging = located(&format!("http://{}/", hanging.local_addr().unwrap()));
    let closed = located("http://127.0.0.3:1/");
    let gateway = Server::gateway(GATEWAY, IP, |asked| done(asked, "")).await;
    let bad = ["", "nonsense", "HTTP/1.1 200 OK\r\n\r\n", &hanging, &closed];
    let mut answers: Vec<_> = bad.iter().map(|text| (OTHER, (*text).to_owned())).collect();
    answers.extend([&nothing, &page, &missing].map(|server| (OTHER, server.found())));
    answers.push((GATEWAY, gateway.found()));
    for default in [None, Some(GATEWAY)] {
        let (search, _answers) = search(default, answers.clone()).await;
        assert_eq!(place(&Upnp::find(search).await.unwrap()), IpAddr::V4(GATEWAY));
    }
    let (search, _answers) = search(None, answers[..answers.len() - 1].to_vec()).await;
    assert_eq!(Upnp::find(search).await.unwrap_err(), MapError::Silent);
}

// N-24
#[tokio::test]
async fn the_default_gateway_is_preferred_to_another_host_that_says_it_is_one() {
    let other = Server::gateway(OTHER, IP, |asked| done(asked, "")).await;
    let gateway = Server::gateway(GATEWAY, IP, |asked| done(asked, "")).await;
    let answers = vec![(OTHER, other.found()), (GATEWAY, gateway.found())];
    let (both, _answers) = search(Some(GATEWAY), answers.clone()).await;
    assert_eq!(place(&Upnp::find(both).await.unwrap()), IpAddr::V4(GATEWAY));
    let (alone, _answers) = search(Some(GATEWAY), answers[..1].to_vec()).await;
    assert_eq!(place(&Upnp::find(alone).await.unwrap()), IpAddr::V4(OTHER));
}

// N-25
#[tokio::test]
async fn nobody_is_asked_but_the_host_that_has_answered() {
    let trap = Server::new(OTHER, |_| ok(&description(IP, "/control"))).await;
    let ours = Server::new(LOCAL, |_| ok(&description(IP, "/control"))).await;
    let away = format!("http://{}/control", trap.address);
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {away}\r\nContent-Length: 0\r\n\r\n");
    let redirects = Server::new(GATEWAY, move |_| redirect.clone().into_bytes()).await;
    let elsewhere = Server::new(GATEWAY, move |_| ok(&description(IP, &away))).await;
    let port = ours.address.port();
    let answers = vec![
        (GATEWAY, trap.found()),
        (GATEWAY, ours.found()),
        (GATEWAY, located(&format!("http://localhost:{port}/"))),
        (GATEWAY, located(&format!("http://[::1]:{port}/"))),
        (GATEWAY, located(&format!("https://{}/", redirects.address))),
        // The sender of a datagram can be forged.
        (LOCAL, ours.found()),
        (GATEWAY, redirects.found()),
        (GATEWAY, elsewhere.found()),
    ];
    let (search, _answers) = search(None, answers).await;
    assert_eq!(Upnp::find(search).await.unwrap_err(), MapError::Silent);
    assert!(!redirects.asked().is_empty() && !elsewhere.asked().is_empty());
    assert!(trap.asked().is_empty() && ours.asked().is_empty());
}

// N-31
#[tokio::test]
async fn a_description_that_is_too_much_is_none() {
    let good = description(IP, "/control");
    let with = |more: &str| ok(&good.replace("<device>", &format!("{more}<device>")));
    find_described(with(" ")).await.unwrap();
    find_described(with(&" ".repeat(300 << 10))).await.unwrap_err();
    let endless = ["HTTP/1.1 200 OK\r\n\r\n", &good, &" ".repeat(8 << 20)].concat();
    find_described(endless.into_bytes()).await.unwrap_err();
    let headers = "X: y\r\n".repeat(1_000);
    let many = format!("HTTP/1.1 200 OK\r\n{headers}\r\n{good}");
    find_described(many.into_bytes()).await.unwrap_err();
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n{good}", "y".repeat(1 << 20));
    find_described(long.into_bytes()).await.unwrap_err();
    let deep = ["<a>".repeat(10_000), "</a>".repeat(10_000)].concat();
    find_described(with(&deep)).await.unwrap_err();
    let entities =
        format!("<!DOCTYPE root [<!ENTITY k '{IP}'>]>{}", description("&k;", "/control"));
    find_described(ok(&entities)).await.unwrap_err();
}

#[tokio::test]
async fn a_service_that_is_not_connected_is_left_for_one_that_is() {
    let two = description(IP, "/down").replace(
        "<serviceList>",
        &format!(
            "<serviceList><service><serviceType>{IP}</serviceType><controlURL>/off</controlURL>\
             </service>"
        ),
    );
    let gateway = Server::new(GATEWAY, move |asked| match asked.action() {
        "" => ok(&two),
        _ if asked.head.starts_with("POST /off") => {
            done(asked, "<NewExternalIPAddress>0.0.0.0</NewExternalIPAddress>")
        }
        _ => done(asked, "<NewExternalIPAddress>9.9.9.9</NewExternalIPAddress>"),
    })
    .await;
    let (search, _answers) = search(None, vec![(GATEWAY, gateway.found())]).await;
    assert_eq!(Upnp::find(search).await.unwrap().service.control.path, "/down");
}
