use std::time::Duration;

/// The window of CUBIC in packets (RFC 9438): after a loss it rises as a cubic function of time, flat where the loss
/// was.
#[derive(Debug)]
pub(super) struct Cubic {
    window: f64,
    /// The window at which slow start ends.
    threshold: f64,
    /// The window before the last loss; less if it was still below the one before (section 4.7).
    most: f64,
    epoch: Option<Epoch>,
}

/// The time since the last loss.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    began: Duration,
    /// Seconds until the window is what it was.
    rise: f64,
    /// The window that Reno would have.
    reno: f64,
}

impl Cubic {
    pub(super) fn new() -> Self {
        Self { window: FIRST, threshold: f64::INFINITY, most: 0.0, epoch: None }
    }

    pub(super) fn window(&self) -> f64 {
        self.window
    }

    /// Goes by an acknowledgement of so many packets.
    pub(super) fn on_ack(&mut self, at: Duration, round_trip: Duration, packets: f64) {
        if self.window < self.threshold {
            self.window = (self.window + packets).min(self.threshold);
            return;
        }
        let (window, most) = (self.window, self.most.max(self.window));
        let epoch = self.epoch.get_or_insert_with(|| Epoch {
            began: at,
            rise: ((most - window) / SCALE).cbrt(),
            reno: window,
        });
        if epoch.rise == 0.0 {
            self.most = self.most.max(most);
        }
        epoch.reno += RENO_GAIN * packets / window;
        let (most, epoch) = (self.most, *epoch);
        let cubic = |time: Duration| {
            SCALE * (time.saturating_sub(epoch.began).as_secs_f64() - epoch.rise).powi(3) + most
        };
        if cubic(at) < epoch.reno {
            self.window = window.max(epoch.reno);
        } else {
            let target = cubic(at + round_trip).clamp(window, 1.5 * window);
            self.window += (target - window) / window * packets;
        }
    }

    /// Goes by the loss of packets of one round trip.
    pub(super) fn on_loss(&mut self) {
        let is_below = self.window < self.most;
        self.most = if is_below { self.window * (1.0 + LEFT) / 2.0 } else { self.window };
        self.threshold = (self.window * LEFT).max(LEAST);
        (self.window, self.epoch) = (self.threshold, None);
    }

    /// Begins again with one packet.
    pub(super) fn on_timeout(&mut self) {
        self.on_loss();
        self.window = 1.0;
    }
}

/// RFC 6928.
const FIRST: f64 = 10.0;
const LEAST: f64 = 2.0;

/// Packets per second cubed, and the part that a loss leaves (RFC 9438, sections 4.6 and 5).
const SCALE: f64 = 0.4;
const LEFT: f64 = 0.7;

/// The gain at which Reno would be as fast with such cuts (section 4.3).
const RENO_GAIN: f64 = 3.0 * (1.0 - LEFT) / (1.0 + LEFT);

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(100);

    /// Full windows for so many round trips.
    fn rounds(cubic: &mut Cubic, at: &mut Duration, rounds: u32) {
        for _ in 0..rounds {
            *at += ROUND;
            for _ in 0..cubic.window() as usize {
                cubic.on_ack(*at, ROUND, 1.0);
            }
        }
    }

    #[test]
    fn slow_start_doubles_and_a_loss_leaves_seven_tenths() {
        let (mut cubic, mut at) = (Cubic::new(), Duration::ZERO);
        rounds(&mut cubic, &mut at, 3);
        assert_eq!(cubic.window(), 80.0);
        cubic.on_loss();
        assert_eq!(cubic.window(), 56.0);
        cubic.on_timeout();
        assert_eq!((cubic.window(), cubic.threshold), (1.0, 0.7 * 56.0));
    }

    #[test]
    fn the_window_is_flat_where_the_loss_was_and_then_rises() {
        let (mut cubic, mut at) = (Cubic::new(), Duration::ZERO);
        (cubic.window, cubic.threshold) = (1_000.0, 500.0);
        cubic.on_loss();
        // The cube root of 300 / 0.4 is nine seconds.
        rounds(&mut cubic, &mut at, 91);
        assert!((995.0..=1_001.0).contains(&cubic.window()), "{}", cubic.window());
        rounds(&mut cubic, &mut at, 20);
        assert!((1_000.0..1_010.0).contains(&cubic.window()), "{}", cubic.window());
        rounds(&mut cubic, &mut at, 70);
        assert!((1_250.0..1_400.0).contains(&cubic.window()), "{}", cubic.window());
    }

    #[test]
    fn a_small_window_grows_as_that_of_reno() {
        let (mut cubic, mut at) = (Cubic::new(), Duration::ZERO);
        (cubic.window, cubic.threshold) = (20.0, 10.0);
        cubic.on_loss();
        rounds(&mut cubic, &mut at, 10);
        assert!((18.5..19.5).contains(&cubic.window()), "{}", cubic.window());
    }
}
