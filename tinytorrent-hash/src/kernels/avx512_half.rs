//! Eight lanes in 256-bit registers, with the rotation and three-operand logic of AVX-512VL.
#![allow(unsafe_code)]

#[cfg(not(miri))]
use std::arch::asm;
use std::arch::x86_64::*;

use super::{
    avx2::{add, from_row, splat, sub, to_row, unzip, xor},
    *,
};

type Vector = __m256i;

lane_kernel!("avx2,avx512f,avx512vl,movbe", 8);

/// The parity of the bits of three vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_ternarylogic_epi32::<0x96>(a, b, c)
}

/// The bits of `yes` for bits that are set in `which`, and those of `no` for others.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn choose(which: Vector, yes: Vector, no: Vector) -> Vector {
    _mm256_ternarylogic_epi32::<0xca>(which, yes, no)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_ternarylogic_epi32::<0xe8>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn rotate<const LEFT: i32, const RIGHT: i32>(word: Vector) -> Vector {
    const { assert!(LEFT + RIGHT == 32) };
    _mm256_rol_epi32::<LEFT>(word)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn shift_right<const BITS: i32>(word: Vector) -> Vector {
    _mm256_srli_epi32::<BITS>(word)
}

/// The same vector. The compiler keeps the order of all pins.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
#[cfg_attr(miri, allow(unused_mut))]
fn pin(mut vector: Vector) -> Vector {
    // SAFETY: there is no instruction.
    #[cfg(not(miri))]
    unsafe {
        asm!("/* {0} */", inout(ymm_reg) vector, options(nomem, nostack, preserves_flags));
    }
    vector
}
