//! Bugs that are planted in the engine: for each there is a world in which a law is broken.
//!
//! The engine has them in builds with `--cfg tinytorrent_planted` alone:
//!
//! ```sh
//! RUSTFLAGS='--cfg tinytorrent_planted' cargo test --release -p tinytorrent-sim --test planted -- --nocapture
//! ```
#![cfg(tinytorrent_planted)]
#![allow(clippy::disallowed_methods, reason = "worlds are played on all cores")]

use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tinytorrent_sim::{Breach, Plan};
use tinytorrent_swarm::planted::{Bug, plant};

/// A bug is in all engines of the process.
static TURN: Mutex<()> = Mutex::new(());

/// Worlds to play for a bug at most.
const WORLDS: u64 = 2_000;

#[test]
fn each_planted_bug_breaks_a_law_in_some_world() {
    let _turn = TURN.lock();
    // Broken invariants are what some of them lead to.
    panic::set_hook(Box::new(|_| {}));
    let mut unseen = Vec::new();
    for bug in Bug::ALL {
        plant(Some(bug));
        match first_breach() {
            Some((seed, breach)) => println!("{bug:?}: world {seed}: {breach}"),
            None => unseen.push(bug),
        }
    }
    plant(None);
    _ = panic::take_hook();
    assert_eq!(unseen, [], "bugs that no law has caught");
}

/// The first world in which a law is broken, and the breach.
fn first_breach() -> Option<(u64, Breach)> {
    let (next, found) = (AtomicU64::new(0), Mutex::new(None::<(u64, Breach)>));
    thread::scope(|threads| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_found = found.lock().unwrap().as_ref().is_some_and(|(n, _)| *n < seed);
                    if seed >= WORLDS || is_found {
                        return;
                    }
                    if let Some(breach) = Plan::draw(seed).play().breach {
                        let mut found = found.lock().unwrap();
                        if found.as_ref().is_none_or(|(n, _)| seed < *n) {
                            *found = Some((seed, breach));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn a_world_that_breaks_a_law_is_shrunk_to_one_that_breaks_it_too() {
    let _turn = TURN.lock();
    plant(Some(Bug::TrustsFailed));
    let (seed, breach) = first_breach().expect("it breaks a law");
    let plan = Plan::draw(seed);
    let name = plan.shrink(breach.law, 100);
    let smaller = Plan::named(&name);
    let again = smaller.play().breach.expect("it goes on to");
    plant(None);
    assert_eq!(again.law, breach.law);
    assert!(smaller.members.len() < plan.members.len(), "{name}");
    // By its name alone it is the same world.
    assert_eq!(
        format!("{:?}", Plan::named(&name.to_string().parse().unwrap())),
        format!("{smaller:?}")
    );
}
