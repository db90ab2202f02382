//! Messages of PCP (RFC 6887) and NAT-PMP (RFC 6886). What a gateway sends is checked before it is believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::{MapError, Transport};

/// The port of gateways for both protocols.
pub(crate) const PORT: u16 = 5351;

/// Bytes of a message of PCP at most (RFC 6887, section 7).
pub(crate) const MAX_LENGTH: usize = 1_100;

/// A number that nobody can guess and that stays the same for a mapping (RFC 6887, section 11.1).
pub(crate) type Nonce = [u8; 12];

/// A mapping that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) transport: Transport,
    /// The port of our listener.
    pub(crate) internal: u16,
    /// The port that we should like to have outside.
    pub(crate) external: u16,
    /// Seconds; zero to delete the mapping.
    pub(crate) lifetime: u32,
}

/// A mapping as the gateway has made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) external: u16,
    /// `None` for one that stays until it is deleted.
    pub(crate) lifetime: Option<Duration>,
    pub(crate) address: Option<IpAddr>,
    /// Seconds since the gateway began to remember mappings.
    pub(crate) epoch: Option<u32>,
}

/// The answer to one request; `None` for a datagram that answers another one, or nothing.
pub(crate) type Answer<T> = Option<Result<T, MapError>>;

/// A request of PCP for a mapping: `MAP`, of RFC 6887, section 11.1. `client` is the address of the socket.
pub(crate) fn pcp_request(wish: &Wish, client: IpAddr, nonce: &Nonce) -> Vec<u8> {
    let mut out = vec![2, 1, 0, 0];
    out.extend(wish.lifetime.to_be_bytes());
    out.extend(mapped(client).octets());
    out.extend(nonce);
    out.extend([pcp_protocol(wish.transport), 0, 0, 0]);
    out.extend(wish.internal.to_be_bytes());
    out.extend(wish.external.to_be_bytes());
    // No address is preferred.
    out.extend(mapped(Ipv4Addr::UNSPECIFIED.into()).octets());
    out
}

/// Reads the answer to such a request (RFC 6887, sections 7.2, 8.3 and 11.1).
pub(crate) fn pcp_answer(wish: &Wish, nonce: &Nonce, bytes: &[u8]) -> Answer<Granted> {
    // N-11: a gateway with NAT-PMP alone answers by its own rules.
    if bytes.first() == Some(&0) && bytes.len() >= 4 {
        return Some(Err(MapError::Unsupported));
    }
    let is_whole = bytes.len() >= 24 && bytes.len() <= MAX_LENGTH && bytes.len().is_multiple_of(4);
    if !is_whole || bytes[1] != 0x81 {
        return None;
    }
    let (code, lifetime, epoch) = (bytes[3], number(bytes, 4)?, number(bytes, 8)?);
    if bytes[0] != 2 {
        return Some(Err(MapError::Unsupported));
    }
    // Errors have the request in them as well, as far as the gateway understood it.
    let is_ours = bytes.len() >= 60
        && bytes[24..36] == *nonce
        && bytes[36] == pcp_protocol(wish.transport)
        && port(bytes, 40) == Some(wish.internal);
    match code {
        0 if is_ours => {}
        // UNSUPP_VERSION and UNSUPP_OPCODE.
        1 | 4 => return Some(Err(MapError::Unsupported)),
        0 => return None,
        _ if !is_ours && bytes.len() >= 60 => return None,
        _ => {
            // N-16
            let retry_after = Duration::from_secs(lifetime.into());
            return Some(Err(MapError::Refused { why: pcp_error(code), retry_after }));
        }
    }
    let external = port(bytes, 42)?;
    if external == 0 && wish.lifetime != 0 {
        return None;
    }
    let address: [u8; 16] = bytes[44..60].try_into().ok()?;
    let address = Ipv6Addr::from(address).to_canonical();
    Some(Ok(Granted {
        external,
        lifetime: Some(Duration::from_secs(lifetime.into())),
        address: Some(address).filter(|address| !address.is_unspecified()),
        epoch: Some(epoch),
    }))
}

/// A request of NAT-PMP for a mapping (RFC 6886, section 3.3).
pub(crate) fn natpmp_request(wish: &Wish) -> Vec<u8> {
    // N-07
    let external = if wish.lifetime == 0 { 0 } else { wish.external };
    let mut out = vec![0, natpmp_operation(wish.transport), 0, 0];
    out.extend(wish.internal.to_be_bytes());
    out.extend(external.to_be_bytes());
    out.extend(wish.lifetime.to_be_bytes());
    out
}

/// Reads the answer to such a request (RFC 6886, sections 3.3 and 3.5).
pub(crate) fn natpmp_answer(wish: &Wish, bytes: &[u8]) -> Answer<Granted> {
    let epoch = match natpmp_start(bytes, natpmp_operation(wish.transport))? {
        Ok(epoch) => epoch,
        Err(error) => return Some(Err(error)),
    };
    // N-04
    if bytes.len() < 16 || port(bytes, 8)? != wish.internal {
        return None;
    }
    let (external, lifetime) = (port(bytes, 10)?, number(bytes, 12)?);
    if (external == 0 || lifetime == 0) && wish.lifetime != 0 {
        return None;
    }
    let lifetime = Some(Duration::from_secs(lifetime.into()));
    Some(Ok(Granted { external, lifetime, address: None, epoch: Some(epoch) }))
}

/// A request of NAT-PMP for our address outside (RFC 6886, section 3.2).
pub(crate) const NATPMP_ADDRESS: [u8; 2] = [0, 0];

/// Reads the answer to it.
pub(crate) fn natpmp_address(bytes: &[u8]) -> Answer<Ipv4Addr> {
    match natpmp_start(bytes, 0)? {
        Ok(_) if bytes.len() >= 12 => number(bytes, 8).map(|bits| Ok(Ipv4Addr::from(bits))),
        // N-08
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }
}

/// An announcement of a gateway to all hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// Seconds since the gateway began to remember mappings.
    pub(crate) epoch: u32,
    /// The address outside. PCP does not say it.
    pub(crate) address: Option<Ipv4Addr>,
}

/// Reads an announcement of either protocol (RFC 6886, section 3.2.1; RFC 6887, section 14.1.2).
pub(crate) fn announcement(bytes: &[u8]) -> Option<Announcement> {
    if bytes.first() == Some(&0) {
        let epoch = natpmp_start(bytes, 0)?.ok()?;
        let address = natpmp_address(bytes)?.ok()?;
        return Some(Announcement { epoch, address: Some(address) });
    }
    let is_whole = bytes.len() >= 24 && bytes.len() <= MAX_LENGTH && bytes.len().is_multiple_of(4);
    let is_announcement = is_whole && bytes[..2] == [2, 0x80] && bytes[3] == 0;
    is_announcement.then(|| Some(Announcement { epoch: number(bytes, 8)?, address: None }))?
}

/// Reads what all answers of NAT-PMP begin with, and returns the epoch.
fn natpmp_start(bytes: &[u8], operation: u8) -> Answer<u32> {
    if bytes.len() < 8 || bytes[1] != 128 + operation {
        return None;
    }
    let code = port(bytes, 2)?;
    match code {
        // N-11: some answer a version that they do not speak with their own.
        _ if bytes[0] != 0 => Some(Err(MapError::Unsupported)),
        0 => Some(Ok(number(bytes, 4)?)),
        1 | 5 => Some(Err(MapError::Unsupported)),
        // N-08: those that are not known are errors as well.
        _ => Some(Err(MapError::Refused { why: natpmp_error(code), retry_after: Duration::ZERO })),
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn pcp_protocol(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

fn natpmp_operation(transport: Transport) -> u8 {
    match transport {
        Transport::Udp => 1,
        Transport::Tcp => 2,
    }
}

fn pcp_error(code: u8) -> &'static str {
    match code {
        2 => "it is not allowed",
        7 => "the network of the gateway is down",
        8 => "the gateway has no room",
        9 => "the gateway cannot map this protocol",
        10 => "we have too many mappings",
        11 => "the port cannot be had",
        12 => "there is another gateway between",
        _ => "the gateway refuses",
    }
}

fn natpmp_error(code: u16) -> &'static str {
    match code {
        2 => "it is not allowed",
        3 => "the network of the gateway is down",
        4 => "the gateway has no room",
        _ => "the gateway refuses",
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn port(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WISH: Wish =
        Wish { transport: Transport::Tcp, internal: 6881, external: 6881, lifetime: 7_200 };
    const NONCE: Nonce = [7; 12];

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(byte).collect()
    }

    /// An answer of PCP to the wish, with this code, lifetime, and port outside.
    fn pcp(code: u8, lifetime: u32, external: u16) -> Vec<u8> {
        let mut out = pcp_request(&WISH, [10, 0, 0, 2].into(), &NONCE);
        (out[1], out[3]) = (0x81, code);
        out[4..8].copy_from_slice(&lifetime.to_be_bytes());
        out[8..24].fill(0);
        out[11] = 9;
        out[42..44].copy_from_slice(&external.to_be_bytes());
        out[44..60].copy_from_slice(&mapped([1, 2, 3, 4].into()).octets());
        out
    }

    // N-12, N-13, N-14: RFC 6887, sections 7.1 and 11.1.
    #[test]
    fn a_request_of_pcp_names_the_client_and_has_60_bytes() {
        let request = pcp_request(&WISH, [10, 0, 0, 2].into(), &NONCE);
        let due = hex("02 01 0000 00001c20 00000000000000000000ffff0a000002
            070707070707070707070707 06 000000 1ae1 1ae1 00000000000000000000ffff00000000");
        assert_eq!(request, due);
    }

    // N-12, N-14
    #[test]
    fn an_answer_of_pcp_is_that_to_our_request() {
        let granted = Granted {
            external: 7_000,
            lifetime: Some(Duration::from_secs(60)),
            address: Some([1, 2, 3, 4].into()),
            epoch: Some(9),
        };
        let good = pcp(0, 60, 7_000);
        assert_eq!(pcp_answer(&WISH, &NONCE, &good), Some(Ok(granted)));
        assert_eq!(pcp_answer(&WISH, &[8; 12], &good), None, "another's nonce");
        assert_eq!(pcp_answer(&Wish { internal: 1, ..WISH }, &NONCE, &good), None);
        assert_eq!(pcp_answer(&Wish { transport: Transport::Udp, ..WISH }, &NONCE, &good), None);
        assert_eq!(pcp_answer(&WISH, &NONCE, &good[..59]), None, "no multiple of four");
        assert_eq!(pcp_answer(&WISH, &NONCE, &pcp(0, 60, 0)), None, "port 0");
        let long = [&good[..], &[0; 1_044]].concat();
        assert_eq!(pcp_answer(&WISH, &NONCE, &long), None, "more than 1,100 bytes");
    }

    // N-16
    #[test]
    fn an_error_of_pcp_has_a_time_in_which_nobody_asks_again() {
        let refused = pcp_answer(&WISH, &NONCE, &pcp(2, 1_800, 0));
        let retry_after = Duration::from_secs(1_800);
        let due = MapError::Refused { why: "it is not allowed", retry_after };
        assert_eq!(refused, Some(Err(due)));
        assert_eq!(pcp_answer(&WISH, &[8; 12], &pcp(2, 1_800, 0)), None);
    }

    // N-11
    #[test]
    fn a_gateway_with_natpmp_alone_says_so() {
        let answer = hex("00 81 0001 00000009");
        assert_eq!(pcp_answer(&WISH, &NONCE, &answer), Some(Err(MapError::Unsupported)));
        assert_eq!(pcp_answer(&WISH, &NONCE, &pcp(1, 0, 0)), Some(Err(MapError::Unsupported)));
    }

    // N-04, N-05, N-07: RFC 6886, section 3.3.
    #[test]
    fn natpmp_maps_and_deletes() {
        assert_eq!(natpmp_request(&WISH), hex("00 02 0000 1ae1 1ae1 00001c20"));
        let delete = Wish { lifetime: 0, transport: Transport::Udp, ..WISH };
        assert_eq!(natpmp_request(&delete), hex("00 01 0000 1ae1 0000 00000000"));
        let answer = hex("00 82 0000 00000009 1ae1 1b58 00000e10");
        let (lifetime, epoch) = (Some(Duration::from_secs(3_600)), Some(9));
        let granted = Granted { external: 7_000, lifetime, address: None, epoch };
        assert_eq!(natpmp_answer(&WISH, &answer), Some(Ok(granted)));
        assert_eq!(natpmp_answer(&Wish { internal: 1, ..WISH }, &answer), None);
        assert_eq!(natpmp_answer(&delete, &answer), None, "it is about TCP");
        assert_eq!(natpmp_answer(&WISH, &hex("00 82 0000 00000009 1ae1 1b58 00000000")), None);
        let deleted = hex("00 81 0000 00000009 1ae1 0000 00000000");
        assert!(matches!(natpmp_answer(&delete, &deleted), Some(Ok(_))));
    }

    // N-10: RFC 6886, section 3.2.1; RFC 6887, section 14.1.2.
    #[test]
    fn announcements_of_both_protocols_are_read() {
        let natpmp = announcement(&hex("00 80 0000 00000009 01020304"));
        assert_eq!(natpmp, Some(Announcement { epoch: 9, address: Some([1, 2, 3, 4].into()) }));
        let mut pcp = hex("02 80 0000 00000000 00000009 000000000000000000000000");
        assert_eq!(announcement(&pcp), Some(Announcement { epoch: 9, address: None }));
        pcp[3] = 1;
        assert_eq!(announcement(&pcp), None, "an error");
        for other in ["00 80 0001 00000009 01020304", "00 81 0000 00000009 01020304", "02 80", ""] {
            assert_eq!(announcement(&hex(other)), None, "{other}");
        }
    }

    // N-08
    #[test]
    fn results_that_are_not_known_are_errors_and_the_address_counts_only_without_one() {
        let refused = natpmp_answer(&WISH, &hex("00 82 00ff 00000009 1ae1 1b58 00000e10"));
        assert!(matches!(refused, Some(Err(MapError::Refused { .. }))), "{refused:?}");
        let address = natpmp_address(&hex("00 80 0000 00000009 01020304"));
        assert_eq!(address, Some(Ok([1, 2, 3, 4].into())));
        let refused = natpmp_address(&hex("00 80 0003 00000009 01020304"));
        assert!(matches!(refused, Some(Err(MapError::Refused { .. }))), "{refused:?}");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..80),
            start in prop::sample::select(vec![[2, 0x81], [0, 0x82], [0, 0x80]]),
        ) {
            for _ in 0..2 {
                let _ = pcp_answer(&WISH, &NONCE, &bytes);
                let _ = natpmp_answer(&WISH, &bytes);
                let _ = natpmp_address(&bytes);
                let _ = announcement(&bytes);
                bytes.splice(0..bytes.len().min(2), start);
            }
        }
    }
}
