//! Keeps the lanes full: each takes the next message when its own ends.

use crate::{
    algorithm::{Algorithm, Block},
    message::{AsCore, Feed},
};

/// The widest kernel's lanes.
pub(crate) const MAX_LANES: usize = 16;

/// Runs all feeds to their ends and hands each back, with its place in the iteration.
pub(crate) fn run<'a, A, C, I>(
    lanes: usize,
    compress: impl Fn(&mut [A::Chain], &[&[Block]]),
    feeds: impl IntoIterator<Item = Feed<'a, C, I>>,
    mut finished: impl FnMut(usize, C),
) where
    C: AsCore<Algorithm = A>,
    A: Algorithm,
    I: Iterator<Item = &'a [u8]>,
{
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
        let count = step(&mut chains[..busy.len()], &busy, &compress);
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
    chains: &mut [A::Chain],
    busy: &[(usize, Feed<'a, C, I>)],
    compress: impl Fn(&mut [A::Chain], &[&[Block]]),
) -> usize
where
    C: AsCore<Algorithm = A>,
    A: Algorithm,
    I: Iterator<Item = &'a [u8]>,
{
    let mut runs: [&[Block]; MAX_LANES] = [&[]; MAX_LANES];
    for (run, (_, feed)) in runs.iter_mut().zip(busy) {
        *run = feed.blocks();
    }
    let runs = &mut runs[..busy.len()];
    let count = runs.iter().map(|run| run.len()).min().unwrap_or(0);
    for run in runs.iter_mut() {
        *run = &run[..count];
    }
    compress(chains, runs);
    count
}
