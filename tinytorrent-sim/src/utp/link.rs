use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// A direction of a path: a rate, a queue before it, a delay behind it, and faults.
///
/// # Defaults
/// - Any rate, and no delay.
/// - A queue of one second.
/// - No faults, and no limit to the size of packets.
#[derive(Clone, Debug)]
pub struct Link {
    /// Bytes a second, with the headers of UDP and IP; none for any.
    pub rate: Option<f64>,
    /// The longest time in the queue; packets that would wait longer are dropped.
    pub queue: Duration,
    /// Time behind the queue.
    pub delay: Duration,
    /// The share of packets that are lost, 0 to 1.
    pub lost: f64,
    /// The share of packets that arrive twice.
    pub twice: f64,
    /// The share of packets that arrive later than others, and by how much.
    pub late: f64,
    /// See `late`.
    pub late_by: Duration,
    /// The largest payload of UDP that gets through without being cut.
    pub mtu: usize,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            rate: None,
            queue: Duration::from_secs(1),
            delay: Duration::ZERO,
            lost: 0.0,
            twice: 0.0,
            late: 0.0,
            late_by: Duration::ZERO,
            mtu: usize::MAX,
        }
    }
}

impl Link {
    /// A link of so many megabits a second, with this delay.
    pub fn new(megabits: f64, delay: Duration) -> Self {
        Self { rate: Some(megabits * 125_000.0), delay, ..Self::default() }
    }

    /// The link with a queue of so many bytes, which a link of any rate does not have.
    #[must_use]
    pub fn with_queue(self, bytes: usize) -> Self {
        let queue =
            self.rate.map_or(self.queue, |rate| Duration::from_secs_f64(bytes as f64 / rate));
        Self { queue, ..self }
    }
}

/// The packets that pass a link.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Times that packets spent in the queue.
    pub waits: Waits,
    /// Packets for which the queue had no room.
    pub dropped: u64,
    free_at: Duration,
}

impl Traffic {
    /// Time that a packet sent at `at` would wait.
    pub fn queued(&self, at: Duration) -> Duration {
        self.free_at.saturating_sub(at)
    }

    /// The arrivals of a packet that is sent at `at`: one, two, or none.
    pub(super) fn carry(
        &mut self,
        link: &Link,
        at: Duration,
        packet: Size,
        rng: &mut StdRng,
    ) -> impl Iterator<Item = Duration> + use<> {
        let arrival = self.arrival(link, at, packet, rng);
        let copies = if rng.random_bool(link.twice) { 2 } else { 1 };
        arrival.into_iter().flat_map(move |arrival| std::iter::repeat_n(arrival, copies))
    }

    fn arrival(
        &mut self,
        link: &Link,
        at: Duration,
        packet: Size,
        rng: &mut StdRng,
    ) -> Option<Duration> {
        if rng.random_bool(link.lost) || (packet.is_whole && packet.payload > link.mtu) {
            return None;
        }
        let mut arrival = at;
        if let Some(rate) = link.rate {
            let wait = self.queued(at);
            if wait > link.queue {
                self.dropped += 1;
                return None;
            }
            self.waits.add(wait);
            let bytes = packet.payload + HEADERS;
            self.free_at = at + wait + Duration::from_secs_f64(bytes as f64 / rate);
            arrival = self.free_at;
        }
        let is_late = rng.random_bool(link.late);
        Some(arrival + link.delay + if is_late { link.late_by } else { Duration::ZERO })
    }
}

/// The size of a packet, and whether routers must not cut it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Bytes behind the headers of UDP and IP.
    pub(super) payload: usize,
    pub(super) is_whole: bool,
}

impl Size {
    /// That of a packet that routers may cut.
    pub(super) fn of(payload: usize) -> Self {
        Self { payload, is_whole: false }
    }
}

/// UDP and IPv4.
const HEADERS: usize = 8 + 20;

/// Times in a queue, counted in steps of a tenth of a millisecond.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    counts: Vec<u32>,
    total: usize,
}

impl Waits {
    /// The time that a share of the packets, 0 to 1, did not exceed. Zero if there was none.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut left = (self.total as f64 * share).ceil() as usize;
        let step = self.counts.iter().position(|&count| {
            left = left.saturating_sub(count as usize);
            left == 0
        });
        STEP * step.unwrap_or(0) as u32
    }

    /// Forgets all so far.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn add(&mut self, wait: Duration) {
        let step = (wait.as_nanos() / STEP.as_nanos()) as usize;
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        self.total += 1;
    }
}

const STEP: Duration = Duration::from_micros(100);

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn carry(traffic: &mut Traffic, link: &Link, at: Duration, payload: usize) -> Vec<Duration> {
        let mut rng = StdRng::seed_from_u64(1);
        traffic.carry(link, at, Size { payload, is_whole: true }, &mut rng).collect()
    }

    #[test]
    fn packets_wait_for_those_before_and_are_dropped_behind_a_full_queue() {
        // A thousand bytes are a millisecond, and two fit into the queue.
        let (link, mut traffic) = (Link::new(8.0, ms(10)).with_queue(2_000), Traffic::default());
        let arrivals: Vec<_> = (0..4).map(|_| carry(&mut traffic, &link, ms(5), 972)).collect();
        assert_eq!(arrivals, [vec![ms(16)], vec![ms(17)], vec![ms(18)], vec![]]);
        assert_eq!((traffic.queued(ms(5)), traffic.dropped), (ms(3), 1));
        assert_eq!(traffic.waits.quantile(1.0), ms(2));
        assert_eq!(carry(&mut traffic, &link, ms(50), 972), [ms(61)]);
    }

    #[test]
    fn each_fault_is_as_it_says() {
        let lost = Link { lost: 1.0, ..Link::default() };
        let twice = Link { twice: 1.0, ..Link::default() };
        let late = Link { late: 1.0, late_by: ms(7), ..Link::default() };
        let short = Link { mtu: 99, ..Link::default() };
        for (link, arrivals) in
            [(lost, vec![]), (twice, vec![ms(1), ms(1)]), (late, vec![ms(8)]), (short, vec![])]
        {
            assert_eq!(carry(&mut Traffic::default(), &link, ms(1), 100), arrivals);
        }
    }

    #[test]
    fn quantiles_of_times_are_right_to_a_tenth_of_a_millisecond() {
        let mut waits = Waits::default();
        assert_eq!(waits.quantile(0.5), Duration::ZERO);
        (0..100).for_each(|n| waits.add(ms(n)));
        assert_eq!(
            [0.01, 0.5, 0.99, 1.0].map(|share| waits.quantile(share)),
            [0, 49, 98, 99].map(ms)
        );
    }
}
