use std::time::{Duration, Instant};

/// The count of the places that are taken, and their limit, which follows the number of descriptors that
/// there really are.
///
/// The limit sinks by an eighth when something needs a descriptor and finds none, and rises by a quarter in
/// each 15 s without that. So a process that has fewer descriptors than it was told, or that shares
/// those of the system with others, comes to rest at as many connections as leave some for files.
#[derive(Debug)]
pub(super) struct Table {
    /// The limit while there are descriptors.
    most: usize,
    limit: usize,
    taken: usize,
    /// Connections that have to be closed, and that nobody closes yet.
    excess: usize,
    /// The last time that the limit changed.
    changed: Option<Instant>,
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(FEWEST);
        Self { most, limit: most, taken: 0, excess: 0, changed: None }
    }

    /// The number of places that are taken, and the limit.
    pub(super) fn taken(&self) -> (usize, usize) {
        (self.taken, self.limit)
    }

    /// Changes the number of places while there are descriptors. Returns `true` if connections are to be closed.
    pub(super) fn set_most(&mut self, most: usize) -> bool {
        self.most = most.max(FEWEST);
        // A lack of descriptors goes on.
        self.limit = if self.changed.is_some() { self.limit.min(self.most) } else { self.most };
        self.excess = self.taken.saturating_sub(self.limit);
        self.excess > 0
    }

    /// Takes a place for a connection that we make. Returns `false` if all are taken.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.grow(now);
        self.take_below(self.limit)
    }

    /// Takes a place for a connection that comes in, which gets three quarters of them.
    pub(super) fn take_incoming(&mut self, now: Instant) -> bool {
        self.grow(now);
        self.take_below(self.limit - self.limit / 4)
    }

    fn take_below(&mut self, limit: usize) -> bool {
        let is_free = self.taken < limit;
        self.taken += usize::from(is_free);
        is_free
    }

    /// Takes back a place.
    pub(super) fn release(&mut self) {
        self.taken -= 1;
    }

    /// Notes that no descriptor is left, so that connections have to make room. Returns `true` if some are to
    /// be closed.
    pub(super) fn note_shortage(&mut self, now: Instant) -> bool {
        // Several notice the same lack, and a connection takes a moment to be closed.
        if self.changed.is_some_and(|changed| now < changed + PACE) {
            return false;
        }
        let used = self.limit.min(self.taken);
        // An eighth, and at least one.
        self.limit = used.saturating_sub((used / 8).max(1)).max(LEAST);
        self.changed = Some(now);
        self.excess = self.taken.saturating_sub(self.limit);
        self.excess > 0
    }

    /// Takes the number of connections that the caller has to close.
    pub(super) fn take_excess(&mut self) -> usize {
        std::mem::take(&mut self.excess).min(self.taken.saturating_sub(self.limit))
    }

    fn grow(&mut self, now: Instant) {
        while let Some(changed) = self.changed
            && now >= changed + GROWTH
        {
            self.limit = (self.limit + (self.limit / 4).max(1)).min(self.most);
            self.changed = (self.limit < self.most).then_some(changed + GROWTH);
        }
    }
}

/// Places that there are while there are descriptors, however few the options allow.
const FEWEST: usize = 4;

/// Places that there are in any case, without which nothing could be downloaded.
const LEAST: usize = 1;

/// Time between two changes of the limit downwards.
const PACE: Duration = Duration::from_millis(500);

/// Time without a shortage after which the limit rises.
const GROWTH: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_places_for_connections_that_we_make() {
        let (mut table, now) = (Table::new(8), Instant::now());
        let came = (0..20).filter(|_| table.take_incoming(now)).count();
        let made = (0..20).filter(|_| table.take(now)).count();
        assert_eq!((came, made), (6, 2));
        (0..3).for_each(|_| table.release());
        assert!(table.take_incoming(now) && !table.take_incoming(now));
        assert!(table.take(now) && table.take(now) && !table.take(now));
    }

    #[test]
    fn a_shortage_closes_connections_by_eighths_and_leaves_a_few() {
        let (mut table, mut now) = (Table::new(1000), Instant::now());
        while table.taken < 32 {
            table.take(now);
        }
        let mut counts = Vec::new();
        while table.note_shortage(now) {
            assert!(!table.note_shortage(now), "others notice the same one");
            let count = table.take_excess();
            (0..count).for_each(|_| table.release());
            counts.push(count);
            assert!(!table.take(now), "their places are not taken by others");
            now += PACE;
        }
        assert_eq!(counts[..4], [4, 3, 3, 2]);
        assert_eq!(table.taken, LEAST);
    }

    #[test]
    fn the_number_of_places_changes_at_once_but_for_a_lack_of_descriptors() {
        let (mut table, now) = (Table::new(100), Instant::now());
        (0..50).for_each(|_| _ = table.take(now));
        assert!(table.set_most(20) && !table.take(now));
        assert_eq!(table.take_excess(), 30);
        (0..30).for_each(|_| table.release());
        assert!(!table.set_most(40) && table.take(now));
        assert!(table.note_shortage(now));
        let limit = table.limit;
        table.set_most(200);
        assert_eq!(table.limit, limit, "there are no more descriptors by that");
        table.grow(now + 100 * GROWTH);
        assert_eq!(table.limit, 200);
    }

    #[test]
    fn places_come_back_slowly_without_a_shortage() {
        let (mut table, now) = (Table::new(100), Instant::now());
        (0..80).for_each(|_| _ = table.take(now));
        assert!(table.note_shortage(now));
        assert_eq!(table.limit, 70);
        let mut limits = Vec::new();
        for steps in 0..4 {
            table.grow(now + steps * GROWTH);
            limits.push(table.limit);
        }
        assert_eq!(limits, [70, 87, 100, 100]);
        let later = now + 9 * GROWTH;
        assert!(table.note_shortage(later));
        assert!(!table.take(later + GROWTH / 2) && table.take(later + GROWTH));
    }

    #[test]
    fn connections_that_end_by_themselves_count_as_closed() {
        let (mut table, now) = (Table::new(100), Instant::now());
        (0..40).for_each(|_| _ = table.take(now));
        assert!(table.note_shortage(now));
        (0..4).for_each(|_| table.release());
        assert_eq!(table.take_excess(), 1);
        assert_eq!(table.take_excess(), 0, "somebody is at it");
    }
}
