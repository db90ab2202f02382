use core::fmt::{self, Write};

/// The text of a version: short printable ASCII, stored without allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    text: [u8; CAPACITY],
    length: u8,
}

/// Room for three numbers and a few words; longer text is cut.
const CAPACITY: usize = 23;

impl Version {
    pub(super) const NONE: Self = Self { text: [0; CAPACITY], length: 0 };

    /// The text that `write` appends; none if it returns `None`.
    pub(super) fn from_writer(write: impl FnOnce(&mut Self) -> Option<()>) -> Self {
        let mut version = Self::NONE;
        match write(&mut version) {
            Some(()) => version,
            // Half a version would be shown as another one.
            None => Self::NONE,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        let text = self.text.get(..usize::from(self.length))?;
        core::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }

    /// Appends text.
    pub(super) fn text(&mut self, text: &str) -> Option<()> {
        self.write_str(text).ok()
    }

    /// Appends letters and digits. Returns `None` for any other byte.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Option<()> {
        // The id comes from a stranger, and the text is shown in terminals and logs.
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(())?;
        bytes.iter().try_for_each(|&byte| self.write_char(char::from(byte)).ok())
    }

    /// Appends a number.
    pub(super) fn number(&mut self, number: u32) -> Option<()> {
        write!(self, "{number}").ok()
    }

    /// Appends a number with a leading zero below ten.
    pub(super) fn two_digits(&mut self, number: u32) -> Option<()> {
        write!(self, "{number:02}").ok()
    }

    /// Appends the numbers with dots between them.
    pub(super) fn dotted(&mut self, numbers: impl IntoIterator<Item = Option<u32>>) -> Option<()> {
        for (at, number) in numbers.into_iter().enumerate() {
            if at > 0 {
                self.text(".")?;
            }
            self.number(number?)?;
        }
        Some(())
    }
}

impl Write for Version {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes().filter(u8::is_ascii) {
            // An id is not worth an error, so text beyond the capacity is dropped.
            if let Some(place) = self.text.get_mut(usize::from(self.length)) {
                *place = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_str(), f)
    }
}

/// The number of one character: digits from 0, capitals from 10, small letters from 36.
pub(super) fn digit(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'A'..=b'Z' => Some(u32::from(byte - b'A') + 10),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 36),
        _ => None,
    }
}

/// The number of decimal digits.
pub(super) fn decimal(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}
