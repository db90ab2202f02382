use std::time::{Duration, Instant};

/// Bytes that may be sent now, which become more with time (RFC 9002, section 7.7): a window goes out over most of a
/// round trip instead of in one burst, which fills queues and the receiver's socket for a moment.
///
/// Some packets may go at once, so that they can be handed to the system together, and more on fast links, where timers
/// are too coarse for few.
#[derive(Debug)]
pub(super) struct Pacer {
    bytes: f64,
    filled: Instant,
    /// The time at which more may go, after a packet that had to wait.
    next: Option<Instant>,
}

/// A rate of sending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    bytes_per_second: f64,
    packet: f64,
}

impl Rate {
    /// The rate of a window over a round trip, and a part more, so that the window fills before the acknowledgements
    /// of its first packets come.
    pub(super) fn new(window: usize, round_trip: Duration, gain: f64, packet: usize) -> Self {
        let seconds = round_trip.max(SHORTEST).as_secs_f64();
        Self { bytes_per_second: gain * window as f64 / seconds, packet: packet as f64 }
    }

    fn bytes_in(self, time: Duration) -> f64 {
        self.bytes_per_second * time.as_secs_f64()
    }

    /// The most bytes that may go at once.
    fn burst(self) -> f64 {
        self.bytes_in(BURST).clamp(LEAST_BURST * self.packet, MOST_BURST * self.packet)
    }
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self { bytes: f64::INFINITY, filled: now, next: None }
    }

    /// True if a packet of so many bytes may go now.
    pub(super) fn allows(&mut self, now: Instant, bytes: usize, rate: Rate) -> bool {
        let elapsed = now.saturating_duration_since(self.filled);
        self.bytes = (self.bytes + rate.bytes_in(elapsed)).min(rate.burst());
        self.filled = now;
        let bytes = bytes as f64;
        if self.bytes >= bytes {
            self.next = None;
            return true;
        }
        let batch = rate.bytes_in(PAUSE).clamp(bytes, rate.burst());
        let pause = Duration::from_secs_f64((batch - self.bytes) / rate.bytes_per_second);
        self.next = Some(now + pause + ROUNDING);
        false
    }

    pub(super) fn on_sent(&mut self, bytes: usize) {
        self.bytes = (self.bytes - bytes as f64).max(0.0);
    }

    /// The time at which more may go; none if nothing had to wait.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Forgets the wait if it is over.
    pub(super) fn wake(&mut self, now: Instant) {
        self.next = self.next.filter(|next| now < *next);
    }
}

/// The burst is what goes in this time, from ten packets, as in the first flight, to forty: half of the packets that
/// the receive buffer of a socket on Linux takes, 208 KiB with a kilobyte beside each.
const BURST: Duration = Duration::from_millis(2);
const LEAST_BURST: f64 = 10.0;
const MOST_BURST: f64 = 40.0;

/// Time between two batches, or each packet would have a timer.
const PAUSE: Duration = Duration::from_millis(1);

/// Seconds as floating point are right to less than this.
const ROUNDING: Duration = Duration::from_nanos(100);

/// Round trips on one host.
const SHORTEST: Duration = Duration::from_micros(10);

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Packets of a thousand bytes that go at once.
    fn batch(pacer: &mut Pacer, now: Instant, rate: Rate) -> usize {
        let mut packets = 0;
        while pacer.allows(now, 1_000, rate) {
            pacer.on_sent(1_000);
            packets += 1;
        }
        packets
    }

    #[test]
    fn a_window_goes_out_over_the_round_trip() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        // A packet a millisecond.
        let rate = Rate::new(80_000, ms(100), 1.25, 1_000);
        let (mut now, mut packets) = (start, 0);
        while now < start + ms(80) {
            packets += batch(&mut pacer, now, rate);
            now = pacer.next().unwrap();
        }
        // The burst of the beginning, and one with each millisecond.
        assert!((88..=90).contains(&packets), "{packets}");
        pacer.wake(now);
        assert_eq!(pacer.next(), None);
    }

    #[test]
    fn what_may_go_at_once_is_bounded_and_more_on_a_fast_link() {
        let start = Instant::now();
        for (window, packets) in [(10_000, 10), (1_200_000, 30), (10_000_000, 40)] {
            let rate = Rate::new(window, ms(100), 1.25, 1_000);
            let mut pacer = Pacer::new(start);
            assert_eq!(batch(&mut pacer, start, rate), packets);
            assert_eq!(batch(&mut pacer, start + ms(1_000_000), rate), packets);
        }
    }

    #[test]
    fn a_timer_that_is_late_costs_nothing_on_a_link_that_is_not_fast() {
        let start = Instant::now();
        // Ten packets in a millisecond.
        let rate = Rate::new(800_000, ms(100), 1.25, 1_000);
        let mut pacer = Pacer::new(start);
        batch(&mut pacer, start, rate);
        let packets: usize = (1..=50).map(|n| batch(&mut pacer, start + ms(2 * n), rate)).sum();
        assert!((999..=1_000).contains(&packets), "{packets}");
    }
}
