/// Bytes a second that each torrent may have of a limit over all, by the rates that they have now.
///
/// Each gets what it uses and half as much again, as far as there is enough; if there is not, those that use
/// most get equal parts. What is left is divided equally. The parts add up to the limit at most, so that
/// the limit holds at every moment.
pub(crate) fn allot(limit: u64, rates: &[u64]) -> Vec<u64> {
    let count = rates.len() as u64;
    if count == 0 {
        return Vec::new();
    }
    // Something for those that have just begun.
    let least = limit / count / 10;
    let wishes: Vec<u64> =
        rates.iter().map(|rate| rate.saturating_add(rate / 2).max(least)).collect();
    let mut order: Vec<usize> = (0..rates.len()).collect();
    order.sort_unstable_by_key(|&at| wishes[at]);
    let (mut left, mut parts) = (limit, vec![0; rates.len()]);
    for (others, at) in (1..=count).rev().zip(order) {
        parts[at] = wishes[at].min(left / others);
        left -= parts[at];
    }
    let extra = left / count;
    parts.iter_mut().for_each(|part| *part += extra);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_single_torrent_has_all_and_equal_ones_have_equal_parts() {
        assert_eq!(allot(900, &[0]), [900]);
        assert_eq!(allot(900, &[7, 7, 7]), [300, 300, 300]);
        assert_eq!(allot(0, &[5, 5]), [0, 0]);
        assert_eq!(allot(900, &[]), Vec::<u64>::new());
    }

    #[test]
    fn what_a_slow_one_does_not_use_goes_to_the_others() {
        let parts = allot(1_000_000, &[10_000, 900_000]);
        assert!(parts[0] >= 15_000 && parts[1] >= 900_000, "{parts:?}");
    }

    proptest! {
        #[test]
        fn the_parts_never_exceed_the_limit_and_nobody_starves(
            limit in 0_u64..1 << 40,
            rates in prop::collection::vec(prop_oneof![0_u64..1 << 34, Just(u64::MAX)], 1..40),
        ) {
            let parts = allot(limit, &rates);
            prop_assert!(parts.iter().sum::<u64>() <= limit);
            let least = limit / rates.len() as u64 / 10;
            prop_assert!(parts.iter().all(|&part| part >= least));
            // At most a byte for each is left to nobody.
            prop_assert!(parts.iter().sum::<u64>() + rates.len() as u64 > limit);
        }
    }
}
