use std::ops::Range;

/// The places of the first `count` entries of a cyclic list that begins at `start`, without the
/// place `hole`.
pub(super) fn cyclic_ranges(
    length: usize,
    start: usize,
    hole: Option<usize>,
    count: usize,
) -> [Range<usize>; 4] {
    // The end of the list is in no range, so it stands for no hole.
    let hole = hole.unwrap_or(length);
    let without_hole = |range: Range<usize>| {
        let cut = hole.clamp(range.start, range.end);
        [range.start..cut, (cut + usize::from(range.contains(&hole)))..range.end]
    };
    let ([a, b], [c, d]) = (without_hole(start..length), without_hole(0..start));
    let mut room = count;
    [a, b, c, d].map(|range| {
        let taken = range.len().min(room);
        room -= taken;
        range.start..range.start + taken
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Stepping through the list is the specification.
        #[test]
        fn ranges_are_the_steps_once_around_the_list(
            length in 0usize..20, start in 0usize..20, hole in prop::option::of(0usize..20),
            count in 0usize..25,
        ) {
            let start = start % length.max(1);
            let steps = (start..length).chain(0..start).filter(|at| Some(*at) != hole).take(count);
            let ranges = cyclic_ranges(length, start, hole, count).into_iter().flatten();
            prop_assert_eq!(ranges.collect::<Vec<_>>(), steps.collect::<Vec<_>>());
        }
    }
}
