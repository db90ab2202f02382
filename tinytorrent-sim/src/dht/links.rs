use std::net::IpAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The links of a world: how long a datagram is on its way, and whether it arrives.
///
/// Each two hosts have a round trip of their own, which is drawn once from a log-normal distribution and stays. A
/// datagram takes half of it, give or take a tenth.
///
/// # Defaults
/// - A median of 120 ms. One in ten takes more than 260 ms, and one in a hundred more than 485 ms.
/// - No datagram is lost.
#[derive(Debug, Clone)]
pub struct Links {
    /// The median of the round trips.
    pub median: Duration,
    /// The standard deviation of the logarithm of the round trips. Zero makes all alike.
    pub spread: f64,
    /// The share of datagrams that are lost, 0 to 1.
    pub loss: f64,
}

impl Default for Links {
    fn default() -> Self {
        Self { median: Duration::from_millis(120), spread: 0.6, loss: 0.0 }
    }
}

/// No round trip is longer.
const LONGEST: Duration = Duration::from_secs(5);

impl Links {
    /// The round trip between two hosts of the world with this seed.
    pub fn round_trip(&self, seed: u64, a: IpAddr, b: IpAddr) -> Duration {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        let mut rng = StdRng::seed_from_u64(mix(seed, low, high));
        self.median.mul_f64((self.spread * normal(&mut rng)).exp().min(1e3)).min(LONGEST)
    }

    /// The time of one datagram on its way; `None` if it is lost.
    pub(super) fn draw(
        &self,
        seed: u64,
        from: IpAddr,
        to: IpAddr,
        rng: &mut StdRng,
    ) -> Option<Duration> {
        if rng.random_bool(self.loss.clamp(0.0, 1.0)) {
            return None;
        }
        let half = self.round_trip(seed, from, to) / 2;
        Some(half.mul_f64(rng.random_range(0.9..1.1)))
    }
}

/// A number of the normal distribution (Box and Muller, 1958).
fn normal(rng: &mut StdRng) -> f64 {
    let (radius, angle): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A number for two hosts, which is the same in each run (SplitMix64).
fn mix(seed: u64, low: IpAddr, high: IpAddr) -> u64 {
    let step = |state: u64, word: u64| {
        let mut word = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    };
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let words = [bits(low), bits(high)].map(|bits| [(bits >> 64) as u64, bits as u64]);
    words.into_iter().flatten().fold(seed, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn round_trips_are_log_normal_and_stay() {
        let links = Links::default();
        let mut round_trips: Vec<_> =
            (1..10_000).map(|n| links.round_trip(1, host(0), host(n))).collect();
        assert_eq!(round_trips[4], links.round_trip(1, host(5), host(0)), "either way");
        round_trips.sort();
        let at = |share: f64| round_trips[(share * 9_999.0) as usize].as_secs_f64();
        assert!((0.115..0.125).contains(&at(0.5)), "{}", at(0.5));
        assert!((0.25..0.27).contains(&at(0.9)), "{}", at(0.9));
        assert!((0.45..0.52).contains(&at(0.99)), "{}", at(0.99));
    }

    #[test]
    fn the_share_of_lost_datagrams_is_the_one_asked_for() {
        let links = Links { loss: 0.05, ..Links::default() };
        let mut rng = StdRng::seed_from_u64(1);
        let lost = (0..10_000).filter(|n| links.draw(1, host(0), host(*n), &mut rng).is_none());
        assert!((400..600).contains(&lost.count()));
    }
}
