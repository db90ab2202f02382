//! What a block costs the engine: its verdict, the next request, the bookkeeping of pieces. Allocations
//! are counted, and the time is held against the number of peers and of pieces.

#[path = "swarm/busy.rs"]
mod busy;
#[path = "swarm/counting.rs"]
mod counting;

use std::time::Instant;

use busy::{Busy, Crowd};
use counting::Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Length of the pieces: 16 blocks.
const PIECE: u32 = 256 << 10;

/// Blocks of one measurement.
const BLOCKS: u32 = 6_400;

/// Measurements of which the median is taken.
const ROUNDS: usize = 9;

/// The cost of one block.
struct Cost {
    nanoseconds: f64,
    allocations: f64,
    /// Messages that tell peers of a piece.
    haves: f64,
}

fn main() {
    println!(
        "| peers | pieces | ns a block | x | haves a block | ns a message | x | allocations a block |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    // The number of peers grows, then that of pieces.
    for crowd in [Crowd::Seeds, Crowd::HalfPartial, Crowd::Slow, Crowd::SlowDisk] {
        table([10, 100, 1_000].map(|peers| (peers, 1 << 16)), crowd);
    }
    for crowd in [Crowd::Seeds, Crowd::HalfPartial] {
        table([1_000, 1 << 16, 1 << 21].map(|pieces| (20, pieces)), crowd);
    }
}

/// Prints a row for each size, with the ratio to the first; with an argument, those whose name has it.
fn table(sizes: [(u16, u32); 3], crowd: Crowd) {
    let mut least = None;
    // `cargo bench` adds flags of its own.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for (peers, pieces) in sizes {
        let name = format!("{peers} {crowd} | {pieces}");
        if filter.as_ref().is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let Cost { nanoseconds, allocations, haves } = cost(peers, pieces, crowd);
        // A block has one request, and a share in the words about its piece to each peer that lacks it.
        let a_message = nanoseconds / (1.0 + haves);
        let first = *least.get_or_insert((nanoseconds, a_message));
        let (ratio, message_ratio) = (nanoseconds / first.0, a_message / first.1);
        println!(
            "| {name} | {nanoseconds:.0} | {ratio:.2} | {haves:.2} | {a_message:.0} | \
             {message_ratio:.2} | {allocations:.4} |"
        );
    }
}

/// The cost of a block in the steady state of a download.
fn cost(peers: u16, pieces: u32, crowd: Crowd) -> Cost {
    let mut times = Vec::new();
    let (mut allocations, mut haves) = (0, 0);
    let mut busy = Busy::new(peers, pieces, PIECE, crowd);
    for _ in 0..ROUNDS {
        if busy.left() < 2 * BLOCKS {
            busy = Busy::new(peers, pieces, PIECE, crowd);
        }
        busy.warm_up();
        let before = (counting::allocations(), busy.haves);
        let start = Instant::now();
        busy.receive(BLOCKS);
        times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(BLOCKS));
        allocations += counting::allocations() - before.0;
        haves += busy.haves - before.1;
    }
    times.sort_by(f64::total_cmp);
    let blocks = f64::from(BLOCKS) * ROUNDS as f64;
    Cost {
        nanoseconds: times[ROUNDS / 2],
        allocations: allocations as f64 / blocks,
        haves: haves as f64 / blocks,
    }
}
