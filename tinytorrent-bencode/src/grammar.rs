//! The tokens of bencode as nom productions, with `complete` semantics (BEP 3, "bencoding").
//!
//! They accept what has the shape of a token, canonical or not; the decoder judges the digits.

use nom::bytes::complete::take;
use nom::character::complete::{char, digit1};
use nom::combinator::{opt, recognize};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

/// `length = 1*DIGIT ":"`, the digits.
pub(crate) fn length(input: &[u8]) -> IResult<&[u8], &[u8]> {
    terminated(digit1, char(':')).parse_complete(input)
}

/// `integer = "i" ["-"] 1*DIGIT "e"`, the sign and digits.
pub(crate) fn integer(input: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(char('i'), recognize((opt(char('-')), digit1)), char('e')).parse_complete(input)
}

/// The digits of a length as a number, if it fits in 64 bits.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// The content of a string known to be well-formed.
pub(crate) fn content(input: &[u8]) -> &[u8] {
    let string = |input| -> IResult<&[u8], &[u8]> {
        let (rest, digits) = length(input)?;
        let count = number(digits).and_then(|count| usize::try_from(count).ok());
        take(count.unwrap_or(usize::MAX)).parse_complete(rest)
    };
    string(input).map_or(&[], |(_, content)| content)
}
