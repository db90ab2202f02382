use std::fmt;
use std::time::Duration;

/// Units people write, and the bytes they stand for. The binary ones come first: they are printed.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// An error in a size.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SizeError {
    /// It is not a number and one of the units.
    NotASize(String),
    /// It does not fit 64 bits.
    TooLarge(String),
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SizeError::NotASize(text) => {
                write!(f, "`{text}` is no size: write a number and KiB, MiB or GiB, as in 512KiB")
            }
            SizeError::TooLarge(text) => write!(f, "`{text}` is more bytes than 64 bits can count"),
        }
    }
}

impl std::error::Error for SizeError {}

/// Bytes from `65536`, `64KiB`, `1.5 MiB` or `2GiB`, the unit in either case.
///
/// # Errors
///
/// When the text is anything else, or the size does not fit 64 bits.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let not_a_size = || SizeError::NotASize(text.to_owned());
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let scale = match UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, scale)) => *scale,
        None if unit.is_empty() => 1,
        None => return Err(not_a_size()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Nine digits of a fraction are finer than a byte of the largest unit that is written so.
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return Err(not_a_size());
    }
    let too_large = || SizeError::TooLarge(text.to_owned());
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let numerator: u64 = fraction.parse().map_err(|_| not_a_size())?;
    let denominator = 10_u64.pow(fraction.len() as u32);
    let part = u128::from(numerator) * u128::from(scale) / u128::from(denominator);
    let bytes = u128::from(whole) * u128::from(scale) + part;
    u64::try_from(bytes).map_err(|_| too_large())
}

/// Bytes a second, written as a size with or without `/s`.
///
/// # Errors
///
/// As [`parse_size`].
pub fn parse_rate(text: &str) -> Result<u64, SizeError> {
    parse_size(text.strip_suffix("/s").unwrap_or(text))
}

/// A size as people read it: `17 B`, `1.5 KiB`, `3.2 GiB`.
pub fn format_size(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, scale)| bytes >= *scale).unwrap_or(&UNITS[3]);
    match unit {
        (name, 1) => format!("{bytes} {name}"),
        (name, scale) => format!("{:.1} {name}", bytes as f64 / *scale as f64),
    }
}

/// A duration as people read it: `0.8 s`, `42 s`, `3 min 5 s`, `2 h 4 min`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("1B", 1),
            ("64KiB", 64 << 10),
            ("64 kib", 64 << 10),
            ("1.5MiB", 3 << 19),
            ("2GiB", 2 << 30),
            ("0.000000001GiB", 1),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_rate("2MiB/s"), Ok(2 << 20));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "KiB", "1KB", "1k", "-1", "+1", "1.KiB", ".5KiB", "1.2.3", "1e3", "½"] {
            assert_eq!(parse_size(text), Err(SizeError::NotASize(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn overflow_is_refused() {
        let largest = u64::MAX.to_string();
        assert_eq!(parse_size(&largest), Ok(u64::MAX));
        for text in ["18446744073709551616", "17179869184GiB"] {
            assert_eq!(parse_size(text), Err(SizeError::TooLarge(text.to_owned())));
        }
    }

    #[test]
    fn sizes_and_durations_read_well() {
        assert_eq!(format_size(0), "0 B");
        assert_eq!(format_size(1023), "1023 B");
        assert_eq!(format_size(1536), "1.5 KiB");
        assert_eq!(format_size(5 << 30), "5.0 GiB");
        assert_eq!(format_duration(Duration::from_millis(840)), "0.8 s");
        assert_eq!(format_duration(Duration::from_secs(185)), "3 min 5 s");
        assert_eq!(format_duration(Duration::from_secs(7500)), "2 h 5 min");
    }

    #[test]
    fn no_text_panics() {
        let parts = ["", "0", "9", ".", "-", " ", "K", "iB", "/s", "é", "\0"];
        let longer = |text: &String| parts.map(|part| format!("{text}{part}"));
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            texts = texts.iter().flat_map(longer).collect();
        }
        for text in texts {
            let _ = (parse_size(&text), parse_rate(&text));
        }
    }

    #[test]
    fn plain_bytes_are_exact() {
        for bytes in (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit]).chain([u64::MAX]) {
            assert_eq!(parse_size(&bytes.to_string()), Ok(bytes));
        }
    }
}
