use crate::planted::{Bug, is_planted};

/// The bytes of blocks that may wait for the disk: above, peers are asked for no more.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    /// Bytes accepted that the disk has not written.
    unwritten: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, unwritten: 0 }
    }

    pub(super) fn set(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Returns true if nothing more may be asked for.
    pub(super) fn is_spent(&self) -> bool {
        self.unwritten >= self.limit && !is_planted(Bug::IgnoresBudget)
    }

    /// The same, once so many more bytes have come.
    pub(super) fn would_be_spent(&self, bytes: u64) -> bool {
        self.unwritten + bytes >= self.limit
    }

    pub(super) fn take(&mut self, bytes: u64) {
        self.unwritten += bytes;
    }

    /// Bytes are written. Returns true if that makes room where there was none.
    pub(super) fn give_back(&mut self, bytes: u64) -> bool {
        let was_spent = self.is_spent();
        let bytes = if is_planted(Bug::LeaksBudget) { bytes / 2 } else { bytes };
        debug_assert!(bytes <= self.unwritten, "the disk writes what it was given");
        self.unwritten = self.unwritten.saturating_sub(bytes);
        was_spent && !self.is_spent()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_told_once_when_there_was_none() {
        let mut budget = Budget::new(10);
        budget.take(9);
        assert!(!budget.is_spent() && !budget.give_back(1));
        budget.take(5);
        assert!(budget.is_spent() && !budget.give_back(3));
        assert!(budget.give_back(1) && !budget.give_back(1));
        budget.set(0);
        assert!(budget.is_spent());
    }
}
