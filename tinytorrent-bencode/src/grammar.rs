//! The tokens of bencode as nom productions, with `complete` semantics (BEP 3, "bencoding").
//!
//! They accept tokens that are not canonical; the decoder checks the digits.

use nom::bytes::complete::take;
use nom::character::complete::{char, digit1};
use nom::combinator::{opt, recognize};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

/// The digits of a length: `length = 1*DIGIT ":"`.
pub(crate) fn length(input: &[u8]) -> IResult<&[u8], &[u8]> {
    terminated(digit1, char(':')).parse_complete(input)
}

/// The sign and digits of an integer: `integer = "i" ["-"] 1*DIGIT "e"`.
pub(crate) fn integer(input: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(char('i'), recognize((opt(char('-')), digit1)), char('e')).parse_complete(input)
}

/// The digits of a length as a number, if it fits in 64 bits.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.len() < 20 {
        // No 19 digits exceed 64 bits.
        return Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
    }
    digits
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// The number in the last bytes of a window, of which the first `others` are no digits of it.
pub(crate) fn short_number(window: [u8; 8], others: usize) -> u64 {
    // The first digit is in the lowest byte, and other bytes become zeros.
    let digits = u64::from_le_bytes(window) & 0x0f0f_0f0f_0f0f_0f0f;
    let digits = digits >> (8 * others) << (8 * others);
    // Neighbours are added to pairs of digits, pairs to fours, and fours to the number.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

/// The content of a well-formed string.
pub(crate) fn content(input: &[u8]) -> &[u8] {
    let string = |input| -> IResult<&[u8], &[u8]> {
        let (rest, digits) = length(input)?;
        let count = number(digits).and_then(|count| usize::try_from(count).ok());
        take(count.unwrap_or(usize::MAX)).parse_complete(rest)
    };
    string(input).map_or(&[], |(_, content)| content)
}
