//! Bit tricks on eight bytes of a name at a time. Reading a torrent with many files spends most of its
//! time on checking and hashing names.

/// Folds over the bytes of a name as words of eight bytes. The last word overlaps with the one before,
/// and the only word of a shorter name has some bytes twice. Names of the same length with the same
/// words are equal.
#[inline]
pub(super) fn fold_words<T>(name: &[u8], start: T, mut step: impl FnMut(T, u64) -> T) -> T {
    let (whole, _) = name[..name.len().saturating_sub(1)].as_chunks();
    let mut result = start;
    for word in whole {
        result = step(result, u64::from_le_bytes(*word));
    }
    step(result, last_word(name))
}

/// The last eight bytes of a name, or all bytes of a shorter one.
#[inline]
fn last_word(name: &[u8]) -> u64 {
    if let Some(last) = name.last_chunk() {
        return u64::from_le_bytes(*last);
    }
    // Four to seven bytes are covered by two halves, which overlap.
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    }
    let [first, .., last] = name else {
        return name.first().map_or(0, |&byte| u64::from(byte) * ONES);
    };
    // Two or three bytes are the first, the middle and the last.
    let middle = name[name.len() / 2];
    let three = u64::from(*first) << 16 | u64::from(middle) << 8 | u64::from(*last);
    three << 48 | three << 24 | three
}

/// The highest bit of each byte. The functions below return flags: words in which only these are set.
pub(super) const HIGH_BITS: u64 = 0x80 * ONES;

/// The value 1 in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Flags the bytes whose lower seven bits are `least` or more.
#[inline]
const fn at_least(word: u64, least: u8) -> u64 {
    ((word & !HIGH_BITS) + (0x80 - least as u64) * ONES) & HIGH_BITS
}

/// Flags the bytes that equal `letter`, which is ASCII, if the bits of `ignored` do not count.
#[inline]
const fn equal_to(word: u64, letter: u8, ignored: u8) -> u64 {
    let (letter, ignored) = (letter as u64 * ONES, ignored as u64 * ONES);
    let differs = (word ^ letter) & !ignored;
    !(at_least(differs, 1) | differs) & HIGH_BITS
}

/// Flags the bytes that some policy may change: all beyond ASCII, the controls, and
/// `" * / : ; < = > ? \ |`.
#[inline]
pub(super) const fn odd_bytes(word: u64) -> u64 {
    // `;` and `=` are harmless, but one range is cheaper than four letters.
    let no_text = !at_least(word, b' ') | at_least(word, 0x7f) | word;
    let colon_to_question_mark = at_least(word, b':') & !at_least(word, b'?' + 1);
    let others = equal_to(word, b'|', 0x20) | equal_to(word, b'*', 0x08) | equal_to(word, b'/', 0);
    (no_text | colon_to_question_mark | others) & HIGH_BITS
}

/// The word with letters of ASCII in lower case. Other bytes stay the same.
#[inline]
pub(super) const fn to_lowercase(word: u64) -> u64 {
    let is_upper = at_least(word, b'A') & !at_least(word, b'Z' + 1) & !word;
    word | (is_upper & HIGH_BITS) >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The byte in each position of a word of plain bytes.
    fn places(byte: u8) -> impl Iterator<Item = (u32, u64)> {
        (0..64).step_by(8).map(move |shift| {
            let others = ONES * u64::from(b'~');
            (shift, others & !(0xff << shift) | u64::from(byte) << shift)
        })
    }

    #[test]
    fn each_byte_is_judged_alone() {
        for byte in 0..=255u8 {
            let odd = !(b' '..=b'~').contains(&byte) || b"\"*/:;<=>?\\|".contains(&byte);
            let lower = u64::from(byte.to_ascii_lowercase());
            for (shift, word) in places(byte) {
                assert_eq!(odd_bytes(word), if odd { 0x80 << shift } else { 0 }, "{byte:x}");
                assert_eq!(to_lowercase(word) >> shift & 0xff, lower, "{byte:x}");
            }
        }
    }

    #[test]
    fn words_have_all_bytes_of_a_name_and_no_others() {
        for length in 0..40u8 {
            let name: Vec<u8> = (1..=length).collect();
            let add = |mut seen: Vec<u8>, word: u64| {
                seen.extend(word.to_le_bytes());
                seen
            };
            let mut seen = fold_words(&name, Vec::new(), add);
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, if name.is_empty() { vec![0] } else { name });
        }
    }
}
