use std::fmt;
use std::ops::RangeInclusive;

use tinytorrent_metainfo::FileSelection;

/// How much a file or a piece is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Priority {
    /// It is not downloaded.
    Skip,
    /// It is downloaded after all others.
    Low,
    /// It is downloaded by its rarity.
    #[default]
    Normal,
    /// It is downloaded before all others.
    High,
}

impl Priority {
    /// All priorities, the least one first.
    pub const ALL: [Priority; 4] =
        [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Priority::Skip => "skip",
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
        })
    }
}

/// The priorities of the files and pieces of one torrent that have one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Priorities {
    pub(crate) files: Ranked,
    /// They count before those of their files.
    pub(crate) pieces: Ranked,
}

/// Indices by their priority. None is in two sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranked([FileSelection; 4]);

impl Priorities {
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.pieces.is_empty()
    }
}

impl Ranked {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(FileSelection::is_empty)
    }

    /// The priority of an index, if it has one of its own.
    pub(crate) fn get(&self, index: u32) -> Option<Priority> {
        Priority::ALL.into_iter().find(|&priority| self.of(priority).contains(index))
    }

    /// The indices of this priority.
    pub(crate) fn of(&self, priority: Priority) -> &FileSelection {
        &self.0[priority as usize]
    }

    /// Gives these indices a priority, or takes theirs away.
    pub(crate) fn set(&mut self, indices: &FileSelection, priority: Option<Priority>) {
        for set in &mut self.0 {
            *set = set.difference(indices);
        }
        if let Some(priority) = priority {
            self.0[priority as usize] = self.of(priority).union(indices);
        }
    }
}

/// A wish about what is to be downloaded.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// These files and no others.
    Only(FileSelection),
    /// These files so much.
    Files(FileSelection, Priority),
    /// These pieces so much, or as their files are.
    Pieces(RangeInclusive<u32>, Option<Priority>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_the_priority_that_it_was_given_last() {
        let mut ranked = Ranked::default();
        ranked.set(&FileSelection::from_text("0-9"), Some(Priority::High));
        ranked.set(&FileSelection::from_text("3-4,20"), Some(Priority::Skip));
        ranked.set(&FileSelection::from_text("4-5"), None);
        let of = |index| ranked.get(index);
        assert_eq!(
            [of(2), of(3), of(4), of(5), of(6)],
            [Some(Priority::High), Some(Priority::Skip), None, None, Some(Priority::High)]
        );
        assert_eq!(ranked.of(Priority::Skip).to_string(), "3,20");
        ranked.set(&FileSelection::new([0..=u32::MAX]), None);
        assert!(ranked.is_empty());
    }
}
