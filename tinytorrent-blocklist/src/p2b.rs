//! The binary format of PeerGuardian, versions 1 to 3.

use std::io::{self, BufRead, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr};

use crate::ReadError;
use crate::report::Gathering;

/// The bytes before the version.
pub(crate) const MAGIC: [u8; 7] = *b"\xff\xff\xff\xffP2B";

/// Reads a list up to its end. Names are skipped: in versions 1 and 2, one stands before each range; in version 3 all
/// of them stand first, and ranges have their numbers. Numbers are big-endian.
pub(crate) fn read(input: &mut impl BufRead, gathering: &mut Gathering) -> Result<(), ReadError> {
    let mut head = [0; MAGIC.len() + 1];
    input.read_exact(&mut head).map_err(|error| cut_short(error, 1))?;
    match head[MAGIC.len()] {
        1 | 2 => read_named(input, gathering),
        3 => read_numbered(input, gathering),
        version => Err(ReadError::UnknownVersion(version)),
    }
}

fn read_named(input: &mut impl BufRead, gathering: &mut Gathering) -> Result<(), ReadError> {
    for entry in 1.. {
        if input.skip_until(0)? == 0 {
            break;
        }
        read_range(input, gathering, entry)?;
    }
    Ok(())
}

fn read_numbered(input: &mut impl BufRead, gathering: &mut Gathering) -> Result<(), ReadError> {
    let names = read_u32(input).map_err(|error| cut_short(error, 1))?;
    for _ in 0..names {
        if input.skip_until(0)? == 0 {
            return Err(ReadError::CutShort(1));
        }
    }
    let ranges = read_u32(input).map_err(|error| cut_short(error, 1))?;
    for entry in 1..=ranges.into() {
        read_u32(input).map_err(|error| cut_short(error, entry))?;
        read_range(input, gathering, entry)?;
    }
    Ok(())
}

fn read_range(
    input: &mut impl Read,
    gathering: &mut Gathering,
    entry: u64,
) -> Result<(), ReadError> {
    let mut end = || read_u32(input).map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
    let (first, last) =
        end().and_then(|first| Ok((first, end()?))).map_err(|error| cut_short(error, entry))?;
    // Both are of one family.
    gathering.add(first, last).map(|_| ())
}

fn read_u32(input: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn cut_short(error: io::Error, entry: u64) -> ReadError {
    match error.kind() {
        ErrorKind::UnexpectedEof => ReadError::CutShort(entry),
        _ => ReadError::Io(error),
    }
}
