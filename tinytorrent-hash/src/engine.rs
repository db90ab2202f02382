//! The distribution of messages over lanes: each lane takes the next message when its own ends.

use crate::{
    algorithm::{Algorithm, Block},
    kernel::Kernel,
    message::{AsCore, Feed},
};

/// The number of lanes of the widest kernel.
pub(crate) const MAX_LANES: usize = 16;

/// Runs all feeds to their ends. Calls `finished` for each, with its place in the iteration.
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
        // A kernel with free lanes takes as long as with busy ones.
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
        // From the last lane, as `swap_remove` moves it to the place of a finished one.
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

/// Compresses as many blocks of each busy lane as the shortest run has, and returns their number.
fn step<'a, A, C, I>(
    plan: &[(Kernel, usize)],
    chains: &mut [A::Chain],
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
    compress::<A>(plan, chains, &runs[..busy.len()]);
    count
}

/// Compresses runs of equal length, with the kernels of the plan for their number.
pub(crate) fn compress<A: Algorithm>(
    plan: &[(Kernel, usize)],
    mut chains: &mut [A::Chain],
    mut runs: &[&[Block]],
) {
    while !chains.is_empty() {
        let kernel = choose(plan, chains.len());
        let now = chains.len().min(kernel.lanes());
        let (chains_now, chains_left) = chains.split_at_mut(now);
        let (runs_now, runs_left) = runs.split_at(now);
        A::compress_lanes(kernel, chains_now, runs_now);
        (chains, runs) = (chains_left, runs_left);
    }
}

/// The first kernel of the plan that is worth it for this number of messages.
fn choose(plan: &[(Kernel, usize)], messages: usize) -> Kernel {
    let pays = plan.iter().find(|(_, least)| messages >= *least);
    pays.map_or(Kernel::Single, |(kernel, _)| *kernel)
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;
    use crate::{
        algorithm::{Sha1Algorithm, Sha256Algorithm},
        kernel,
        message::Core,
    };

    #[test]
    fn the_widest_kernel_has_no_more_lanes_than_the_engine() {
        assert!(Kernel::ALL.iter().all(|kernel| kernel.lanes() <= MAX_LANES));
    }

    #[test]
    fn a_kernel_that_does_not_pay_leaves_the_rest_to_the_next() {
        let plan = [(Kernel::Avx512, 12), (Kernel::ShaNi, 2), (Kernel::Single, 1)];
        let chosen = [16, 12, 11, 2, 1].map(|messages| choose(&plan, messages));
        let expected =
            [Kernel::Avx512, Kernel::Avx512, Kernel::ShaNi, Kernel::ShaNi, Kernel::Single];
        assert_eq!(chosen, expected);
    }

    /// A lane takes the next message when its own ends, so short messages finish before a long one.
    #[test]
    fn a_short_message_does_not_wait_for_a_long_one() {
        let long = [0; 64 * 100];
        let messages = iter::once(&long[..]).chain(iter::repeat_n(&long[..64], 40));
        let feeds =
            messages.map(|message| Feed::last(Core::<Sha1Algorithm>::new(), iter::once(message)));
        let mut order = Vec::new();
        // Single has one lane; pairs keep the long message in a lane while the others pass.
        let plan = if Kernel::ShaNi.is_available() { Kernel::ShaNi } else { Kernel::Single };
        run(&[(plan, 1)], feeds, |place, _| order.push(place));
        let expected = if plan == Kernel::Single { 0 } else { 40 };
        assert_eq!(order.iter().position(|place| *place == 0), Some(expected));
    }

    #[test]
    fn every_message_is_handed_back_once() {
        for plan in [kernel::sha1_plan(), kernel::sha256_plan()] {
            let message = [0; 1_000];
            // In Miri a hundred would take minutes.
            let count = if cfg!(miri) { 20 } else { 100 };
            let feeds = (0..count).map(|i| {
                Feed::last(Core::<Sha256Algorithm>::new(), iter::once(&message[..i * 10]))
            });
            let mut places = Vec::new();
            run(plan, feeds, |place, _| places.push(place));
            places.sort_unstable();
            assert_eq!(places, (0..count).collect::<Vec<_>>());
        }
    }
}
