#![expect(deprecated, reason = "the successors of `SipHasher` take no key")]

use std::hash::{Hash, Hasher, SipHasher};
use std::net::IpAddr;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Connection ids that are computed, not stored (BEP 15, "UDP connections / spoofing"): the low 16
/// bits are the second of issue, the high 48 bits a keyed hash of that second and the address.
///
/// An attacker who cannot read the replies has to guess 48 bits within two minutes. At a million
/// datagrams a second that succeeds once in nine years. The hash is SipHash with keys from a seed,
/// which is designed for this use.
///
/// ```
/// # use std::time::Instant;
/// use tinytorrent_tracker::server::ConnectionIds;
///
/// let (now, client) = (Instant::now(), "192.0.2.1".parse()?);
/// // A seed that nobody can guess, such as one from the operating system.
/// let ids = ConnectionIds::new(0x0123_4567_89ab_cdef, now);
/// let id = ids.issue(now, client);
/// assert!(ids.is_valid(now, client, id));
/// assert!(!ids.is_valid(now, "192.0.2.2".parse()?, id));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct ConnectionIds {
    key: Key,
    begun: Instant,
}

impl ConnectionIds {
    /// Ids with keys from a random seed. Trackers with the same seed and start accept each other's.
    pub fn new(seed: u64, now: Instant) -> Self {
        Self { key: Key::new(seed), begun: now }
    }

    /// The id to send in a connect reply to this address.
    pub fn issue(&self, now: Instant, ip: IpAddr) -> u64 {
        self.at(self.second(now), ip)
    }

    /// True if the id was issued to this address within the last two minutes.
    pub fn is_valid(&self, now: Instant, ip: IpAddr, id: u64) -> bool {
        let now = self.second(now);
        // The low bits wrap every 18 hours, and the hash covers the full number of the second.
        let age = now.wrapping_sub(id) & SECOND_MASK;
        age <= LIFE_SECONDS && age <= now && self.at(now - age, ip) == id
    }

    fn at(&self, second: u64, ip: IpAddr) -> u64 {
        self.key.hash(&(second, ip.to_canonical())) & !SECOND_MASK | second & SECOND_MASK
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs()
    }
}

/// The key of a hash that nobody else can compute.
pub(super) struct Key([u64; 2]);

impl Key {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self([rng.next_u64(), rng.next_u64()])
    }

    pub(super) fn hash(&self, value: &impl Hash) -> u64 {
        let mut hasher = SipHasher::new_with_keys(self.0[0], self.0[1]);
        value.hash(&mut hasher);
        hasher.finish()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

const SECOND_MASK: u64 = 0xffff;

/// BEP 15: "trackers should accept the connection ID until two minutes after it has been send".
const LIFE_SECONDS: u64 = 120;

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use std::time::Duration;

    use super::*;

    /// U-04, BEP 15 "UDP connections / spoofing"
    #[test]
    fn an_id_is_good_for_two_minutes_and_for_its_address_only() {
        let begun = Instant::now();
        let ids = ConnectionIds::new(7, begun);
        let at = |seconds| begun + Duration::from_secs(seconds);
        let (ip, other): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for issued in [0, 1, 65_535, 65_536, 1_000_000] {
            let id = ids.issue(at(issued), ip);
            assert!(ids.is_valid(at(issued), ip, id));
            assert!(ids.is_valid(at(issued + 120), ip, id));
            assert!(!ids.is_valid(at(issued + 121), ip, id));
            assert!(!ids.is_valid(at(issued + 65_536), ip, id));
            assert!(!ids.is_valid(at(issued), other, id));
            assert!(!ids.is_valid(at(issued), ip, id ^ 1 << 40));
            assert!(!ConnectionIds::new(8, begun).is_valid(at(issued), ip, id));
        }
        assert!(!ids.is_valid(at(5), ip, 0));
    }

    #[test]
    fn a_mapped_address_is_the_same_address() {
        let now = Instant::now();
        let ids = ConnectionIds::new(7, now);
        let id = ids.issue(now, "::ffff:192.0.2.1".parse().unwrap());
        assert!(ids.is_valid(now, "192.0.2.1".parse().unwrap(), id));
    }
}
