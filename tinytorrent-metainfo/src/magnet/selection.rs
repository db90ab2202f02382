use core::fmt;
use core::ops::RangeInclusive;

/// A set of files by index, as ranges (BEP 53). A range takes the same memory whatever its width.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSelection {
    /// Ascending, with a gap between each two.
    ranges: Vec<RangeInclusive<u32>>,
}

impl FileSelection {
    /// The files of these ranges. A range that ends before its start is empty.
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        ranges.sort_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                // Adjacent ranges are merged too, so that each set of files has one form.
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }

    /// Reads a list such as `0,2,4-6`. Parts that are neither a number nor a range are left out.
    pub fn from_text(text: &str) -> Self {
        Self::new(Self::ranges_of(text))
    }

    /// The ranges of such a list, in its order.
    pub(super) fn ranges_of(text: &str) -> Vec<RangeInclusive<u32>> {
        text.split(',').take(super::Magnet::MAX_ENTRIES).filter_map(range).collect()
    }

    /// Returns true if no file is selected. In a magnet link this means all files.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns true if the file with this index is selected.
    pub fn contains(&self, index: u32) -> bool {
        let at = self.ranges.partition_point(|range| *range.end() < index);
        self.ranges.get(at).is_some_and(|range| range.contains(&index))
    }

    /// The ranges, ascending, with a gap between each two.
    pub fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.ranges
    }

    /// The files that are in this selection and not in the other.
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for range in &self.ranges {
            let first = other.ranges.partition_point(|taken| taken.end() < range.start());
            let taken = other.ranges[first..].iter().take_while(|it| it.start() <= range.end());
            // The first file that is not decided on; `None` behind the last index there can be.
            let mut next = Some(*range.start());
            for taken in taken {
                let before = next.zip(taken.start().checked_sub(1));
                left.extend(before.map(|(first, last)| first..=last));
                next = taken.end().checked_add(1);
            }
            left.extend(next.map(|first| first..=*range.end()));
        }
        Self::new(left)
    }

    /// The files that are in either selection.
    pub fn union(&self, other: &Self) -> Self {
        Self::new(self.ranges.iter().chain(&other.ranges).cloned())
    }
}

fn range(part: &str) -> Option<RangeInclusive<u32>> {
    let number = |text: &str| {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some(number(first)?..=number(last)?)
}

impl fmt::Display for FileSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.ranges.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}
