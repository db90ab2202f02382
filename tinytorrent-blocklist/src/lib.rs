//! Lists of addresses to avoid, as [`IpRanges`].
//!
//! Three formats of text are read, and may be mixed:
//!
//! | format | a line |
//! |---|---|
//! | CIDR | `192.0.2.0/24`, `2001:db8::/32`, or a single address |
//! | `ipfilter.dat` of eMule | `192.000.002.000 - 192.000.002.255 , 100 , a name`; a level above 127 blocks nothing |
//! | `.p2p` of PeerGuardian | `a name:192.0.2.0-192.0.2.255` |
//!
//! And so is the binary format of PeerGuardian (`.p2b`, versions 1 to 3). Each may be compressed by gzip, with the
//! feature `gzip`, which is on by default. Names may have any encoding. Octets with leading zeros are decimal.
//! Empty lines and those that begin with `#`, `;` or `//` are comments.
//!
//! A line that is not understood is left out and [reported](Report::bad) with its number. If there are more such
//! lines than others, the file is no list, and that is an error.
//!
//! ```
//! let list = "# bad neighbours\n192.0.2.0/24\nsome name:198.51.100.7-198.51.100.9\n";
//! let list = tinytorrent_blocklist::read(list.as_bytes())?;
//! assert!(list.ranges.contains("192.0.2.77".parse()?));
//! assert!(!list.ranges.contains("198.51.100.6".parse()?));
//! assert_eq!(list.report.to_string(), "2 ranges");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod line;
mod p2b;
mod report;
mod text;

use std::io::{self, BufReader, Read};

use tinytorrent_types::IpRanges;

pub use error::ReadError;
pub use line::Problem;
pub use report::{BadLine, Report};

use report::Gathering;

/// A list that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocklist {
    /// The addresses.
    pub ranges: IpRanges,
    /// A summary of the list.
    pub report: Report,
}

/// The largest list in bytes, once it is not compressed any more: 1 GiB.
pub const MAX_BYTES: u64 = 1 << 30;

/// The most ranges of a list that neither overlap nor touch: four times those of the largest lists in use.
pub const MAX_RANGES: usize = 4 << 20;

/// Reads a list of any format. Compression and format are told by the first bytes.
///
/// Memory follows the ranges that are found, up to twice [`MAX_RANGES`], and not the length of the list. This
/// blocks while it reads.
///
/// # Errors
/// The input cannot be read, is no list, or is larger than [`MAX_BYTES`] or [`MAX_RANGES`].
pub fn read(input: impl Read) -> Result<Blocklist, ReadError> {
    read_up_to(MAX_BYTES, input)
}

fn read_up_to(most: u64, input: impl Read) -> Result<Blocklist, ReadError> {
    let (first, input) = sniff(input)?;
    if !first.starts_with(&GZIP) {
        return read_plain(most, &first, input);
    }
    #[cfg(feature = "gzip")]
    {
        let (first, input) = sniff(flate2::bufread::MultiGzDecoder::new(BufReader::new(input)))?;
        read_plain(most, &first, input)
    }
    #[cfg(not(feature = "gzip"))]
    Err(ReadError::Compressed)
}

/// The first bytes of a member of gzip (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The first bytes of the input, up to as many as tell a format, and the input with them.
fn sniff(mut input: impl Read) -> io::Result<(Vec<u8>, impl Read)> {
    let mut first = Vec::with_capacity(p2b::MAGIC.len());
    (&mut input).take(p2b::MAGIC.len() as u64).read_to_end(&mut first)?;
    Ok((first.clone(), io::Cursor::new(first).chain(input)))
}

fn read_plain(most: u64, first: &[u8], input: impl Read) -> Result<Blocklist, ReadError> {
    // One more shows that there is more.
    let mut input = BufReader::with_capacity(64 << 10, input).take(most + 1);
    let mut gathering = Gathering::default();
    match first == p2b::MAGIC {
        true => p2b::read(&mut input, &mut gathering)?,
        false => text::read(&mut input, &mut gathering)?,
    }
    match input.limit() {
        0 => Err(ReadError::TooLarge),
        _ => gathering.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 1 << 20;

    #[test]
    fn a_list_of_the_largest_size_is_read_and_a_longer_one_is_not() {
        let list = b"192.0.2.1\n";
        let comment =
            |length: usize| io::repeat(b'#').take(MOST - list.len() as u64 + length as u64);
        let of_length = |length: usize| read_up_to(MOST, list.chain(comment(length)));
        // The comment is one line, and longer than lines are.
        assert_eq!(of_length(0).unwrap().ranges.len(), 1);
        assert!(matches!(of_length(1), Err(ReadError::TooLarge)));
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn what_a_compressed_list_becomes_has_the_same_limit() {
        use flate2::Compression;
        use flate2::read::GzEncoder;

        let compressed =
            |length| GzEncoder::new(io::repeat(b'\n').take(length), Compression::best());
        assert!(read_up_to(MOST, compressed(MOST)).unwrap().ranges.is_empty());
        assert!(matches!(read_up_to(MOST, compressed(MOST << 10)), Err(ReadError::TooLarge)));
    }
}
