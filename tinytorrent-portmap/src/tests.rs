//! The protocols of UDP with gateways that behave, and with those that do not.

use std::time::Duration;

use tokio::net::UdpSocket;

use super::fake::udp::{Gateway, is_pcp, natpmp, pcp};
use super::messages::{Granted, Wish};
use crate::router::Router;
use crate::{MapError, MappingProtocol, PortMapping, Transport};

const WISH: Wish =
    Wish { transport: Transport::Tcp, internal: 6881, external: 6881, lifetime: 7_200 };

async fn find(gateway: &Gateway) -> Result<(Router, Granted), MapError> {
    Router::find_by_udp(gateway.address, rand::random(), &WISH).await
}

// N-05, N-07, N-12
#[tokio::test]
async fn pcp_maps_renews_and_deletes_with_one_nonce() {
    let mut gateway = Gateway::new(|request| vec![pcp(request, 0, 600, 7_000)]).await;
    let (mut router, granted) = find(&gateway).await.unwrap();
    assert_eq!(router.protocol(), MappingProtocol::Pcp);
    assert_eq!((granted.external, granted.address), (7_000, Some([9, 9, 9, 9].into())));
    assert_eq!(granted.lifetime, Some(Duration::from_secs(600)));
    router.map(&Wish { external: granted.external, ..WISH }).await.unwrap();
    let udp = Wish { transport: Transport::Udp, ..WISH };
    router.map(&udp).await.unwrap();
    router.delete(Transport::Tcp, WISH.internal, granted.external).await;
    let requests = gateway.requests();
    let nonces: Vec<_> = requests.iter().map(|request| &request[24..36]).collect();
    assert!(nonces[0] == nonces[1] && nonces[0] == nonces[3] && nonces[0] != nonces[2]);
    assert_eq!(requests[1][42..44], 7_000_u16.to_be_bytes(), "the port of before");
    assert_eq!(requests[3][4..8], [0; 4]);
}

// N-04, N-12
#[tokio::test]
async fn answers_to_others_are_no_answers() {
    let gateway = Gateway::new(|request| {
        let good = pcp(request, 0, 600, 7_000);
        let (mut nonce, mut port, mut protocol) = (good.clone(), good.clone(), good.clone());
        nonce[30] ^= 1;
        port[41] ^= 1;
        protocol[36] ^= 1;
        let short = good[..40].to_vec();
        vec![vec![], vec![0xff; 1_400], short, nonce, port, protocol, request.to_vec(), good]
    });
    let (router, granted) = find(&gateway.await).await.unwrap();
    assert_eq!((router.protocol(), granted.external), (MappingProtocol::Pcp, 7_000));
}

// N-05, N-07, N-11, N-30
#[tokio::test]
async fn a_gateway_without_pcp_is_asked_by_natpmp_at_once() {
    let mut gateway = Gateway::new(|request| match is_pcp(request) {
        true => vec![vec![0, 0x81, 0, 1, 0, 0, 0, 7]],
        false => vec![vec![0, 0x80 + 9, 0, 0], natpmp(request, 0, 7_000)],
    })
    .await;
    let (router, granted) = find(&gateway).await.unwrap();
    assert_eq!((router.protocol(), granted.external), (MappingProtocol::NatPmp, 7_000));
    let mapping = PortMapping {
        transport: Transport::Tcp,
        internal_port: 6881,
        external_port: Some(7_000),
        external_address: granted.address,
        protocol: Some(router.protocol()),
        failure: None,
    };
    assert!(mapping.is_behind_another_nat(), "{mapping:?}");
    router.delete(Transport::Tcp, WISH.internal, granted.external).await;
    let requests = gateway.requests();
    assert_eq!(requests.iter().filter(|request| is_pcp(request)).count(), 1);
    assert_eq!(requests.last().unwrap()[6..], [0; 6], "no port and no life");
}

// N-11
#[tokio::test]
async fn a_gateway_that_does_not_answer_pcp_is_asked_by_natpmp() {
    let answers =
        |request: &[u8]| if is_pcp(request) { vec![] } else { vec![natpmp(request, 0, 8)] };
    let (router, granted) = find(&Gateway::new(answers).await).await.unwrap();
    assert_eq!((router.protocol(), granted.external), (MappingProtocol::NatPmp, 8));
}

// N-08, N-16
#[tokio::test]
async fn a_gateway_that_refuses_says_for_how_long() {
    let gateway = Gateway::new(|request| vec![pcp(request, 8, 900, 0)]).await;
    let MapError::Refused { why, retry_after } = find(&gateway).await.unwrap_err() else {
        panic!("it refuses")
    };
    assert_eq!((why, retry_after), ("the gateway has no room", Duration::from_secs(900)));
}

// N-02
#[tokio::test]
async fn a_gateway_at_which_nobody_listens_is_given_up_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = Router::find_by_udp(closed, rand::random(), &WISH).await.unwrap_err();
    assert_eq!(error, MapError::System(std::io::ErrorKind::ConnectionRefused));
}

// N-03
#[tokio::test]
async fn answers_of_other_hosts_are_not_heard() {
    let gateway = Gateway::new(|request| match is_pcp(request) {
        true => vec![],
        false => vec![natpmp(request, 0, 7_000)],
    })
    .await;
    let socket = crate::exchange::connect(gateway.address).await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let forged = natpmp(&super::messages::natpmp_request(&WISH), 0, 666);
    stranger.send_to(&forged, socket.local_addr().unwrap()).await.unwrap();
    let read = |bytes: &[u8]| crate::messages::natpmp_answer(&WISH, bytes);
    let request = crate::messages::natpmp_request(&WISH);
    let waits = crate::exchange::natpmp_waits(9);
    let granted = crate::exchange::ask(&socket, &request, waits, read).await.unwrap();
    assert_eq!(granted.external, 7_000);
}
