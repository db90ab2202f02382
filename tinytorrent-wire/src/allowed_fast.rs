use std::net::{IpAddr, Ipv4Addr};

use tinytorrent_types::WireInfoHash;

/// The pieces that a peer at this address may download while choked (BEP 6, "Allowed Fast Set
/// Generation").
///
/// Every sender computes the same set, so a peer gains nothing by asking more senders. `count` is *k*
/// of BEP 6, 10 by custom. A torrent with no more pieces than that gives them all. `sha1` is an
/// argument because nothing else in this crate needs SHA-1. BEP 6 defines no set for IPv6, so the
/// result is empty there; a mapped IPv4 address has the set of its IPv4 address.
///
/// ```
/// # fn sha1(bytes: &[u8]) -> [u8; 20] {
/// #     let mut sum = [0; 20];
/// #     bytes.iter().enumerate().for_each(|(at, b)| sum[at % 20] = b.wrapping_mul(31) ^ at as u8);
/// #     sum
/// # }
/// use tinytorrent_types::WireInfoHash;
/// use tinytorrent_wire::allowed_fast_set;
///
/// let hash = WireInfoHash::from_bytes([0xaa; 20]);
/// let set = allowed_fast_set("80.4.4.200".parse()?, hash, 1313, 10, sha1);
/// assert_eq!(set.len(), 10);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn allowed_fast_set(
    peer: IpAddr,
    info_hash: WireInfoHash,
    piece_count: u32,
    count: u32,
    sha1: impl Fn(&[u8]) -> [u8; 20],
) -> Vec<u32> {
    let IpAddr::V4(address) = peer.to_canonical() else { return Vec::new() };
    if count >= piece_count {
        // The chain of hashes would find the last of them only after very many rounds.
        return (0..piece_count).collect();
    }
    let mut set = Vec::with_capacity(count as usize);
    let mut hash = sha1(&seed(address, info_hash));
    // Each round gives five numbers. A set much smaller than the torrent is complete after a few
    // rounds. The bound is for a set nearly as large as the torrent, whose last numbers come late.
    for _ in 0..MAX_ROUNDS {
        for word in hash.chunks_exact(4) {
            let index = word.iter().fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte));
            // Not by zero, as `count` is below `piece_count` here.
            let index = index % piece_count;
            if set.len() < count as usize && !set.contains(&index) {
                set.push(index);
            }
        }
        if set.len() == count as usize {
            break;
        }
        hash = sha1(&hash);
    }
    set
}

/// The bytes that the chain of hashes begins with: the /24 of the address, so that the addresses of
/// one network share a set, and the info-hash.
fn seed(address: Ipv4Addr, info_hash: WireInfoHash) -> [u8; 24] {
    let mut seed = [0; 24];
    // The fourth byte stays zero: BEP 6 masks the address with 0xFFFFFF00.
    seed[..3].copy_from_slice(&address.octets()[..3]);
    seed[4..].copy_from_slice(info_hash.as_bytes());
    seed
}

/// Rounds at most, which give 5,000 numbers. Any real hash function finds the set within them.
const MAX_ROUNDS: u32 = 1000;

#[cfg(test)]
mod tests {
    use sha1::{Digest, Sha1};

    use super::*;

    fn set(address: &str, piece_count: u32, count: u32) -> Vec<u32> {
        let hash = WireInfoHash::from_bytes([0xaa; 20]);
        let sha1 = |bytes: &[u8]| Sha1::digest(bytes).into();
        allowed_fast_set(address.parse().unwrap(), hash, piece_count, count, sha1)
    }

    /// W-43: the vectors in the text of BEP 6.
    #[test]
    fn allowed_fast_set_is_the_one_of_bep_6() {
        let seven = [1059, 431, 808, 1217, 287, 376, 1188];
        assert_eq!(set("80.4.4.200", 1313, 7), seven);
        let nine = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508];
        assert_eq!(set("80.4.4.200", 1313, 9), nine);
    }

    /// W-43, BEP 6, step 1.
    #[test]
    fn one_network_has_one_set() {
        assert_eq!(set("80.4.4.1", 1313, 9), set("80.4.4.200", 1313, 9));
        assert_eq!(set("::ffff:80.4.4.1", 1313, 9), set("80.4.4.200", 1313, 9));
        assert_ne!(set("80.4.5.200", 1313, 9), set("80.4.4.200", 1313, 9));
    }

    /// W-43, BEP 6: "we currently have no provisions for IPv6".
    #[test]
    fn ipv6_has_no_set() {
        assert_eq!(set("2001:db8::1", 1313, 9), []);
    }

    #[test]
    fn a_small_torrent_is_given_whole() {
        assert_eq!(set("80.4.4.200", 3, 10), [0, 1, 2]);
        assert_eq!(set("80.4.4.200", 0, 10), []);
        assert_eq!(set("80.4.4.200", 11, 10).len(), 10);
    }
}
