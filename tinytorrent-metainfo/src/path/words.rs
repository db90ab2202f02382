//! Eight bytes of a name at a time: judging and hashing names is most of what reading a torrent of
//! many files does.

/// Goes over the bytes of a name as words. The last word reaches back over bytes that the one before
/// has, and that of a name below eight bytes repeats some: names of one length with the same words
/// are equal.
#[inline]
pub(super) fn fold_words<T>(name: &[u8], start: T, mut step: impl FnMut(T, u64) -> T) -> T {
    let (whole, _) = name[..name.len().saturating_sub(1)].as_chunks();
    let mut result = start;
    for word in whole {
        result = step(result, u64::from_le_bytes(*word));
    }
    step(result, last_word(name))
}

#[inline]
fn last_word(name: &[u8]) -> u64 {
    if let Some(last) = name.last_chunk() {
        return u64::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    }
    let [first, .., last] = name else {
        return name.first().map_or(0, |&byte| u64::from(byte) * ONES);
    };
    let middle = name[name.len() / 2];
    let three = u64::from(*first) << 16 | u64::from(middle) << 8 | u64::from(*last);
    three << 48 | three << 24 | three
}

/// The highest bit of each byte, by which these functions answer.
pub(super) const HIGH_BITS: u64 = 0x80 * ONES;

const ONES: u64 = 0x0101_0101_0101_0101;

/// Whether a byte has bits but the highest that make `least` or more.
#[inline]
const fn from(word: u64, least: u8) -> u64 {
    ((word & !HIGH_BITS) + (0x80 - least as u64) * ONES) & HIGH_BITS
}

/// Whether a byte is `letter`, which is ASCII, when the bits of `ignored` are set in both.
#[inline]
const fn is(word: u64, letter: u8, ignored: u8) -> u64 {
    let (letter, ignored) = (letter as u64 * ONES, ignored as u64 * ONES);
    let differs = (word ^ letter) & !ignored;
    !(from(differs, 1) | differs) & HIGH_BITS
}

/// Whether a byte is not plain: some policy may change it. Of ASCII these are the controls
/// and `" * / : < > ? \ |`; that `;` and `=` count as well saves time.
#[inline]
pub(super) const fn is_odd(word: u64) -> u64 {
    let no_text = !from(word, b' ') | from(word, 0x7f) | word;
    let colon_to_question_mark = from(word, b':') & !from(word, b'?' + 1);
    let others = is(word, b'|', 0x20) | is(word, b'*', 0x08) | is(word, b'/', 0);
    (no_text | colon_to_question_mark | others) & HIGH_BITS
}

/// Letters of ASCII in lower case; what is beyond ASCII stays.
#[inline]
pub(super) const fn to_lowercase(word: u64) -> u64 {
    let is_upper = from(word, b'A') & !from(word, b'Z' + 1) & !word;
    word | (is_upper & HIGH_BITS) >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The byte within others that are plain, in each place.
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
                assert_eq!(is_odd(word), if odd { 0x80 << shift } else { 0 }, "{byte:x}");
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
