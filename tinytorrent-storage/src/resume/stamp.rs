//! The encoding of a file's stamp in a record.

use crate::{FileStamp, FileTime};

/// Bytes of a stamp in a record.
pub(crate) const LENGTH: usize = 41;

/// Bytes of a stamp in a record of version 1, which ended after `modified`.
pub(super) const LENGTH_1: usize = 21;

/// Bits of the first byte.
const EXISTS: u8 = 1;
const HAS_CHANGED: u8 = 2;
const HAS_INODE: u8 = 4;

pub(crate) fn encode(stamp: Option<FileStamp>) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let Some(stamp) = stamp else { return bytes };
    bytes[0] = EXISTS;
    bytes[1..9].copy_from_slice(&stamp.size.to_be_bytes());
    bytes[9..21].copy_from_slice(&encode_time(stamp.modified));
    if let Some(changed) = stamp.changed {
        bytes[0] |= HAS_CHANGED;
        bytes[21..33].copy_from_slice(&encode_time(changed));
    }
    if let Some(inode) = stamp.inode {
        bytes[0] |= HAS_INODE;
        bytes[33..].copy_from_slice(&inode.to_be_bytes());
    }
    bytes
}

pub(super) fn decode(bytes: &[u8; LENGTH]) -> Option<FileStamp> {
    let has = |part: u8| bytes[0] & part != 0;
    has(EXISTS).then(|| FileStamp {
        size: number(bytes, 1),
        modified: decode_time(bytes, 9),
        changed: has(HAS_CHANGED).then(|| decode_time(bytes, 21)),
        inode: has(HAS_INODE).then(|| number(bytes, 33)),
    })
}

fn encode_time(time: FileTime) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&time.seconds.to_be_bytes());
    bytes[8..].copy_from_slice(&time.nanoseconds.to_be_bytes());
    bytes
}

fn decode_time(bytes: &[u8; LENGTH], at: usize) -> FileTime {
    let nanoseconds = [8, 9, 10, 11].map(|byte| bytes[at + byte]);
    FileTime {
        seconds: number(bytes, at).cast_signed(),
        nanoseconds: u32::from_be_bytes(nanoseconds),
    }
}

fn number(bytes: &[u8; LENGTH], at: usize) -> u64 {
    u64::from_be_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| bytes[at + byte]))
}

#[cfg(test)]
mod tests {
    use super::*;

    // S-16: systems without some parts, and zeros that are no absence.
    #[test]
    fn each_part_may_be_absent() {
        let zero = FileTime { seconds: 0, nanoseconds: 0 };
        let before_1970 = FileTime { seconds: -1, nanoseconds: 999_999_999 };
        assert_eq!(decode(&encode(None)), None);
        for modified in [zero, before_1970] {
            for changed in [None, Some(zero), Some(before_1970)] {
                for inode in [None, Some(0), Some(u64::MAX)] {
                    let stamp = FileStamp { size: 9, modified, changed, inode };
                    assert_eq!(decode(&encode(Some(stamp))), Some(stamp));
                }
            }
        }
    }
}
