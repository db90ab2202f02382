//! Eight lanes in the 256-bit registers of AVX2.
#![allow(unsafe_code)]

#[cfg(not(miri))]
use std::arch::asm;
use std::arch::x86_64::*;

use super::*;

type Vector = __m256i;

lane_kernel!("avx2,movbe", 8);

/// The even and the odd words of all lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn unzip(pairs: &[u64; 8]) -> [Vector; 2] {
    // SAFETY: eight pairs are 64 bytes, twice what is loaded, and the loads have no need of
    // alignment.
    let [lower, upper] = unsafe {
        [_mm256_loadu_ps(pairs.as_ptr().cast()), _mm256_loadu_ps(pairs[4..].as_ptr().cast())]
    };
    [
        _mm256_castps_si256(_mm256_shuffle_ps::<0xdd>(lower, upper)),
        _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(lower, upper)),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn from_row(row: &[u32; 8]) -> Vector {
    // SAFETY: the row is 32 bytes, and the load has no need of alignment.
    unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn to_row(vector: Vector) -> [u32; 8] {
    let mut row = [0; 8];
    // SAFETY: the row is 32 bytes, and the store has no need of alignment.
    unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), vector) };
    row
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn splat(word: u32) -> Vector {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sub(a: Vector, b: Vector) -> Vector {
    _mm256_sub_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn xor(a: Vector, b: Vector) -> Vector {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    xor(xor(a, b), c)
}

/// The bits of `yes` for bits that are set in `which`, and those of `no` for others.
#[inline]
#[target_feature(enable = "avx2")]
fn choose(which: Vector, yes: Vector, no: Vector) -> Vector {
    xor(no, _mm256_and_si256(which, xor(yes, no)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    xor(_mm256_and_si256(a, b), _mm256_and_si256(c, xor(a, b)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const LEFT: i32, const RIGHT: i32>(word: Vector) -> Vector {
    const { assert!(LEFT + RIGHT == 32) };
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(word), _mm256_srli_epi32::<RIGHT>(word))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn shift_right<const BITS: i32>(word: Vector) -> Vector {
    _mm256_srli_epi32::<BITS>(word)
}

/// The same vector. The compiler keeps the order of all pins.
#[inline]
#[target_feature(enable = "avx2")]
#[cfg_attr(miri, allow(unused_mut))]
fn pin(mut vector: Vector) -> Vector {
    // SAFETY: there is no instruction.
    #[cfg(not(miri))]
    unsafe {
        asm!("/* {0} */", inout(ymm_reg) vector, options(nomem, nostack, preserves_flags));
    }
    vector
}
