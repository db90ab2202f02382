//! Keeps the lanes full: each takes the next message when its own ends.

use crate::{
    algorithm::{Algorithm, Block},
    kernel::Kernel,
    message::{AsCore, Feed},
};

/// The widest kernel's lanes.
pub(crate) const MAX_LANES: usize = 16;

/// Runs all feeds to their ends and hands each back, with its place in the iteration.
pub(crate) fn run<'a, A, C, I>(
    plan: &[(Kernel, usize)],
    feeds: impl IntoIterator<Item = Feed<'a, C, I>>,
    mut finished: impl FnMut(usize, C),
) where
    C: AsCore<Algorithm = A>,
    A: Algorithm,
    I: Iterator<Item = &'a [u8]>,
{
    let lanes = plan[0].0.lanes();
    let mut waiting = feeds.into_iter().enumerate();
    let mut chains = [A::INITIAL; MAX_LANES];
    let mut busy: Vec<(usize, Feed<'a, C, I>)> = Vec::with_capacity(lanes);
    loop {
        while busy.len() < lanes {
            let Some((place, mut feed)) = waiting.next() else { break };
            if feed.prepare() {
                chains[busy.len()] = feed.core.core().chain;
                busy.push((place, feed));
            } else {
                finished(place, feed.core);
            }
        }
        if busy.is_empty() {
            return;
        }
        let count = step(plan, &mut chains[..busy.len()], &busy);
        for lane in (0..busy.len()).rev() {
            let feed = &mut busy[lane].1;
            feed.advance(count);
            if !feed.prepare() {
                let (place, mut feed) = busy.swap_remove(lane);
                feed.core.core_mut().chain = chains[lane];
                chains[lane] = chains[busy.len()];
                finished(place, feed.core);
            }
        }
    }
}

/// Compresses what all busy lanes have in common, and says how many blocks that was.
fn step<'a, A, C, I>(
    plan: &[(Kernel, usize)],
    mut chains: &mut [A::Chain],
    busy: &[(usize, Feed<'a, C, I>)],
) -> usize
where
    A: Algorithm,
    C: AsCore<Algorithm = A>,
    I: Iterator<Item = &'a [u8]>,
{
    let mut runs: [&[Block]; MAX_LANES] = [&[]; MAX_LANES];
    for (run, (_, feed)) in runs.iter_mut().zip(busy) {
        *run = feed.blocks();
    }
    let count = runs[..busy.len()].iter().map(|run| run.len()).min().unwrap_or(0);
    for run in &mut runs[..busy.len()] {
        *run = &run[..count];
    }
    let mut runs = &runs[..busy.len()];
    while !chains.is_empty() {
        let kernel = choose(plan, chains.len());
        let now = chains.len().min(kernel.lanes());
        let (chains_now, chains_left) = chains.split_at_mut(now);
        let (runs_now, runs_left) = runs.split_at(now);
        A::compress_lanes(kernel, chains_now, runs_now);
        (chains, runs) = (chains_left, runs_left);
    }
    count
}

/// The first kernel of the plan that pays for this many messages.
fn choose(plan: &[(Kernel, usize)], messages: usize) -> Kernel {
    let pays = plan.iter().find(|(_, least)| messages >= *least);
    pays.map_or(Kernel::Single, |(kernel, _)| *kernel)
}
