use std::collections::BTreeSet;

/// The packets that have come, by number.
#[derive(Debug, Default)]
pub(in super::super) struct Receiver {
    /// The first that has not come.
    next: u64,
    early: BTreeSet<u64>,
    latest: [u64; 3],
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Ack {
    /// The first packet that has not come.
    pub(super) next: u64,
    /// The last three that have come, this one first, in place of blocks (RFC 2018).
    pub(super) latest: [u64; 3],
}

impl Receiver {
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Takes a packet, and acknowledges it.
    pub(in super::super) fn accept(&mut self, number: u64) -> Ack {
        if number == self.next {
            self.next += 1;
            while self.early.remove(&self.next) {
                self.next += 1;
            }
        } else if number > self.next {
            self.early.insert(number);
        }
        self.latest = [number, self.latest[0], self.latest[1]];
        Ack { next: self.next, latest: self.latest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_holds_the_number_and_the_others_are_named() {
        let mut receiver = Receiver::default();
        for (number, next, latest) in [(0, 1, [0, 0, 0]), (2, 1, [2, 0, 0]), (1, 3, [1, 2, 0])] {
            assert_eq!(receiver.accept(number), Ack { next, latest });
        }
        assert_eq!((receiver.accept(1).next, receiver.next()), (3, 3));
    }
}
