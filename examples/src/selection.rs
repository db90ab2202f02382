use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use tinytorrent_metainfo::FileSelection;

/// Files chosen by index, as `0,2-4`.
///
/// It keeps ranges, never the indices within them, so `0-4294967295` costs no memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    ranges: Vec<RangeInclusive<usize>>,
}

/// An error in a selection of files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectionError {
    /// This part is neither `N` nor `N-M`.
    NotARange(String),
    /// This range ends before it starts.
    Reversed(String),
}

impl Selection {
    /// Returns `true` if the file with this index is chosen.
    pub fn contains(&self, index: usize) -> bool {
        self.ranges.iter().any(|range| range.contains(&index))
    }

    /// The chosen ones among `count` files, ascending.
    pub fn indices(&self, count: usize) -> Vec<usize> {
        (0..count).filter(|&index| self.contains(index)).collect()
    }

    /// The same, as the libraries take it.
    pub fn to_files(&self) -> FileSelection {
        let index = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let ranges = self.ranges.iter();
        FileSelection::new(ranges.map(|range| index(*range.start())..=index(*range.end())))
    }

    /// The first index that was asked for and does not exist among `count` files.
    pub fn beyond(&self, count: usize) -> Option<usize> {
        let last = self.ranges.iter().map(|range| *range.end()).max()?;
        (last >= count).then_some(last)
    }
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let ranges = text.split(',').map(parse_range).collect::<Result<_, _>>()?;
        Ok(Self { ranges })
    }
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionError::NotARange(part) => {
                write!(f, "`{part}` is neither a file's index nor a range of them, as in 0,2-4")
            }
            SelectionError::Reversed(part) => write!(f, "`{part}` ends before it starts"),
        }
    }
}

impl std::error::Error for SelectionError {}

fn parse_range(part: &str) -> Result<RangeInclusive<usize>, SelectionError> {
    let number = |digits: &str| -> Result<usize, SelectionError> {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = if plain { digits.parse().ok() } else { None };
        number.ok_or_else(|| SelectionError::NotARange(part.to_owned()))
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let range = number(first)?..=number(last)?;
    if range.is_empty() { Err(SelectionError::Reversed(part.to_owned())) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_ranges_are_chosen() {
        let selection: Selection = "0,2-4".parse().unwrap();
        assert_eq!(selection.indices(10), [0, 2, 3, 4]);
        assert_eq!(selection.indices(3), [0, 2]);
    }

    #[test]
    fn index_beyond_the_files_is_found() {
        let selection: Selection = "0,2-4".parse().unwrap();
        assert_eq!(selection.beyond(5), None);
        assert_eq!(selection.beyond(4), Some(4));
        assert_eq!(selection.beyond(0), Some(4));
    }

    #[test]
    fn huge_range_costs_nothing() {
        let selection: Selection = format!("0-{}", usize::MAX).parse().unwrap();
        assert_eq!(selection.indices(2), [0, 1]);
    }

    #[test]
    fn wrong_parts_are_named() {
        for (text, part) in [("", ""), ("1,", ""), ("1,x", "x"), ("-1", "-1"), ("1-2-3", "1-2-3")] {
            let error = text.parse::<Selection>().unwrap_err();
            assert_eq!(error, SelectionError::NotARange(part.to_owned()), "{text:?}");
        }
        let error = "4-2".parse::<Selection>().unwrap_err();
        assert_eq!(error, SelectionError::Reversed("4-2".to_owned()));
    }
}
