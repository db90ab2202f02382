//! Random crowds of attackers around one honest peer, and three laws that hold in each of them:
//!
//! - An honest source is enough: while one honest seed can be reached and has a free slot for us, a download
//!   completes within twice its undisturbed time and ten seconds; ten more if trackers that lie come before
//!   the one that knows the seed, and a minute more from a super seed, which waits for others.
//! - Memory is what the user said: see [`laws::Terms::most_held`].
//! - Work is in proportion to what comes: see [`laws::Terms::credit`]. `.ci/run hostile` builds so that steps
//!   are counted; in other builds what is allocated counts alone.
//!
//! The last two hold as well for an engine in each of many worlds of `tinytorrent-sim`: see [`worlds`].
//!
//! A crowd is drawn from its number, which is told if it breaks a law. `TINYTORRENT_CROWD=NUMBER` plays that
//! one alone, and tells its figures with `--nocapture`.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![allow(
    clippy::disallowed_methods,
    reason = "the crowds are shared among threads, or one is named"
)]

mod account;
mod attack;
mod crowd;
mod laws;
mod scene;
mod speech;
mod worlds;

use std::env;
use std::fmt;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crowd::Crowd;
use laws::{Ledger, Terms};
use scene::Scene;

/// Time that a super seed may take to see that nobody passes on what the honest peer has.
const SUPER_SEEDING: Duration = Duration::from_secs(60);

/// Crowds to draw: a few, or many where the code is optimized.
const CROWDS: u64 = if cfg!(debug_assertions) { 20 } else { 1_000 };

/// What came of each crowd. They are played once for all laws.
static OUTCOMES: LazyLock<Vec<Outcome>> = LazyLock::new(play_all);

/// What came of a crowd.
#[derive(Debug)]
struct Outcome {
    number: u64,
    crowd: Crowd,
    /// The time that the pieces took, if they came in time, and the time that they might take.
    time: Option<Duration>,
    limit: Duration,
    /// Most bytes that were held, and that may be.
    peak: [u64; 2],
    /// Bytes that were held when all had left, and that may be.
    left: [u64; 2],
    /// Bytes that seem to be held when the engine is gone: an error of the account.
    lost: i64,
    /// The work, in percent of what it may come to.
    percent: u64,
    /// The work that exceeds it.
    breach: Option<String>,
}

impl Outcome {
    fn of(number: u64) -> Self {
        let crowd = Crowd::draw(number);
        let alone = Scene::new(&crowd, &[], None).run(Duration::from_secs(600));
        let alone = alone.expect("nobody is in its way");
        let wait = Duration::from_secs(if crowd.has_trackers() { 20 } else { 10 });
        let limit = 2 * alone + wait + if crowd.is_super { SUPER_SEEDING } else { Duration::ZERO };
        let terms = Terms::of(&crowd);
        let ledger = Ledger::new(terms.clone());
        let mut scene = Scene::new(&crowd, &crowd.attackers, Some(ledger.clone()));
        let time = scene.run(limit);
        let known = scene.end();
        let [peak, left] = [account::peak(), account::held()].map(|bytes| bytes.max(0) as u64);
        scene.free();
        Self {
            number,
            time,
            limit,
            peak: [peak, terms.most_held(ledger.peers())],
            left: [left, terms.most_left(known)],
            lost: account::held(),
            percent: ledger.percent(),
            breach: ledger.breach(),
            crowd,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, crowd, time, limit, peak, left, percent, .. } = self;
        writeln!(f, "{number}: {crowd}")?;
        let time = time.map_or("too long".into(), |time| format!("{time:.2?}"));
        write!(f, "    {time} of {limit:.2?}, {} of {} KiB, ", peak[0] >> 10, peak[1] >> 10)?;
        write!(f, "then {} of {} KiB, {percent} % of the work", left[0] >> 10, left[1] >> 10)
    }
}

fn play_all() -> Vec<Outcome> {
    let only = env::var("TINYTORRENT_CROWD").ok().map(|number| number.parse().unwrap());
    let numbers = only.map_or(0..CROWDS, |number: u64| number..number + 1);
    let mut all = on_all_cores(numbers, play);
    all.sort_by_key(|outcome| outcome.number);
    if only.is_some() {
        all.iter().for_each(|outcome| println!("{outcome}"));
    }
    all
}

/// What is made of each of these numbers, in any order.
fn on_all_cores<T: Send>(numbers: Range<u64>, make: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(numbers.start);
    let make_some = || {
        let drawn = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        drawn.take_while(|number| numbers.contains(number)).map(&make).collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(make_some)).collect();
        players.into_iter().flat_map(|player| player.join().unwrap()).collect()
    })
}

fn play(number: u64) -> Outcome {
    // An engine that contradicts itself panics, and the number tells how to see it again.
    panic::catch_unwind(AssertUnwindSafe(|| Outcome::of(number))).unwrap_or_else(|panic| {
        eprintln!("in crowd {number}:");
        panic::resume_unwind(panic)
    })
}

/// Panics if some crowds broke a law, and tells which.
fn expect_none(is_broken: impl Fn(&Outcome) -> bool) {
    let broken = OUTCOMES.iter().filter(|outcome| is_broken(outcome));
    let told: Vec<_> = broken.map(|outcome| format!("{outcome} {:?}", outcome.breach)).collect();
    assert!(told.is_empty(), "{} of {}:\n{}", told.len(), OUTCOMES.len(), told.join("\n"));
}

#[test]
fn an_honest_peer_is_enough() {
    // S-05, S-07, S-28
    expect_none(|outcome| outcome.time.is_none());
}

#[test]
fn memory_is_what_the_user_said() {
    expect_none(|outcome| outcome.peak[0] > outcome.peak[1]);
    expect_none(|outcome| outcome.left[0] > outcome.left[1]);
    expect_none(|outcome| outcome.lost != 0);
}

#[test]
fn work_is_in_proportion() {
    expect_none(|outcome| outcome.breach.is_some());
    // `.ci/run hostile` says that its build counts.
    let is_counted = account::steps() > 0;
    assert!(is_counted || env::var_os("TINYTORRENT_STEPS").is_none(), "no step was counted");
}
