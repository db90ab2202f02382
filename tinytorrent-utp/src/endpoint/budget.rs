/// The memory that the queues of all connections have together.
///
/// Each queue may hold as much as is free. So full ones hold the same, whoever came first, and leave as much for the next
/// one: two of them a third of all each, and a thousand a thousandth.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    used: usize,
}

impl Budget {
    pub(super) fn new(most: usize) -> Self {
        Self { most, used: 0 }
    }

    /// Has another number of bytes from now on. Queues that hold more give nothing up.
    pub(super) fn set(&mut self, most: usize) {
        self.most = most;
    }

    /// Bytes that a queue may hold now.
    pub(super) fn share(&self) -> usize {
        self.most.saturating_sub(self.used)
    }

    /// Bytes that all queues hold.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Counts what a connection holds, instead of what it did when this was called before.
    pub(super) fn count(&mut self, counted: &mut usize, held: usize) {
        self.used = self.used - *counted + held;
        *counted = held;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_take_all_they_may_hold_the_same_and_leave_as_much() {
        let mut budget = Budget::new(1_000);
        let mut held = [0; 4];
        for _ in 0..1_000 {
            for counted in &mut held {
                let grown = (*counted + 1).min(budget.share().max(*counted));
                budget.count(counted, grown);
            }
        }
        assert_eq!((held, budget.share(), budget.used()), ([200; 4], 200, 800));
        budget.count(&mut held[0], 0);
        assert_eq!(budget.share(), 400);
        budget.set(500);
        assert_eq!((budget.share(), budget.used()), (0, 600));
    }
}
