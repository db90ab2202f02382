use std::time::Duration;

use super::{FIRST_PACKETS, TARGET};

/// The signs by which the window changes outside of slow start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// Time in the queue.
    pub(super) queued: Duration,
    /// The queue at which packets were lost of late.
    pub(super) overflow: Option<Duration>,
    /// Rounds in a row without a queue.
    pub(super) empty_rounds: u32,
    pub(super) round_trip: Duration,
}

impl Signs {
    /// Bytes by which a window changes with an acknowledgement of `acked` bytes.
    pub(super) fn change(&self, window: f64, packet: f64, acked: f64) -> f64 {
        let target = self.target();
        let off_target = target - self.queued.as_secs_f64();
        let growth = self.gain(off_target / target, window / packet) * packet * acked / window;
        // Half of the bytes that are too many in the queue, over a round trip. More would swing, since what is seen
        // now was caused a round trip ago.
        let trip = self.round_trip.max(self.queued).as_secs_f64().max(1e-6);
        let excess = (-off_target).max(0.0) / trip;
        let shrinking = easing(self.queued.as_secs_f64(), target) + excess * DECREASE;
        growth - shrinking.min(0.5) * acked
    }

    /// The queue to be kept below, in seconds.
    ///
    /// Alone the window fills no queue beyond the target. Where one overflows it is shorter than that, or others fill
    /// it who go by losses: half of it is left to them.
    fn target(&self) -> f64 {
        let target = self.overflow.map_or(TARGET, |queue| queue / 2);
        target.clamp(LEAST_TARGET, TARGET).as_secs_f64()
    }

    /// Packets by which a window of so many grows in a round trip, for a distance to the target in parts of it, which
    /// has a sign (P-29).
    ///
    /// One at the target, up to two more the emptier the queue is, and none at twice the target. A link that stays
    /// empty is found to be larger, or to lose packets for other reasons: each round one more. A queue that overflows
    /// is shared with others, who grow slowly as well.
    fn gain(&self, off: f64, packets: f64) -> f64 {
        let least = (1.0 + off.min(0.0)).max(0.0);
        if self.overflow.is_some() {
            return least;
        }
        let gain = least + MORE_GAIN * off.max(0.0) + f64::from(self.empty_rounds);
        // With two packets each loss costs a timer. Any connection begins with more.
        if packets < FIRST_PACKETS as f64 {
            return gain;
        }
        // A short path would be back at its next loss within milliseconds.
        gain * (self.round_trip.as_secs_f64() / LEAST_ROUND.as_secs_f64()).min(1.0)
    }
}

/// Above the jitter of radio links, so that a few losses there do not cost the rate.
const LEAST_TARGET: Duration = Duration::from_millis(25);

/// Packets a round trip above the one of RFC 6817, with an empty queue. With libtorrent's 2.1 in all a loss takes half
/// a minute longer to make up for on a link of 100 Mbit/s.
const MORE_GAIN: f64 = 2.0;

/// A round trip across a country: paths shorter than that gain nothing from faster growth.
pub(super) const LEAST_ROUND: Duration = Duration::from_millis(50);

/// The part of the window that goes each round trip for a queue near the target.
///
/// It sets in at half of it and rises with the fourth power, so that flows whose bases differ by a millisecond, as they
/// do, still have nearly the same share, and that the queue of a few large windows is the shorter one.
fn easing(queued: f64, target: f64) -> f64 {
    let half = target / 2.0;
    EASING * ((queued - half).max(0.0) / half).powi(4)
}

/// At the target: what a window of 40 packets grows.
const EASING: f64 = 1.0 / 40.0;

/// The part of the excess that is taken off in a round trip.
const DECREASE: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A path of 50 ms with a queue.
    fn signs(queued: u64) -> Signs {
        let round_trip = ms(50 + queued);
        Signs { queued: ms(queued), overflow: None, empty_rounds: 0, round_trip }
    }

    /// Packets by which a window of so many changes in a round trip.
    fn change(signs: &Signs, packets: f64) -> f64 {
        signs.change(packets, 1.0, packets)
    }

    /// P-09, P-29
    #[test]
    fn the_window_grows_below_the_target_and_shrinks_above_it() {
        for (queued, least, most) in
            [(0, 2.99, 3.0), (50, 1.99, 2.0), (100, -0.01, 0.01), (150, -20.0, -10.0)]
        {
            let packets = change(&signs(queued), 40.0);
            assert!((least..=most).contains(&packets), "{queued} ms: {packets}");
        }
    }

    #[test]
    fn half_of_a_queue_that_overflowed_is_the_target() {
        let at = |overflow, queued| Signs { overflow: Some(ms(overflow)), ..signs(queued) };
        assert_eq!(change(&at(60, 10), 40.0), 1.0);
        assert!(change(&at(60, 40), 40.0) < -2.0);
        assert!(change(&at(200, 40), 40.0) > 0.9);
        assert!(change(&at(10, 12), 40.0) > 0.9, "not below 25 ms");
    }

    #[test]
    fn an_empty_path_grows_faster_each_round_and_a_short_one_no_faster_than_a_long_one() {
        let empty = Signs { empty_rounds: 7, ..signs(0) };
        assert_eq!(change(&empty, 40.0), 10.0);
        assert_eq!(change(&Signs { round_trip: ms(25), ..empty }, 40.0), 5.0);
        assert_eq!(change(&Signs { round_trip: ms(500), ..empty }, 40.0), 10.0);
    }

    #[test]
    fn a_window_of_few_packets_grows_as_fast_on_a_short_path() {
        let short = Signs { round_trip: ms(1), ..signs(0) };
        assert_eq!(change(&short, 9.0), change(&signs(0), 9.0));
        assert!(change(&short, 10.0) < 0.1);
    }
}
