//! The shrinking of worlds that break a law, to the least that breaks it.

use std::time::Duration;

use super::{Plan, WorldName};
use crate::laws::Law;

impl Plan {
    /// The name of the smallest world found in which the same law is broken: with fewer members and faults, and over
    /// sooner. Plays so many worlds at most.
    pub fn shrink(&self, law: Law, mut worlds: u32) -> WorldName {
        let mut smallest = self.name.clone();
        let mut breaks = |name: &WorldName| {
            if worlds == 0 {
                return None;
            }
            worlds -= 1;
            Plan::named(name).play().breach.filter(|breach| breach.law == law)
        };
        // Halves first, and then each by itself, as long as something goes.
        let mut numbers: Vec<Part> = self.parts();
        let mut size = numbers.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < numbers.len() {
                let end = (at + size).min(numbers.len());
                let smaller = numbers[at..end].iter().fold(smallest.clone(), Part::leave_out);
                if breaks(&smaller).is_some() {
                    numbers.drain(at..end);
                    smallest = smaller;
                } else {
                    at = end;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
        // A little behind the breach, which is where somebody will look.
        if let Some(breach) = breaks(&smallest) {
            let lasts = Some(breach.at + Duration::from_millis(1));
            let shorter = WorldName { lasts, ..smallest.clone() };
            if breaks(&shorter).is_some() {
                smallest = shorter;
            }
        }
        smallest
    }

    fn parts(&self) -> Vec<Part> {
        let members = self.members.iter().map(|member| Part::Member(member.number));
        members.chain(self.faults.iter().map(|fault| Part::Fault(fault.number))).collect()
    }
}

/// A member or a fault, by its number.
#[derive(Debug, Clone, Copy)]
enum Part {
    Member(usize),
    Fault(usize),
}

impl Part {
    fn leave_out(mut name: WorldName, part: &Self) -> WorldName {
        match *part {
            Self::Member(number) => _ = name.without_members.insert(number),
            Self::Fault(number) => _ = name.without_faults.insert(number),
        }
        name
    }
}
