//! Integers of any size.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::{fmt, str};

use crate::{debug, grammar};

/// An integer of any size in canonical form (BEP 3 sets no bound).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Integer(Size);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Size {
    /// An integer that fits. No such integer is `Big`, so that derived equality is that of numbers.
    Small(i64),
    /// The sign and the digits, without leading zeros.
    Big(Box<[u8]>),
}

impl Integer {
    /// The integer of an optional `-` and one or more ASCII digits.
    pub(crate) fn from_digits(digits: &[u8]) -> Self {
        let (negative, digits) = match digits {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        // Without leading zeros, equal numbers have equal digits.
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let digits = &digits[zeros..];
        // By subtraction from 0, as the magnitude of -2^63 is no `i64`.
        let small = grammar::number(digits).and_then(|number| {
            if negative { 0i64.checked_sub_unsigned(number) } else { number.try_into().ok() }
        });
        Self(match small {
            Some(number) => Size::Small(number),
            None => {
                let sign = negative.then_some(b'-');
                Size::Big(sign.into_iter().chain(digits.iter().copied()).collect())
            }
        })
    }

    /// The number, if it is one of -2^63 to 2^63 - 1.
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Size::Small(number) => Some(*number),
            Size::Big(_) => None,
        }
    }

    /// The number, if it is one of 0 to 2^64 - 1.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.0 {
            Size::Small(number) => (*number).try_into().ok(),
            // Never empty, as a large number has at least 19 digits.
            Size::Big(digits) if digits[0] == b'-' => None,
            Size::Big(digits) => grammar::number(digits),
        }
    }

    /// Sign and digits of a number that is not one of -2^63 to 2^63 - 1.
    pub(crate) fn as_big(&self) -> Option<&[u8]> {
        match &self.0 {
            Size::Small(_) => None,
            Size::Big(digits) => Some(digits),
        }
    }

    /// Appends sign and digits.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Size::Small(number) => crate::encode::number(out, number.unsigned_abs(), *number < 0),
            Size::Big(digits) => out.extend_from_slice(digits),
        }
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Size::Small(number) => number.fmt(f),
            // Sign and digits are ASCII, so that the default never appears.
            Size::Big(digits) => f.pad(str::from_utf8(digits).unwrap_or_default()),
        }
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::write_integer(self, f)
    }
}

/// Conversions from types that fit in `i64` on every machine.
macro_rules! from_small {
    ($($type:ty)*) => {$(
        impl From<$type> for Integer {
            fn from(number: $type) -> Self {
                Self(Size::Small(number as i64))
            }
        }
    )*};
}

macro_rules! from_large {
    ($($type:ty)*) => {$(
        impl From<$type> for Integer {
            fn from(number: $type) -> Self {
                match i64::try_from(number) {
                    Ok(number) => Self(Size::Small(number)),
                    Err(_) => Self(Size::Big(alloc::format!("{number}").into_bytes().into())),
                }
            }
        }
    )*};
}

from_small!(i8 i16 i32 i64 isize u8 u16 u32);
from_large!(u64 usize i128 u128);
