use std::net::{IpAddr, SocketAddr};

/// The priority of a connection between two addresses: the same at both ends, and nothing that anybody
/// could choose for many addresses (BEP 40). Higher ones come first.
///
/// `None` for addresses of different families.
pub(crate) fn priority(own: SocketAddr, peer: SocketAddr) -> Option<u32> {
    if own.ip() == peer.ip() {
        let mut ports = [own.port().to_be_bytes(), peer.port().to_be_bytes()];
        ports.sort_unstable();
        return Some(crc32c(ports.as_flattened()));
    }
    match (own.ip(), peer.ip()) {
        (IpAddr::V4(own), IpAddr::V4(peer)) => Some(of_octets(own.octets(), peer.octets(), 2)),
        (IpAddr::V6(own), IpAddr::V6(peer)) => Some(of_octets(own.octets(), peer.octets(), 6)),
        _ => None,
    }
}

/// Of the octets, `whole` count in full at least, and one more than those that both share.
fn of_octets<const N: usize>(own: [u8; N], peer: [u8; N], whole: usize) -> u32 {
    let shared = own.iter().zip(&peer).take_while(|(a, b)| a == b).count();
    let whole = if shared < whole { whole } else { shared + 1 };
    let mask = |octets: [u8; N]| {
        let mut at = 0..;
        octets.map(|octet| if at.next() < Some(whole) { octet } else { octet & 0x55 })
    };
    let mut masked = [mask(own), mask(peer)];
    masked.sort_unstable();
    crc32c(masked.as_flattened())
}

/// CRC-32C (RFC 3720, appendix B.4), bit by bit: it is computed once for each address that is heard of.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            // The polynomial, reflected.
            crc = crc >> 1 ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: &str, peer: &str) -> Option<u32> {
        priority(own.parse().unwrap(), peer.parse().unwrap())
    }

    /// RFC 3720, appendix B.4.
    #[test]
    fn crc_is_castagnolis() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// BEP 40, "Examples".
    #[test]
    fn priorities_are_those_of_the_bep() {
        let client = "123.213.32.10:6881";
        assert_eq!(of(client, "98.76.54.32:1"), Some(0xec2d_7224));
        assert_eq!(of(client, "123.213.32.234:1"), Some(0x9956_8189));
    }

    #[test]
    fn both_ends_come_to_the_same_priority() {
        for (a, b) in [
            ("123.213.32.10:1", "98.76.54.32:2"),
            ("10.0.0.1:1", "10.0.0.1:2"),
            ("[2001:db8::1]:1", "[2001:db8:0:1::1]:2"),
        ] {
            assert_eq!(of(a, b), of(b, a));
        }
        assert_ne!(of("10.0.0.1:1", "10.0.0.1:2"), of("10.0.0.1:1", "10.0.0.1:3"));
        assert_eq!(of("10.0.0.1:1", "[2001:db8::1]:2"), None);
    }

    #[test]
    fn ipv6_counts_one_octet_more_than_is_shared() {
        // The last octets differ in bits that the mask takes out, until the rest is shared.
        let far = |last| of("[2001:db8::1]:1", &format!("[2001:db8:9::{last}]:1"));
        assert_eq!(far("aa"), far("20"));
        let near = |last| of("[2001:db8::1]:1", &format!("[2001:db8::{last}]:1"));
        assert_ne!(near("aa"), near("20"));
    }
}
