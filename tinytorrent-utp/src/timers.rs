use std::collections::BTreeSet;
use std::time::Instant;

use crate::ConnectionId;

/// Deadlines of connections, one each.
///
/// A deadline that moves back, as it does with each packet, changes nothing here: the connection is looked at too early
/// once, and then has a new one.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, ConnectionId)>);

impl Timers {
    /// Has a connection looked at by `deadline`; `armed` is its entry, which only this changes.
    pub(crate) fn set(
        &mut self,
        id: ConnectionId,
        armed: &mut Option<Instant>,
        deadline: Option<Instant>,
    ) {
        let Some(deadline) = deadline else { return };
        if armed.is_none_or(|at| deadline < at) {
            self.cancel(id, armed);
            self.0.insert((deadline, id));
            *armed = Some(deadline);
        }
    }

    pub(crate) fn cancel(&mut self, id: ConnectionId, armed: &mut Option<Instant>) {
        if let Some(at) = armed.take() {
            self.0.remove(&(at, id));
        }
    }

    /// Takes out a connection to be looked at; its entry is to be cleared.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<ConnectionId> {
        let &(at, id) = self.0.first()?;
        if now < at {
            return None;
        }
        self.0.pop_first();
        Some(id)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }
}
