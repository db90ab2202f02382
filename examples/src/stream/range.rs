//! Requests for a part of a file (RFC 9110, section 14).

use std::ops::Range;

/// The part of a file that a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: there is no such header, or one that is to be ignored.
    Whole,
    /// These bytes, at least one.
    Bytes(Range<u64>),
    /// Bytes beyond the end.
    Unsatisfiable,
}

/// The part that the header asks for, of a file of this length.
///
/// Of several ranges in one header none is looked at, as a server may do: players ask for one.
pub(super) fn parse_range(header: &str, length: u64) -> Part {
    range_of(header, length).unwrap_or(Part::Whole)
}

fn range_of(header: &str, length: u64) -> Option<Part> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let bytes = match (number(first)?, number(last)?) {
        (Some(first), Some(last)) if first > last => return None,
        (Some(first), last) => {
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            first..end
        }
        (None, Some(count)) => length.saturating_sub(count)..length,
        (None, None) => return None,
    };
    Some(if bytes.is_empty() { Part::Unsatisfiable } else { Part::Bytes(bytes) })
}

/// A number, or nothing; `None` if it is something else.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number that is too large for the type is beyond the end of every file.
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(range: Range<u64>) -> Part {
        Part::Bytes(range)
    }

    #[test]
    fn one_range_is_taken_and_cut_at_the_end() {
        assert_eq!(parse_range("bytes=0-0", 100), bytes(0..1));
        assert_eq!(parse_range("bytes=10-19", 100), bytes(10..20));
        assert_eq!(parse_range("bytes=90-", 100), bytes(90..100));
        assert_eq!(parse_range("bytes=90-1000", 100), bytes(90..100));
        assert_eq!(parse_range("bytes=90-99999999999999999999", 100), bytes(90..100));
        assert_eq!(parse_range("bytes=-10", 100), bytes(90..100));
        assert_eq!(parse_range("bytes=-1000", 100), bytes(0..100));
        assert_eq!(parse_range("BYTES = 1-2 ", 100), bytes(1..3));
    }

    #[test]
    fn bytes_beyond_the_end_are_refused() {
        for header in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(parse_range(header, 100), Part::Unsatisfiable, "{header}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Part::Unsatisfiable);
    }

    #[test]
    fn what_is_no_range_of_bytes_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "lines=1-2",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=--1",
        ] {
            assert_eq!(parse_range(header, 100), Part::Whole, "{header}");
        }
    }
}
