mod growth;
mod round;
mod slowdown;

use std::time::{Duration, Instant};

use self::growth::Signs;
use self::round::Round;
use self::slowdown::Slowdown;

/// The congestion window: bytes that may be in flight.
///
/// LEDBAT (RFC 6817) aims at a queue of 100 ms. Three things are those of LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus),
/// so that flows share: above the target the window shrinks in proportion to the excess, below it grows by a packet a
/// round trip however near the target is, and each flow slows down now and then, so that the queue drains and all see
/// the true base.
///
/// ```text
///            queue of 25 ms, or loss             now and then with a queue
///  slow start ────────────────────▶ avoidance ◀────────────────────────▶ slowdown
///      ▲                                │
///      └──────────── timeout ───────────┘
/// ```
#[derive(Debug)]
pub(crate) struct Ledbat {
    window: f64,
    /// The window at which slow start ends; infinite before the first end.
    threshold: f64,
    is_slow_start: bool,
    round: Round,
    slowdown: Slowdown,
    last_cut: Option<Instant>,
    /// The last loss with a queue, and that queue.
    overflow: Option<(Instant, Duration)>,
    /// The window before the last cut, to be restored if nothing was lost.
    before_cut: f64,
}

/// An acknowledgement, as far as the window goes by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Bytes that were acknowledged for the first time.
    pub(crate) bytes: usize,
    /// Time in queues, if the other end measures it.
    pub(crate) queued: Option<Duration>,
    pub(crate) round_trip: Duration,
    /// The shortest round trip.
    pub(crate) least: Duration,
    /// True if the window was what kept more from being sent (P-30).
    pub(crate) is_limited: bool,
    /// Payload of a full packet.
    pub(crate) packet: usize,
}

impl Ledbat {
    pub(crate) fn new(packet: usize) -> Self {
        Self {
            window: (FIRST_PACKETS * packet) as f64,
            threshold: f64::INFINITY,
            is_slow_start: true,
            round: Round::default(),
            slowdown: Slowdown::default(),
            last_cut: None,
            overflow: None,
            before_cut: 0.0,
        }
    }

    /// Bytes that may be in flight.
    pub(crate) fn window(&self) -> usize {
        self.window as usize
    }

    /// True while the window doubles each round trip.
    pub(crate) fn is_slow_start(&self) -> bool {
        self.is_slow_start
    }

    /// Goes by an acknowledgement.
    pub(crate) fn on_progress(&mut self, now: Instant, progress: Progress) {
        if let Some(saved) = self.slowdown.end(now) {
            (self.is_slow_start, self.threshold) = (true, saved);
        }
        if !self.slowdown.is_draining() && progress.is_limited {
            let queued = progress.queued.unwrap_or_default();
            let ended = self.round.add(now, queued, progress.round_trip);
            if self.is_slow_start {
                self.start_slowly(now, queued.min(self.round.queue(ended)), &progress);
            } else {
                self.avoid(now, queued, &progress);
                self.window = self.slowdown.begin(now, queued, self.window, &progress);
            }
        }
        self.window = self.window.max((LEAST_PACKETS * progress.packet) as f64);
    }

    /// Doubles the window each round trip until a queue begins, or the window is that of before.
    fn start_slowly(&mut self, now: Instant, queued: Duration, progress: &Progress) {
        let is_first = self.threshold.is_infinite();
        // A queue is seen a round trip after it began, and the window has grown for as long: on a path longer than the
        // target by half, so that it does not fill twice the target.
        let growth = if is_first { first_growth(progress.least) } else { 1.0 };
        if queued >= if is_first { TARGET / 4 } else { TARGET } {
            self.window = if is_first { self.window / (1.0 + growth) } else { self.window };
            self.leave_slow_start(now, progress.round_trip * 2);
            return;
        }
        self.window += growth * progress.bytes as f64;
        if self.window >= self.threshold {
            self.window = self.threshold;
            self.leave_slow_start(now, slowdown::period(progress.round_trip));
        }
    }

    fn leave_slow_start(&mut self, now: Instant, slowdown_in: Duration) {
        self.is_slow_start = false;
        self.threshold = self.window;
        self.round.forget_empty();
        self.slowdown.wait(now + slowdown_in);
    }

    fn avoid(&mut self, now: Instant, queued: Duration, progress: &Progress) {
        // Others who fill a queue do not leave it empty for long.
        if self.overflow.is_some() && self.round.empty() >= EMPTY_ROUNDS {
            self.overflow = None;
            self.round.forget_empty();
        }
        self.overflow = self.overflow.filter(|(at, _)| now < *at + OVERFLOW_MEMORY);
        let signs = Signs {
            queued,
            overflow: self.overflow.map(|(_, queue)| queue),
            empty_rounds: self.round.empty(),
            round_trip: progress.round_trip,
        };
        let change = signs.change(self.window, progress.packet as f64, progress.bytes as f64);
        // The queue that is seen for a round trip after a cut is the one for which it was made.
        let is_cut = self.last_cut.is_some_and(|cut| now < cut + progress.round_trip);
        self.window += if is_cut { change.max(0.0) } else { change };
    }

    /// Goes by a loss of packets of which the last was sent at `sent`: the window is cut once for all that were sent
    /// before the cut, and not again within two round trips, or 100 ms (P-23).
    pub(crate) fn on_loss(
        &mut self,
        now: Instant,
        sent: Instant,
        queued: Option<Duration>,
        round_trip: Duration,
    ) {
        let between = MOST_BETWEEN_CUTS.min(round_trip * 2);
        if self.last_cut.is_some_and(|cut| sent <= cut || now < cut + between) {
            return;
        }
        self.last_cut = Some(now);
        self.round = Round::default();
        // A queue that is nearly empty is no queue that overflows: others are not harmed by what is left, and a
        // radio that loses packets does not stop us. CUBIC takes as much. The burst of a slow start is our own.
        let is_of_others = |queued: &Duration| *queued >= LEAST_OVERFLOW && !self.is_slow_start;
        if let Some(queued) = queued.filter(is_of_others) {
            self.overflow = Some((now, queued));
        }
        let is_short = queued.is_some_and(|queued| queued < TARGET / 4);
        let left = if is_short { 0.7 } else { 0.5 };
        if self.slowdown.cut(left) {
            return;
        }
        self.before_cut = self.window;
        self.window *= left;
        (self.is_slow_start, self.threshold) = (false, self.window);
    }

    /// Takes back the last cut: what counted as lost was late.
    pub(crate) fn on_spurious_loss(&mut self) {
        self.window = self.window.max(self.before_cut);
        self.before_cut = 0.0;
    }

    /// Begins again with one packet (P-08).
    pub(crate) fn on_timeout(&mut self, now: Instant, packet: usize) {
        let before = self.slowdown.saved().unwrap_or(self.window);
        let least = (LEAST_PACKETS * packet) as f64;
        // A second timeout in a row finds a window that says nothing of the path.
        if self.window > least {
            self.threshold = (before / 2.0).max(least);
        }
        (self.window, self.is_slow_start) = (packet as f64, true);
        self.slowdown = Slowdown::default();
        self.last_cut = Some(now);
    }

    /// Takes a third off for each timeout that nothing was sent (P-33): the path may be another by now.
    pub(crate) fn on_idle(&mut self, timeouts: u32, packet: usize) {
        let least = (FIRST_PACKETS * packet) as f64;
        if self.window > least {
            let left = (2.0_f64 / 3.0).powi(timeouts.min(32) as i32);
            self.window = (self.window * left).max(least);
            self.is_slow_start = true;
        }
    }
}

/// The queue to be kept below (BEP 29, CCONTROL_TARGET).
const TARGET: Duration = Duration::from_millis(100);

/// The growth of the first slow start in a round trip, in parts of the window.
fn first_growth(least: Duration) -> f64 {
    (TARGET.as_secs_f64() / least.as_secs_f64().max(1e-6)).clamp(0.5, 1.0)
}

/// As TCP begins (RFC 6928).
const FIRST_PACKETS: usize = 10;

/// RFC 6817, MIN_CWND.
const LEAST_PACKETS: usize = 2;

/// Below this a loss says nothing of a queue.
const LEAST_OVERFLOW: Duration = Duration::from_millis(5);

/// The time for which a queue that overflowed is taken for one that others fill: that between two losses of CUBIC on
/// fast links.
const OVERFLOW_MEMORY: Duration = Duration::from_secs(30);

/// Rounds in a row without a queue after which nobody fills it: a second and a half at least.
const EMPTY_ROUNDS: u32 = 30;

/// P-23.
const MOST_BETWEEN_CUTS: Duration = Duration::from_millis(100);

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    const PACKET: usize = 1_000;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A round trip with a full window and a queue of so many milliseconds.
    fn round(ledbat: &mut Ledbat, now: &mut Instant, queued: u64) {
        let round_trip = ms(50 + queued);
        *now += round_trip;
        for _ in 0..ledbat.window() / PACKET {
            let bytes = PACKET;
            let queued = Some(ms(queued));
            ledbat.on_progress(
                *now,
                Progress {
                    bytes,
                    queued,
                    round_trip,
                    least: ms(50),
                    is_limited: true,
                    packet: PACKET,
                },
            );
        }
    }

    /// One that has left slow start with this window and will not slow down soon.
    fn avoiding(now: Instant, packets: usize) -> Ledbat {
        let mut ledbat = Ledbat::new(PACKET);
        ledbat.window = (packets * PACKET) as f64;
        ledbat.leave_slow_start(now, Duration::from_secs(1_000_000));
        ledbat
    }

    /// P-31
    #[test]
    fn slow_start_doubles_until_a_queue_begins() {
        let (mut ledbat, mut now) = (Ledbat::new(PACKET), Instant::now());
        for packets in [20, 40, 80] {
            round(&mut ledbat, &mut now, 10);
            assert_eq!(ledbat.window(), packets * PACKET);
        }
        round(&mut ledbat, &mut now, 25);
        assert!((42..=50).contains(&(ledbat.window() / PACKET)), "{}", ledbat.window());
    }

    /// P-30
    #[test]
    fn a_window_that_is_not_filled_does_not_grow() {
        let mut now = Instant::now();
        for mut ledbat in [Ledbat::new(PACKET), avoiding(now, 10)] {
            let window = ledbat.window();
            now += ms(50);
            let (bytes, queued, round_trip) = (PACKET, Some(ms(0)), ms(50));
            ledbat.on_progress(
                now,
                Progress {
                    bytes,
                    queued,
                    round_trip,
                    least: ms(50),
                    is_limited: false,
                    packet: PACKET,
                },
            );
            assert_eq!(ledbat.window(), window);
        }
    }

    /// P-23
    #[test]
    fn a_loss_halves_once_a_round_trip_and_100_ms() {
        let start = Instant::now();
        let mut ledbat = avoiding(start, 100);
        let queued = Some(ms(50));
        ledbat.on_loss(start, start - ms(50), queued, ms(50));
        assert_eq!(ledbat.window(), 50 * PACKET);
        ledbat.on_loss(start + ms(200), start - ms(1), queued, ms(50));
        ledbat.on_loss(start + ms(99), start + ms(49), queued, ms(50));
        assert_eq!(ledbat.window(), 50 * PACKET);
        ledbat.on_loss(start + ms(100), start + ms(50), queued, ms(50));
        assert_eq!(ledbat.window(), 25 * PACKET);
        ledbat.on_spurious_loss();
        assert_eq!(ledbat.window(), 50 * PACKET);
    }

    #[test]
    fn a_loss_with_a_short_queue_takes_less() {
        let start = Instant::now();
        let mut ledbat = avoiding(start, 100);
        ledbat.on_loss(start, start - ms(50), Some(ms(24)), ms(50));
        assert_eq!(ledbat.window(), 70 * PACKET);
    }

    #[test]
    fn a_loss_with_a_queue_lowers_the_target_for_a_while() {
        for (queued, after, grows) in [(60, 29, false), (60, 31, true), (4, 29, true)] {
            let start = Instant::now();
            let mut ledbat = avoiding(start, 80);
            ledbat.on_loss(start, start - ms(50), Some(ms(queued)), ms(50));
            let (mut now, before) = (start + Duration::from_secs(after), ledbat.window());
            round(&mut ledbat, &mut now, 45);
            assert_eq!(ledbat.window() > before, grows, "{queued} ms, after {after} s");
        }
    }

    /// P-08, P-31
    #[test]
    fn a_timeout_leaves_one_packet_and_slow_start_ends_at_half_the_window() {
        let mut now = Instant::now();
        let mut ledbat = avoiding(now, 40);
        ledbat.on_timeout(now, PACKET);
        assert_eq!(ledbat.window(), PACKET);
        ledbat.on_timeout(now, PACKET);
        let mut windows = Vec::new();
        for _ in 0..7 {
            round(&mut ledbat, &mut now, 0);
            windows.push(ledbat.window() / PACKET);
        }
        // Behind the threshold of 20 it grows by three packets, and by one more each round without a queue.
        assert_eq!(windows, [2, 4, 8, 16, 21, 25, 29]);
    }

    /// P-33
    #[test]
    fn an_idle_time_takes_thirds_off() {
        let mut ledbat = avoiding(Instant::now(), 90);
        ledbat.on_idle(2, PACKET);
        assert_eq!(ledbat.window(), 40 * PACKET);
        ledbat.on_idle(100, PACKET);
        assert_eq!(ledbat.window(), 10 * PACKET);
    }

    /// P-31
    #[test]
    fn a_queue_of_others_leaves_two_packets() {
        let mut now = Instant::now();
        let mut ledbat = avoiding(now, 40);
        for _ in 0..100 {
            round(&mut ledbat, &mut now, 1_000);
        }
        assert_eq!(ledbat.window() / PACKET, 2);
    }
}
