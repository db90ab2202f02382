//! Two endpoints of uTP on links of all kinds. The law of all: what was written is what is read, or there is an error.

mod congestion;
mod streams;

use std::time::Duration;

/// So many milliseconds.
fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
