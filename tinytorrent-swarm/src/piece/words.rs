//! Sets of pieces, 64 pieces at a time: what two sets of two million pieces have in common is found
//! in microseconds.

use tinytorrent_types::Bitfield;

use super::Pieces;

/// Pieces in a word. The first one is the highest bit, as in the message (BEP 3, "peer messages").
const WORD: u32 = u64::BITS;

/// The word at this place of a set; bits beyond the end are zero.
pub(super) fn word(set: &Bitfield, at: u32) -> u64 {
    let (words, rest) = set.as_bytes().as_chunks();
    match words.get(at as usize) {
        Some(&word) => u64::from_be_bytes(word),
        None if at as usize == words.len() => {
            rest.iter().rev().fold(0, |word, &byte| word >> 8 | u64::from(byte) << 56)
        }
        None => 0,
    }
}

/// The same, of what a peer has. Of a peer that has everything, bits beyond the end are set.
pub(super) fn word_of(pieces: &Pieces, at: u32) -> u64 {
    match pieces {
        Pieces::All { .. } => u64::MAX,
        Pieces::Some(some) => word(some, at),
    }
}

/// Number of pieces among the first `piece_count` whose bit is set.
pub(super) fn count(piece_count: u32, word: impl Fn(u32) -> u64) -> u32 {
    (0..piece_count.div_ceil(WORD)).map(|at| word(at).count_ones()).sum()
}

/// Their indices, ascending, from this one on. A word without pieces costs one step.
pub(super) fn indices(
    from: u32,
    piece_count: u32,
    word: impl Fn(u32) -> u64,
) -> impl Iterator<Item = u32> {
    let first = from / WORD;
    let words = (first..piece_count.div_ceil(WORD)).map(move |at| {
        let before = if at == first { from % WORD } else { 0 };
        (at * WORD, word(at) & u64::MAX >> before)
    });
    let ascending = words.filter(|&(_, word)| word != 0).flat_map(|(base, word)| {
        let unseen = |rest: u64| (rest != 0).then_some(rest);
        let rests = std::iter::successors(unseen(word), move |rest| {
            unseen(rest & !(1 << 63 >> rest.leading_zeros()))
        });
        rests.map(move |rest| base + rest.leading_zeros())
    });
    ascending.take_while(move |&index| index < piece_count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tinytorrent_types::Geometry;

    use super::*;

    proptest! {
        #[test]
        fn words_hold_what_the_set_holds(
            members in prop::collection::btree_set(0_u32..200, 0..200),
            piece_count in 1_u32..200,
            from in 0_u32..210,
        ) {
            let geometry = Geometry::new(piece_count.into(), 1).unwrap();
            let mut set = Bitfield::new(piece_count);
            members.iter().filter_map(|&index| geometry.piece(index)).for_each(|p| {
                set.insert(p);
            });
            let has: Vec<_> = (from..piece_count).filter(|&index| set.get(index)).collect();
            let lacks: Vec<_> = (from..piece_count).filter(|&index| !set.get(index)).collect();
            let found = |word: &dyn Fn(u32) -> u64| {
                indices(from, piece_count, word).collect::<Vec<_>>()
            };
            prop_assert_eq!(found(&|at| word(&set, at)), has);
            prop_assert_eq!(found(&|at| !word(&set, at)), lacks);
            let all = Pieces::all(piece_count);
            prop_assert_eq!(found(&|at| word_of(&all, at)), Vec::from_iter(from..piece_count));
            prop_assert_eq!(count(piece_count, |at| word(&set, at)), set.count());
            prop_assert_eq!(count(piece_count + 200, |at| word(&set, at)), set.count());
            prop_assert_eq!(count(piece_count, |at| word(&set, at) & word_of(&all, at)), set.count());
        }
    }
}
