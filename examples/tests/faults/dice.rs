//! Random moments that can be drawn again, and the size of a run.

use std::time::Duration;

use crate::support::need::Need;

/// The first value in a full run, and the second one in any other.
pub fn full_or<T>(full: T, share: T) -> T {
    if Need::Time.is_met() { full } else { share }
}

/// Pseudorandom numbers, other ones in each run. A test that fails tells their seed.
pub struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    pub fn new() -> Self {
        let given = std::env::var("TINYTORRENT_FAULTS_SEED").ok();
        let seed = match given {
            Some(text) => text.parse().expect("the seed is a number"),
            None => rand::random(),
        };
        Self { seed, state: seed }
    }

    /// A number below the bound (splitmix64).
    pub fn roll(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    /// A time below the bound.
    pub fn time(&mut self, below: Duration) -> Duration {
        Duration::from_micros(self.roll(below.as_micros() as u64))
    }

    /// Sleeps for a time below the bound.
    pub fn sleep(&mut self, below: Duration) {
        std::thread::sleep(self.time(below));
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            eprintln!(
                "the moments of {test} are drawn again with TINYTORRENT_FAULTS_SEED={}",
                self.seed
            );
        }
    }
}
