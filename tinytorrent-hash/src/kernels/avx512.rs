//! Sixteen lanes in the 512-bit registers of AVX-512F and AVX-512BW.
#![allow(unsafe_code)]

#[cfg(not(miri))]
use std::arch::asm;
use std::arch::x86_64::*;

use super::*;

type Vector = __m512i;

lane_kernel!("avx512f,movbe", 16);

/// The even and the odd words of all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn unzip(pairs: &[u64; 16]) -> [Vector; 2] {
    // SAFETY: sixteen pairs are 128 bytes, twice what is loaded, and the loads have no need of
    // alignment.
    let [lower, upper] = unsafe {
        [_mm512_loadu_ps(pairs.as_ptr().cast()), _mm512_loadu_ps(pairs[8..].as_ptr().cast())]
    };
    [
        _mm512_castps_si512(_mm512_shuffle_ps::<0xdd>(lower, upper)),
        _mm512_castps_si512(_mm512_shuffle_ps::<0x88>(lower, upper)),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn from_row(row: &[u32; 16]) -> Vector {
    // SAFETY: the row is 64 bytes, and the load has no need of alignment.
    unsafe { _mm512_loadu_si512(row.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn to_row(vector: Vector) -> [u32; 16] {
    let mut row = [0; 16];
    // SAFETY: the row is 64 bytes, and the store has no need of alignment.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), vector) };
    row
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u32) -> Vector {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sub(a: Vector, b: Vector) -> Vector {
    _mm512_sub_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: Vector, b: Vector) -> Vector {
    _mm512_xor_si512(a, b)
}

/// The parity of the bits of three vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

/// The bits of `yes` for bits that are set in `which`, and those of `no` for others.
#[inline]
#[target_feature(enable = "avx512f")]
fn choose(which: Vector, yes: Vector, no: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xca>(which, yes, no)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rotate<const LEFT: i32, const RIGHT: i32>(word: Vector) -> Vector {
    const { assert!(LEFT + RIGHT == 32) };
    _mm512_rol_epi32::<LEFT>(word)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn shift_right<const BITS: u32>(word: Vector) -> Vector {
    _mm512_srli_epi32::<BITS>(word)
}

/// The same vector. The compiler keeps the order of all pins.
#[inline]
#[target_feature(enable = "avx512f")]
#[cfg_attr(miri, allow(unused_mut))]
fn pin(mut vector: Vector) -> Vector {
    // SAFETY: there is no instruction.
    #[cfg(not(miri))]
    unsafe {
        asm!("/* {0} */", inout(zmm_reg) vector, options(nomem, nostack, preserves_flags));
    }
    vector
}
