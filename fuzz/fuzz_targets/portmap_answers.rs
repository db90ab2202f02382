//! Answers of gateways by PCP, NAT-PMP and UPnP: no panic and no memory, what is granted is that to our request, and no
//! answer leads to another host than the gateway.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_portmap::fuzzing::{announcement, grants, place, reply, services};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const NONCE: [u8; 12] = [7; 12];

fuzz_target!(|bytes: &[u8]| {
    let [pcp, natpmp] = within(bytes.len(), 0, 0, || grants(6881, &NONCE, bytes));
    if let Some((external, life)) = pcp {
        assert!(external != 0 && life.is_some() && bytes.len() <= 1_100);
        assert_eq!((&bytes[24..36], &bytes[40..42]), (&NONCE[..], &6881_u16.to_be_bytes()[..]));
        assert_eq!(grants(6881, &[8; 12], bytes)[0], None);
        assert_eq!(grants(6882, &NONCE, bytes)[0], None);
    }
    if let Some((external, life)) = natpmp {
        assert!(external != 0 && life.is_some_and(|life| !life.is_zero()));
        assert_eq!(grants(6882, &NONCE, bytes)[1], None);
    }
    assert!(pcp.is_none() || natpmp.is_none());
    if announcement(bytes).is_some() {
        assert!(pcp.is_none() && natpmp.is_none(), "an announcement answers nobody");
    }

    let leads_home = |(address, path): (std::net::SocketAddr, &str)| {
        assert!(address.ip() == IpAddr::V4(GATEWAY) && address.port() != 0);
        assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()));
    };
    if let Some((address, path)) = within(bytes.len(), 16, 4 << 10, || place(bytes, GATEWAY)) {
        leads_home((address, &path));
    }
    // Eight services, each with a URL of two kibibytes whose letters are escaped, and 32 open elements.
    let found = within(bytes.len(), 8, 512 << 10, || services(bytes, GATEWAY));
    assert!(found.len() <= 8);
    for (kind, address, path, request) in found {
        leads_home((address, &path));
        assert!(kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-".contains(&byte)));
        assert_eq!(request.matches("GetExternalIPAddress").count(), 2);
        assert_eq!(reply(request.as_bytes()), None, "a request is no answer");
    }
    if let Some(Ok(Some(address))) = within(bytes.len(), 8, 256 << 10, || reply(bytes)) {
        assert!(!address.is_unspecified());
    }
});
