use std::fmt;

/// The number of a packet: 16 bits that wrap around.
///
/// Numbers are compared on a circle, so that an order exists only between those that are less than half of it apart
/// (P-03).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SeqNr(u16);

impl SeqNr {
    /// The number as it stands in a header.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number for a header.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number `steps` further on.
    #[must_use]
    pub const fn plus(self, steps: u16) -> Self {
        Self(self.0.wrapping_add(steps))
    }

    /// The number `steps` before.
    #[must_use]
    pub const fn minus(self, steps: u16) -> Self {
        Self(self.0.wrapping_sub(steps))
    }

    /// Steps from `other` to this number; below zero if this one comes first.
    pub const fn since(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i16 as i32
    }

    /// True if this number comes before `other`.
    pub const fn precedes(self, other: Self) -> bool {
        self.since(other) < 0
    }
}

impl fmt::Debug for SeqNr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-03
    #[test]
    fn numbers_are_compared_on_a_circle() {
        let last = SeqNr::new(u16::MAX);
        assert_eq!(last.plus(1), SeqNr::new(0));
        assert_eq!(SeqNr::new(0).minus(1), last);
        assert!(last.precedes(SeqNr::new(0)) && !SeqNr::new(0).precedes(last));
        assert_eq!(SeqNr::new(2).since(last), 3);
        assert_eq!(last.since(SeqNr::new(2)), -3);
        assert!(!last.precedes(last));
    }
}
