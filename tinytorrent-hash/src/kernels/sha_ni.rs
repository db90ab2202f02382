//! Up to four messages at once with SHA-NI.
//!
//! Each of these instructions waits four or six cycles for the one before it, while the processor
//! can begin another every cycle or two. Several messages use these cycles.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{SHA256_CONSTANTS, each_block, fill_lanes};
use crate::algorithm::Block;

/// SHA-1 of up to four messages: compresses as many blocks of each as the shortest run has.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
pub(crate) fn sha1(chains: &mut [[u32; 5]], runs: &[&[Block]]) {
    match chains.len() {
        1 => sha1_of::<1>(chains, runs),
        2 => sha1_of::<2>(chains, runs),
        3 => sha1_of::<3>(chains, runs),
        _ => sha1_of::<4>(chains, runs),
    }
}

/// SHA-256 of up to four messages: compresses as many blocks of each as the shortest run has.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
pub(crate) fn sha256(chains: &mut [[u32; 8]], runs: &[&[Block]]) {
    match chains.len() {
        1 => sha256_of::<1>(chains, runs),
        2 => sha256_of::<2>(chains, runs),
        3 => sha256_of::<3>(chains, runs),
        _ => sha256_of::<4>(chains, runs),
    }
}

/// SHA-1 of exactly `N` messages.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn sha1_of<const N: usize>(chains: &mut [[u32; 5]], runs: &[&[Block]]) {
    let zero = _mm_setzero_si128();
    let (lanes, count) = fill_lanes::<N>(runs);
    let (mut chain_abcd, mut chain_e) = ([zero; N], [zero; N]);
    for (m, chain) in chains.iter().enumerate() {
        let [a, b, c, d, e] = chain.map(u32::cast_signed);
        chain_abcd[m] = _mm_set_epi32(a, b, c, d);
        chain_e[m] = _mm_set_epi32(e, 0, 0, 0);
    }
    for i in 0..count {
        let blocks = each_block(&lanes, i);
        let mut words = [[zero; 4]; N];
        let (mut abcd, mut e) = (chain_abcd, chain_e);
        for m in 0..N {
            // SHA-1's instructions take the first word in the highest element.
            let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
            words[m] = load_quads(blocks[m], reverse);
            e[m] = _mm_add_epi32(e[m], words[m][0]);
        }
        // Four rounds of each message, for `$q` from 0 to 19.
        macro_rules! four {
            ($q:expr) => {
                for m in 0..N {
                    let before = abcd[m];
                    abcd[m] = _mm_sha1rnds4_epu32::<{ $q / 5 }>(before, e[m]);
                    e[m] = before;
                    if $q < 19 {
                        e[m] = _mm_sha1nexte_epu32(before, sha1_words(&mut words[m], $q + 1));
                    }
                }
            };
        }
        four!(0);
        four!(1);
        four!(2);
        four!(3);
        four!(4);
        four!(5);
        four!(6);
        four!(7);
        four!(8);
        four!(9);
        four!(10);
        four!(11);
        four!(12);
        four!(13);
        four!(14);
        four!(15);
        four!(16);
        four!(17);
        four!(18);
        four!(19);
        for m in 0..N {
            chain_abcd[m] = _mm_add_epi32(chain_abcd[m], abcd[m]);
            chain_e[m] = _mm_sha1nexte_epu32(e[m], chain_e[m]);
        }
    }
    for (m, chain) in chains.iter_mut().enumerate() {
        let [d, c, b, a] = to_row(chain_abcd[m]);
        let [_, _, _, e] = to_row(chain_e[m]);
        *chain = [a, b, c, d, e];
    }
}

/// SHA-256 of exactly `N` messages.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn sha256_of<const N: usize>(chains: &mut [[u32; 8]], runs: &[&[Block]]) {
    let zero = _mm_setzero_si128();
    let (lanes, count) = fill_lanes::<N>(runs);
    let (mut chain_abef, mut chain_cdgh) = ([zero; N], [zero; N]);
    for (m, chain) in chains.iter().enumerate() {
        let [a, b, c, d, e, f, g, h] = chain.map(u32::cast_signed);
        chain_abef[m] = _mm_set_epi32(a, b, e, f);
        chain_cdgh[m] = _mm_set_epi32(c, d, g, h);
    }
    for i in 0..count {
        let blocks = each_block(&lanes, i);
        let mut words = [[zero; 4]; N];
        let (mut abef, mut cdgh) = (chain_abef, chain_cdgh);
        for m in 0..N {
            // SHA-256's instructions take the first word in the lowest element.
            let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
            words[m] = load_quads(blocks[m], swap);
        }
        macro_rules! four {
            ($q:expr) => {
                let constants = load_constants(&SHA256_CONSTANTS.as_chunks().0[$q]);
                for m in 0..N {
                    let sum = _mm_add_epi32(sha256_words(&mut words[m], $q), constants);
                    cdgh[m] = _mm_sha256rnds2_epu32(cdgh[m], abef[m], sum);
                    let upper = _mm_shuffle_epi32::<0x0e>(sum);
                    abef[m] = _mm_sha256rnds2_epu32(abef[m], cdgh[m], upper);
                }
            };
        }
        four!(0);
        four!(1);
        four!(2);
        four!(3);
        four!(4);
        four!(5);
        four!(6);
        four!(7);
        four!(8);
        four!(9);
        four!(10);
        four!(11);
        four!(12);
        four!(13);
        four!(14);
        four!(15);
        for m in 0..N {
            chain_abef[m] = _mm_add_epi32(chain_abef[m], abef[m]);
            chain_cdgh[m] = _mm_add_epi32(chain_cdgh[m], cdgh[m]);
        }
    }
    for (m, chain) in chains.iter_mut().enumerate() {
        let [f, e, b, a] = to_row(chain_abef[m]);
        let [h, g, d, c] = to_row(chain_cdgh[m]);
        *chain = [a, b, c, d, e, f, g, h];
    }
}

/// The words of rounds `4 * quad` and on, from a ring of the last sixteen.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn sha1_words(ring: &mut [__m128i; 4], quad: usize) -> __m128i {
    if quad >= 4 {
        let mixed = _mm_sha1msg1_epu32(ring[quad % 4], ring[(quad + 1) % 4]);
        let mixed = _mm_xor_si128(mixed, ring[(quad + 2) % 4]);
        ring[quad % 4] = _mm_sha1msg2_epu32(mixed, ring[(quad + 3) % 4]);
    }
    ring[quad % 4]
}

/// The words of rounds `4 * quad` and on, from a ring of the last sixteen.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn sha256_words(ring: &mut [__m128i; 4], quad: usize) -> __m128i {
    if quad >= 4 {
        let mixed = _mm_sha256msg1_epu32(ring[quad % 4], ring[(quad + 1) % 4]);
        let middle = _mm_alignr_epi8::<4>(ring[(quad + 3) % 4], ring[(quad + 2) % 4]);
        ring[quad % 4] = _mm_sha256msg2_epu32(_mm_add_epi32(mixed, middle), ring[(quad + 3) % 4]);
    }
    ring[quad % 4]
}

/// A block as four vectors, with the bytes in the order that the instructions take.
#[inline]
#[target_feature(enable = "sse2,ssse3")]
fn load_quads(block: &Block, order: __m128i) -> [__m128i; 4] {
    let mut quads = [order; 4];
    for (quad, bytes) in quads.iter_mut().zip(block.as_chunks::<16>().0) {
        // SAFETY: sixteen bytes are a vector, and the load has no need of alignment.
        let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        *quad = _mm_shuffle_epi8(bytes, order);
    }
    quads
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_constants(constants: &[u32; 4]) -> __m128i {
    // SAFETY: four words are a vector, and the load has no need of alignment.
    unsafe { _mm_loadu_si128(constants.as_ptr().cast()) }
}

/// The words of a vector, the lowest first.
#[inline]
#[target_feature(enable = "sse2")]
fn to_row(vector: __m128i) -> [u32; 4] {
    let mut row = [0; 4];
    // SAFETY: four words are a vector, and the store has no need of alignment.
    unsafe { _mm_storeu_si128(row.as_mut_ptr().cast(), vector) };
    row
}
