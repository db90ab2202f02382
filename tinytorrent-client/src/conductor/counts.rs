/// Deals a number of things among torrents, one at a time in turn, to those who wish for more. `first` is dealt
/// to first.
pub(crate) fn deal(count: usize, wishes: &[usize], first: usize) -> Vec<usize> {
    let (mut left, mut dealt) = (count, vec![0; wishes.len()]);
    let order = |at: usize| (first + at) % wishes.len();
    let mut hungry: Vec<usize> =
        (0..wishes.len()).map(order).filter(|&at| wishes[at] > 0).collect();
    while left > 0 && !hungry.is_empty() {
        // Whole rounds at a time, so that the time does not grow with the count.
        let least = hungry.iter().map(|&at| wishes[at] - dealt[at]).min().unwrap_or_default();
        let rounds = least.min(left / hungry.len());
        if rounds == 0 {
            hungry.iter().take(left).for_each(|&at| dealt[at] += 1);
            break;
        }
        hungry.iter().for_each(|&at| dealt[at] += rounds);
        left -= rounds * hungry.len();
        hungry.retain(|&at| dealt[at] < wishes[at]);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn those_who_wish_for_most_have_equal_parts_and_turns() {
        assert_eq!(deal(10, &[1, 9, 9, 0], 0), [1, 5, 4, 0]);
        assert_eq!(deal(10, &[1, 9, 9, 0], 2), [1, 4, 5, 0]);
        assert_eq!(deal(1, &[5, 5], 1), [0, 1]);
        assert_eq!(deal(usize::MAX, &[3, 0], 7), [3, 0]);
        assert!(deal(3, &[], 7).is_empty());
    }

    proptest! {
        #[test]
        fn all_is_dealt_that_is_wished_for_and_nothing_else(
            count in 0_usize..500,
            wishes in prop::collection::vec(0_usize..50, 0..30),
            first: u8,
        ) {
            let dealt = deal(count, &wishes, first.into());
            prop_assert_eq!(dealt.iter().sum::<usize>(), count.min(wishes.iter().sum()));
            prop_assert!(dealt.iter().zip(&wishes).all(|(dealt, wish)| dealt <= wish));
            let poorest = dealt.iter().zip(&wishes).filter(|(dealt, wish)| dealt < wish);
            let poorest = poorest.map(|(dealt, _)| *dealt).min();
            prop_assert!(poorest.is_none_or(|poorest| dealt.iter().all(|&dealt| dealt <= poorest + 1)));
        }
    }
}
