use std::io::{self, BufRead, Read, Take};

use crate::ReadError;
use crate::line::{self, Problem};
use crate::report::Gathering;

/// The longest line that is looked at. Names are shorter.
const MAX_LINE: usize = 1_024;

/// Some editors begin a file with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads lines up to the end.
pub(crate) fn read(
    input: &mut Take<impl BufRead>,
    gathering: &mut Gathering,
) -> Result<(), ReadError> {
    let mut buffer = Vec::with_capacity(MAX_LINE);
    for number in 1.. {
        if !next_line(input, &mut buffer)? {
            break;
        }
        let line = match number {
            1 => buffer.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&buffer),
            _ => &buffer[..],
        };
        let said = if buffer.len() > MAX_LINE { Err(Problem::TooLong) } else { line::parse(line) };
        gathering.take(number, said)?;
    }
    Ok(())
}

/// Reads a line without its end, or its beginning if it is longer than [`MAX_LINE`]. Returns false behind the last.
fn next_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> io::Result<bool> {
    buffer.clear();
    let most = MAX_LINE as u64 + 1;
    let length = input.by_ref().take(most).read_until(b'\n', buffer)?;
    if buffer.pop_if(|last| *last == b'\n').is_none() && length as u64 == most {
        input.skip_until(b'\n')?;
    }
    Ok(length > 0)
}
