//! The happenings of a world that are to come, and the deadlines of its engines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::Node;
use super::happening::Happening;

#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// In order of time and then of cause.
    queue: BTreeMap<(Instant, u64), Due>,
    sequence: u64,
    /// The next deadline of each engine that has one.
    deadlines: BTreeSet<(Instant, Node)>,
}

/// Something that is to happen to a node, in one of its lives.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) node: Node,
    pub(super) life: u32,
    pub(super) happening: Happening,
}

/// The next thing in a world.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(super) enum Turn {
    Deadline(Node),
    Happening(Due),
}

impl Schedule {
    /// Has something happen at an instant, behind what was to happen then before.
    pub(super) fn add(&mut self, at: Instant, due: Due) {
        // So that each run is the same.
        self.sequence += 1;
        self.queue.insert((at, self.sequence), due);
    }

    pub(super) fn set_deadline(
        &mut self,
        node: Node,
        before: Option<Instant>,
        now: Option<Instant>,
    ) {
        before.map(|before| self.deadlines.remove(&(before, node)));
        self.deadlines.extend(now.map(|at| (at, node)));
    }

    /// Nothing is to happen to a node any more.
    pub(super) fn forget(&mut self, node: Node) {
        self.queue.retain(|_, due| due.node != node);
    }

    /// The instant of the next thing.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let happening = self.queue.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        happening.into_iter().chain(deadline).min()
    }

    /// Takes out the next thing, unless it is behind the end.
    pub(super) fn next(&mut self, end: Instant) -> Option<(Instant, Turn)> {
        let at = self.next_at().filter(|at| *at <= end)?;
        let deadline = self.deadlines.first().copied();
        // Deadlines come before happenings of the same instant, so that each run has one order.
        let turn = match deadline.filter(|(due, _)| *due <= at) {
            Some((_, node)) => Turn::Deadline(node),
            None => Turn::Happening(self.queue.pop_first()?.1),
        };
        Some((at, turn))
    }
}
