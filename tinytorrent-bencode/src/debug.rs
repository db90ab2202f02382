//! The form of values for `Debug`: short for any input, and readable.
//!
//! Strings are text where they look like it and hexadecimal digits elsewhere. Only the first values of a
//! document are shown, and the start of a long string. Nothing recurses.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::str;

use crate::Integer;

/// The largest number of values that are shown. A guess at what a reader of a log can use.
const MAX_VALUES: usize = 100;

/// The largest number of bytes that are shown of a text: about a line of a terminal.
const MAX_TEXT: usize = 80;

/// The largest number of bytes that are shown as digits: those of a SHA-256.
const MAX_BINARY: usize = 32;

/// A value whose children can be visited.
pub(crate) trait Tree<'v>: Sized {
    /// The children, with their keys if the value is a dictionary.
    type Children: Iterator<Item = (Option<&'v [u8]>, Self)>;

    fn part(self) -> Part<'v, Self::Children>;
}

/// A value, without its children.
pub(crate) enum Part<'v, C> {
    Bytes(&'v [u8]),
    Integer(Cow<'v, Integer>),
    List(C),
    Dict(C),
}

/// Writes a value: `{"length": 42, "pieces": 0x0123…}`. With `{:#?}` each child has a line.
pub(crate) fn write<'v, T: Tree<'v>>(
    root: Part<'v, T::Children>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    // A stack of our own, since recursion could overflow that of the thread.
    let mut open: Vec<Open<T::Children>> = Vec::new();
    let mut next = Some(root);
    let mut shown = 0;
    loop {
        if let Some(value) = next.take() {
            shown += 1;
            open.extend(begin(value, f)?);
        }
        let depth = open.len();
        let Some(innermost) = open.last_mut() else { return Ok(()) };
        match innermost.children.next() {
            None => {
                innermost.end(depth, f)?;
                open.pop();
            }
            Some((key, child)) => {
                innermost.separate(depth, f)?;
                if shown == MAX_VALUES {
                    f.write_char('…')?;
                    return open
                        .iter()
                        .rev()
                        .enumerate()
                        .try_for_each(|(closed, container)| container.end(depth - closed, f));
                }
                if let Some(key) = key {
                    write!(f, "{:?}: ", Text(key))?;
                }
                next = Some(child.part());
            }
        }
    }
}

/// Writes a string, an integer, or the start of a container, which is returned.
fn begin<C>(value: Part<'_, C>, f: &mut fmt::Formatter<'_>) -> Result<Option<Open<C>>, fmt::Error> {
    let (start, end, children) = match value {
        Part::Bytes(bytes) => return fmt::Debug::fmt(&Text(bytes), f).map(|()| None),
        Part::Integer(integer) => return write_integer(&integer, f).map(|()| None),
        Part::List(children) => ('[', ']', children),
        Part::Dict(children) => ('{', '}', children),
    };
    f.write_char(start)?;
    Ok(Some(Open { children, end, is_empty: true }))
}

/// A container whose children are being written.
struct Open<C> {
    children: C,
    end: char,
    is_empty: bool,
}

impl<C> Open<C> {
    fn separate(&mut self, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_first = core::mem::replace(&mut self.is_empty, false);
        match (is_first, f.alternate()) {
            (true, false) => Ok(()),
            (false, false) => f.write_str(", "),
            (true, true) => new_line(depth, f),
            (false, true) => f.write_char(',').and_then(|()| new_line(depth, f)),
        }
    }

    fn end(&self, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() && !self.is_empty {
            new_line(depth - 1, f)?;
        }
        f.write_char(self.end)
    }
}

fn new_line(depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\n{:width$}", "", width = 4 * depth)
}

/// Writes an integer, of which very many digits are cut.
pub(crate) fn write_integer(integer: &Integer, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match integer.as_big() {
        Some(digits) if digits.len() > MAX_TEXT => {
            f.write_str(str::from_utf8(&digits[..MAX_TEXT]).unwrap_or_default())?;
            write!(f, "… ({} digits)", digits.iter().filter(|digit| **digit != b'-').count())
        }
        _ => write!(f, "{integer}"),
    }
}

/// A string as quoted text, or as hexadecimal digits if it is not text.
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match text(self.0) {
            Some(text) => {
                // The alternate form of `str` is the same.
                write!(f, "{text:?}")?;
                text.len()
            }
            None => {
                let shown = &self.0[..self.0.len().min(MAX_BINARY)];
                f.write_str("0x")?;
                shown.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                shown.len()
            }
        };
        write_length(self.0.len(), shown, f)
    }
}

/// The start of a string that is text.
fn text(bytes: &[u8]) -> Option<&str> {
    let start = &bytes[..bytes.len().min(MAX_TEXT)];
    let text = match str::from_utf8(start) {
        Ok(text) => text,
        // The cut may be within a character.
        Err(error) if error.error_len().is_none() && start.len() < bytes.len() => {
            str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_binary =
        |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    (!text.contains(is_binary)).then_some(text)
}

/// Bencode itself, with `\xXX` for bytes that are not printable ASCII.
pub(crate) fn write_bencode(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let shown = &bytes[..bytes.len().min(MAX_TEXT)];
    write!(f, "{}", shown.escape_ascii())?;
    write_length(bytes.len(), shown.len(), f)
}

/// Says how long a value is that was cut.
fn write_length(length: usize, shown: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if shown < length { write!(f, "… ({length} bytes)") } else { Ok(()) }
}
