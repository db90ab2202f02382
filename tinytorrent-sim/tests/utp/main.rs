//! Two endpoints of uTP on links of all kinds. The law of all: what was written is what is read, or there is an error.

mod congestion;
mod neighbours;
mod sockets;
mod streams;

use std::time::Duration;

use tinytorrent_sim::utp::World;

/// More than is ever written.
const ENDLESS: u64 = u64::MAX / 2;

/// So many milliseconds.
fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The link from the first host during some time.
#[derive(Debug)]
struct Figures {
    /// Megabits a second of payload of each stream of uTP, and of each flow of TCP.
    utp: Vec<f64>,
    tcp: Vec<f64>,
    /// Milliseconds in the queue: the median, and what 99 of 100 packets did not exceed, and all.
    usual: f64,
    most: f64,
    peak: f64,
}

impl Figures {
    /// Those between two times, in seconds.
    fn between(world: &mut World, from: u64, to: u64) -> Self {
        world.run(Duration::from_secs(from).saturating_sub(world.at));
        let before = received(world);
        world.traffic[0].waits.clear();
        world.run(Duration::from_secs(to).saturating_sub(world.at));
        let rates = |before: Vec<u64>, after: Vec<u64>| {
            let before = before.into_iter().chain(std::iter::repeat(0));
            let bytes = after.into_iter().zip(before).map(|(after, before)| after - before);
            bytes.map(|bytes| bytes as f64 / 125_000.0 / (to - from) as f64).collect()
        };
        let after = received(world);
        let wait = |share| world.traffic[0].waits.quantile(share).as_secs_f64() * 1e3;
        let (usual, most, peak) = (wait(0.5), wait(0.99), wait(1.0));
        Self { utp: rates(before.0, after.0), tcp: rates(before.1, after.1), usual, most, peak }
    }
}

/// Bytes that each stream and each neighbour has delivered to the second host.
fn received(world: &World) -> (Vec<u64>, Vec<u64>) {
    let streams = world.hosts[1].streams.iter().map(|stream| stream.read);
    (streams.collect(), world.neighbours.iter().map(|flow| flow.delivered()).collect())
}
