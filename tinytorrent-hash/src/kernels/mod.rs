//! The kernels of x86-64: compression of several messages at once.
//!
//! In the lane kernels a vector holds the same word of all messages, so that the rounds below are
//! those of the standard with vectors for words. They are macros because a function that uses
//! vector instructions must name them in its attributes: each kernel expands the rounds with its
//! own features and its own `add`, `choose`, `rotate` and so on. The rounds and all access to
//! messages are safe code. The only unsafe code is moves of arrays to and from registers, one
//! volatile write, and an `asm!` without an instruction.

#![allow(unsafe_code)]

use std::{hint::black_box, ptr};

use crate::algorithm::Block;

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod avx512_half;
pub(crate) mod sha_ni;

/// The constants of SHA-1 (FIPS 180-4, section 4.2.1).
const SHA1_CONSTANTS: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/// The constants of SHA-256 (FIPS 180-4, section 4.2.2).
#[rustfmt::skip]
const SHA256_CONSTANTS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The compression of SHA-1 over one block of each lane (FIPS 180-4, section 6.1.2).
///
/// `$chain` is five vectors, `$words` sixteen; both are replaced. Each round computes the word of
/// sixteen rounds later, so that no round waits for its word. `$stage` is evaluated in each of the
/// first 64 rounds, with `$step` for the number of the round. `pin` keeps the order of the code:
/// without it the compiler computes words far ahead, and spills them to memory.
#[rustfmt::skip] // It moves the nested macros to the right each time.
macro_rules! sha1_rounds {
    ($chain:ident, $words:ident, |$step:ident| $stage:expr) => {{
        let [mut a, mut b, mut c, mut d, mut e] = $chain;
        // The compiler would add known constants last, in the chain that each round waits for.
        let [k0, k1, k2, k3] = black_box(SHA1_CONSTANTS);
        let constants = [splat(k0), splat(k1), splat(k2), splat(k3)];
        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident, $f:ident, $t:expr) => {
                $e = add($e, add($words[$t % 16], constants[$t / 20]));
                if $t < 64 {
                    let $step = $t;
                    $stage;
                    let mixed = xor3($words[$t % 16], $words[($t + 2) % 16], $words[($t + 8) % 16]);
                    $words[$t % 16] = pin(rotate::<1, 31>(xor(mixed, $words[($t + 13) % 16])));
                }
                $e = pin(add(add($e, $f($b, $c, $d)), rotate::<5, 27>($a)));
                $b = rotate::<30, 2>($b);
            };
        }
        macro_rules! five {
            ($f:ident, $t:expr) => {
                round!(a b c d e, $f, $t);
                round!(e a b c d, $f, $t + 1);
                round!(d e a b c, $f, $t + 2);
                round!(c d e a b, $f, $t + 3);
                round!(b c d e a, $f, $t + 4);
            };
        }
        macro_rules! twenty {
            ($f:ident, $t:expr) => {
                five!($f, $t);
                five!($f, $t + 5);
                five!($f, $t + 10);
                five!($f, $t + 15);
            };
        }
        twenty!(choose, 0);
        twenty!(xor3, 20);
        twenty!(majority, 40);
        twenty!(xor3, 60);
        for (chain, worked) in $chain.iter_mut().zip([a, b, c, d, e]) {
            *chain = add(*chain, worked);
        }
    }};
}

/// The compression of SHA-256 over one block of each lane (FIPS 180-4, section 6.2.2).
///
/// `$chain` is eight vectors and is replaced. `$words` has room for the words of all 64 rounds, and
/// the first sixteen are there; each round computes the word for sixteen rounds later. `$stage` is
/// evaluated in each round, with `$eight` for the number of the eight rounds it is in and `$step`
/// for its place among them.
///
/// A loop over eight rounds fits into the first-level instruction cache, and 64 rounds in a row do
/// not. Words in memory leave the registers to other values. Rounds wait for each other, so the
/// speed is that of the path from `a` and `e` to the next ones: values that are known early are
/// added early, and `pin` keeps that order.
#[rustfmt::skip] // It moves the nested macros to the right each time.
macro_rules! sha256_rounds {
    ($chain:ident, $words:ident, |$eight:ident, $step:ident| $stage:expr) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $chain;
        let constants = black_box(&SHA256_CONSTANTS);
        // These words are needed two rounds later, before a store and a load would be done.
        let mut recent = [$words[14], $words[15]];
        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident,
             $number:ident, $place:expr, $is_mixing:expr) => {
                let ($eight, $step, t) = ($number, $place, 8 * $number + $place);
                let word = $words[t];
                $h = add($h, add(word, splat(constants[t])));
                $stage;
                if $is_mixing {
                    let (early, late) = ($words[t + 1], recent[$step % 2]);
                    let early = xor3(
                        rotate::<25, 7>(early),
                        rotate::<14, 18>(early),
                        shift_right::<3>(early),
                    );
                    let late = xor3(
                        rotate::<15, 17>(late),
                        rotate::<13, 19>(late),
                        shift_right::<10>(late),
                    );
                    let mixed = pin(add(add(word, $words[t + 9]), early));
                    recent[$step % 2] = pin(add(mixed, late));
                    $words[t + 16] = recent[$step % 2];
                }
                let upper = xor3(rotate::<26, 6>($e), rotate::<21, 11>($e), rotate::<7, 25>($e));
                let before = $d;
                $d = pin(add(pin(add(pin(add($d, $h)), choose($e, $f, $g))), upper));
                // The sum that was added to `d` is the first half of the new `a`.
                let lower = xor3(rotate::<30, 2>($a), rotate::<19, 13>($a), rotate::<10, 22>($a));
                $h = pin(add(pin(add(pin(sub($d, before)), majority($a, $b, $c))), lower));
            };
        }
        macro_rules! eights {
            ($numbers:expr, $is_mixing:expr) => {
                for number in $numbers {
                    round!(a b c d e f g h, number, 0, $is_mixing);
                    round!(h a b c d e f g, number, 1, $is_mixing);
                    round!(g h a b c d e f, number, 2, $is_mixing);
                    round!(f g h a b c d e, number, 3, $is_mixing);
                    round!(e f g h a b c d, number, 4, $is_mixing);
                    round!(d e f g h a b c, number, 5, $is_mixing);
                    round!(c d e f g h a b, number, 6, $is_mixing);
                    round!(b c d e f g h a, number, 7, $is_mixing);
                }
            };
        }
        eights!(0..6, true);
        eights!(6..8, false);
        for (chain, worked) in $chain.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *chain = add(*chain, worked);
        }
    }};
}

/// Defines the functions that compress runs of blocks, from the rounds and a kernel's operations.
macro_rules! lane_kernel {
    ($features:literal, $lanes:literal) => {
        /// SHA-1: compresses as many blocks of each message as the shortest run has. There must not
        /// be more messages than lanes.
        #[target_feature(enable = $features)]
        pub(crate) fn sha1(chains: &mut [[u32; 5]], runs: &[&[Block]]) {
            let mut chain = load_chains(chains);
            let (lanes, count) = fill_lanes::<$lanes>(runs);
            if count == 0 {
                return;
            }
            let mut staged = Staged::new(&each_block(&lanes, 0));
            for i in 0..count {
                let mut words = load_words(&staged);
                // The last block is staged again in place of a next one, which saves a branch.
                let next = each_block(&lanes, (i + 1).min(count - 1));
                sha1_rounds!(chain, words, |round| staged.put(&next, round / 8, round % 8));
            }
            store_chains(&chain, chains);
        }

        /// SHA-256: compresses as many blocks of each message as the shortest run has. There must
        /// not be more messages than lanes.
        #[target_feature(enable = $features)]
        pub(crate) fn sha256(chains: &mut [[u32; 8]], runs: &[&[Block]]) {
            let mut chain = load_chains(chains);
            let (lanes, count) = fill_lanes::<$lanes>(runs);
            if count == 0 {
                return;
            }
            let mut staged = Staged::new(&each_block(&lanes, 0));
            // Outside of the loop, as each block overwrites all 64 words.
            let mut words = [splat(0); 64];
            for i in 0..count {
                words[..16].copy_from_slice(&load_words(&staged));
                let next = each_block(&lanes, (i + 1).min(count - 1));
                sha256_rounds!(chain, words, |eight, step| staged.put(&next, eight, step));
            }
            store_chains(&chain, chains);
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn load_words(staged: &Staged<$lanes>) -> [Vector; 16] {
            let mut words = [splat(0); 16];
            for (pair, staged) in words.as_chunks_mut().0.iter_mut().zip(&staged.0) {
                *pair = unzip(staged);
            }
            words
        }

        /// One vector for each word of the chaining values; lanes without a message are zero.
        #[inline]
        #[target_feature(enable = $features)]
        fn load_chains<const WORDS: usize>(chains: &[[u32; WORDS]]) -> [Vector; WORDS] {
            let mut vectors = [splat(0); WORDS];
            for (word, vector) in vectors.iter_mut().enumerate() {
                let mut row = [0; $lanes];
                for (element, chain) in row.iter_mut().zip(chains) {
                    *element = chain[word];
                }
                *vector = from_row(&row);
            }
            vectors
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn store_chains<const WORDS: usize>(
            vectors: &[Vector; WORDS],
            chains: &mut [[u32; WORDS]],
        ) {
            for (word, vector) in vectors.iter().enumerate() {
                for (chain, element) in chains.iter_mut().zip(to_row(*vector)) {
                    chain[word] = element;
                }
            }
        }
    };
}

use lane_kernel;
use sha1_rounds;
use sha256_rounds;

/// One run for each lane, and the number of blocks of the shortest run.
///
/// A lane without a message reads the blocks of the first, and its result is dropped.
///
/// # Panics
///
/// If there are no runs, or more than lanes.
fn fill_lanes<'a, const LANES: usize>(runs: &[&'a [Block]]) -> ([&'a [Block]; LANES], usize) {
    assert!((1..=LANES).contains(&runs.len()), "{} messages in {LANES} lanes", runs.len());
    let mut lanes = [runs[0]; LANES];
    lanes[..runs.len()].copy_from_slice(runs);
    let count = lanes.iter().map(|run| run.len()).min().unwrap_or(0);
    (lanes, count)
}

/// Block `index` of each lane.
#[inline(always)]
fn each_block<'a, const LANES: usize>(
    lanes: &[&'a [Block]; LANES],
    index: usize,
) -> [&'a Block; LANES] {
    // All bounds are checked here: with branches between the rounds the compiler would reorder
    // them.
    let mut blocks = [&lanes[0][index]; LANES];
    for (block, run) in blocks.iter_mut().zip(lanes) {
        *block = &run[index];
    }
    blocks
}

/// The next block of each lane, in an order from which few shuffles make vectors.
///
/// Transposing a block with vector instructions takes a fifth of the time of its rounds, in the same
/// units. Here the idle integer units swap the bytes of pairs of words, and write them to their
/// places, while the vector units work on the block before. The kernel then only separates even from
/// odd words.
#[repr(align(64))]
struct Staged<const LANES: usize>([[u64; LANES]; 8]);

impl<const LANES: usize> Staged<LANES> {
    /// The first blocks of the lanes.
    #[inline(always)]
    fn new(blocks: &[&Block; LANES]) -> Self {
        let mut staged = Self([[0; LANES]; 8]);
        for eighth in 0..8 {
            for step in 0..8 {
                // For the first blocks there are no rounds of earlier ones that would hide the time.
                staged.put(blocks, eighth, step);
            }
        }
        staged
    }

    /// Writes an eighth of the lanes' pairs of words to their places, in eight steps. The order is lane
    /// by lane, so that memory is read in order.
    #[inline(always)]
    fn put(&mut self, blocks: &[&Block; LANES], eighth: usize, step: usize) {
        let count = LANES / 8;
        for number in step * count..(step + 1) * count {
            let (lane, pair) = (eighth * count + number / 8, number % 8);
            let words = u64::from_be_bytes(blocks[lane].as_chunks().0[pair]);
            let place = &mut self.0[pair][Self::slot(lane)];
            // SAFETY: a reference is valid for writes. Without volatile, the compiler would
            // gather the words in vector registers, which this is to keep free.
            unsafe { ptr::write_volatile(place, words) };
        }
    }

    /// The place of a lane's pair for which `unzip` restores the order of the lanes: it takes two
    /// elements of the lower half, then two of the upper half, and so on.
    const fn slot(lane: usize) -> usize {
        let (quarter, upper, odd) = (lane / 4, lane / 2 % 2, lane % 2);
        upper * LANES / 2 + 2 * quarter + odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots<const LANES: usize>() -> Vec<usize> {
        let mut slots: Vec<usize> = (0..LANES).map(Staged::<LANES>::slot).collect();
        slots.sort_unstable();
        slots
    }

    #[test]
    fn each_lane_has_a_slot_of_its_own() {
        assert_eq!(slots::<8>(), (0..8).collect::<Vec<_>>());
        assert_eq!(slots::<16>(), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn the_shortest_run_counts() {
        let blocks = [[0; 64]; 5];
        let (lanes, count) = fill_lanes::<8>(&[&blocks, &blocks[..3], &blocks[..4]]);
        assert_eq!(count, 3);
        assert!(lanes[3..].iter().all(|run| run.len() == 5));
    }

    #[test]
    #[should_panic(expected = "3 messages in 2 lanes")]
    fn more_messages_than_lanes_are_refused() {
        fill_lanes::<2>(&[&[], &[], &[]]);
    }
}
