//! A direction of a path: rate, queue, delay and faults, in virtual time.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// Properties of a direction. The default is perfect: without delay, of any rate.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Bytes a second; none for any.
    pub(crate) rate: Option<f64>,
    /// The longest time in the queue; what comes then is dropped.
    pub(crate) queue: Duration,
    pub(crate) delay: Duration,
    /// Parts of all packets that are lost, come twice, or come late.
    pub(crate) lost: f64,
    pub(crate) twice: f64,
    pub(crate) late: f64,
    pub(crate) late_by: Duration,
    /// The largest datagram that gets through without being cut.
    pub(crate) most: usize,
    pub(crate) free_at: Duration,
    /// Times in the queue, of each packet that got through.
    pub(crate) waits: Vec<(Duration, Duration)>,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
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
            most: usize::MAX,
            free_at: Duration::ZERO,
            waits: Vec::new(),
            bytes: 0,
            dropped: 0,
        }
    }
}

impl Link {
    /// A link of so many megabits a second, with this delay in milliseconds.
    pub(crate) fn new(megabits: f64, delay: u64) -> Self {
        let delay = Duration::from_millis(delay);
        Self { rate: Some(megabits * 125_000.0), delay, ..Self::default() }
    }

    /// The arrivals of a datagram that is sent at `at`: one, two, or none.
    pub(crate) fn carry(
        &mut self,
        at: Duration,
        length: usize,
        whole: bool,
        rng: &mut StdRng,
    ) -> Vec<Duration> {
        if rng.random_bool(self.lost) || (whole && length > self.most) {
            return Vec::new();
        }
        let mut comes = at;
        if let Some(rate) = self.rate {
            let wait = self.free_at.saturating_sub(at);
            if wait > self.queue {
                self.dropped += 1;
                return Vec::new();
            }
            self.waits.push((at, wait));
            // Headers of UDP and IP take their time as well.
            self.free_at = at + wait + Duration::from_secs_f64((length + 28) as f64 / rate);
            comes = self.free_at;
        }
        self.bytes += length as u64;
        comes += self.delay;
        if rng.random_bool(self.late) {
            comes += self.late_by;
        }
        if rng.random_bool(self.twice) { vec![comes, comes] } else { vec![comes] }
    }
}
