//! Worlds that are drawn from numbers: no engine breaks a law in any of them.
//!
//! - `TINYTORRENT_WORLDS=COUNT` plays so many, `TINYTORRENT_FIRST=NUMBER` those from that one on.
//! - `TINYTORRENT_WORLD=NAME` plays one alone and shows its plan, such as one that was told to break a law;
//!   `TINYTORRENT_NODE=NUMBER` shows all that a node of it is told and does.
#![allow(clippy::disallowed_methods, reason = "the environment says which worlds to play")]

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use tinytorrent_sim::{Node, Plan, Seen, Witness, World, WorldName};

/// Worlds, if nobody says how many: few where nothing is optimized.
const WORLDS: u64 = if cfg!(debug_assertions) { 60 } else { 2_000 };

/// Worlds to play in the search for the smallest that breaks a law.
const SHRINKING: u32 = 200;

/// Somebody who writes down all that a node is told and says.
struct Onlooker(Node);

impl Witness for Onlooker {
    fn see(&mut self, world: &World, node: Node, seen: &Seen<'_>) {
        if node == self.0 {
            println!("{:.6} {seen:?}", world.elapsed().as_secs_f64());
        }
    }
}

#[test]
fn no_law_is_broken_in_any_world() {
    if let Ok(name) = env::var("TINYTORRENT_WORLD") {
        let name: WorldName = name.parse().unwrap();
        let plan = Plan::named(&name);
        println!("{plan:#?}");
        let outcome = match env::var("TINYTORRENT_NODE") {
            Ok(node) => plan.play_before(Onlooker(node.parse().unwrap())),
            Err(_) => plan.play(),
        };
        println!("{outcome:#?}");
        assert!(outcome.breach.is_none());
        return;
    }
    let count = env::var("TINYTORRENT_WORLDS").map_or(WORLDS, |count| count.parse().unwrap());
    let first = env::var("TINYTORRENT_FIRST").map_or(0, |count| count.parse().unwrap());
    let next = AtomicU64::new(first);
    let broken = Mutex::new(Vec::new());
    let begun = Instant::now();
    thread::scope(|threads| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let plan = Plan::draw(seed);
                    if let Some(breach) = plan.play().breach {
                        let mut broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
                        broken.push((plan, breach));
                    }
                }
            });
        }
    });
    println!("{count} worlds in {:.1} s", begun.elapsed().as_secs_f64());
    let mut broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
    broken.sort_unstable_by_key(|(plan, _)| plan.name.seed);
    for (plan, breach) in &broken {
        println!("world {}: {breach}", plan.name);
    }
    if let Some((plan, breach)) = broken.first() {
        let smallest = plan.shrink(breach.law, SHRINKING);
        let again = Plan::named(&smallest).play().breach;
        panic!("{} worlds of {count}; TINYTORRENT_WORLD={smallest}: {again:?}", broken.len());
    }
}
