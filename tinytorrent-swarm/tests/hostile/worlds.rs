//! One engine in each of many worlds, with faults of all kinds, and the laws of memory and of proportion.

use std::env;

use tinytorrent_sim::{Member, Plan, Role, info};

use crate::account;
use crate::laws::{Ledger, Terms};
use crate::on_all_cores;

/// Worlds to play: a few, or many where the code is optimized.
const WORLDS: u64 = if cfg!(debug_assertions) { 20 } else { 1_000 };

/// Plays a world, and measures the engine of one honest member. Gives the breach of a law.
fn play(number: u64) -> Option<String> {
    let plan = Plan::draw(number);
    let honest: Vec<_> = (0..plan.members.len()).filter(|&n| plan.members[n].is_honest()).collect();
    let node = honest[number as usize % honest.len()];
    let terms = terms(&plan, &plan.members[node]);
    let ledger = Ledger::new(terms.clone());
    let outcome = plan.play_measured(node, ledger.clone());
    let (peak, most) = (account::peak(), terms.most_held(ledger.peers()) as i64);
    let memory = (peak > most).then(|| format!("{} of {} KiB", peak >> 10, most >> 10));
    let broken = outcome.breach.map(|breach| breach.to_string());
    let figures =
        format!("{} of {} KiB, {} % of the work", peak >> 10, most >> 10, ledger.percent());
    if env::var_os("TINYTORRENT_CROWD").is_some() {
        println!("world {number}, node {node}: {figures}");
    }
    let breach = memory.or_else(|| ledger.breach()).or(broken);
    breach.map(|breach| format!("world {number}, node {node}: {breach}"))
}

fn terms(plan: &Plan, member: &Member) -> Terms {
    Terms {
        geometry: plan.geometry.clone(),
        places: member.choices.max_peers as u64,
        metadata: (member.role == Role::Link).then(|| info().len() as u64),
    }
}

#[test]
fn memory_and_work_are_bounded_in_every_world() {
    let only = env::var("TINYTORRENT_CROWD").ok().map(|number| number.parse().unwrap());
    let numbers = only.map_or(0..WORLDS, |number: u64| number..number + 1);
    let mut broken: Vec<_> = on_all_cores(numbers, play).into_iter().flatten().collect();
    broken.sort();
    assert!(broken.is_empty(), "{} worlds:\n{}", broken.len(), broken.join("\n"));
}
