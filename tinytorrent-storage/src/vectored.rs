//! Reads and writes at an offset, as a whole: short ones are continued, interrupted ones repeated.

use std::{
    fs::File,
    io::{self, IoSlice},
};

/// Slices that Linux, macOS and the BSDs take in one call.
const MAX_SLICES: usize = 1024;

/// Writes the slices one after the other, from `offset` on.
pub(crate) fn write_all_at(file: &File, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
    continue_writing(slices, offset, |slices, offset| write_some(file, slices, offset))
}

/// Fills the buffer from `offset` on, or as far as the file reaches. Returns the number of bytes.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    continue_reading(buffer, offset, |rest, offset| read_some(file, rest, offset))
}

fn continue_writing(
    mut slices: &mut [IoSlice<'_>],
    mut offset: u64,
    mut write: impl FnMut(&[IoSlice<'_>], u64) -> io::Result<usize>,
) -> io::Result<()> {
    // Drops empty slices at the front: a write of no bytes would be taken for a full disk.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let count = slices.len().min(MAX_SLICES);
        match write(&slices[..count], offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn continue_reading(
    buffer: &mut [u8],
    offset: u64,
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match read(&mut buffer[at..], offset + at as u64) {
            Ok(0) => break,
            Ok(count) => at += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn write_some(file: &File, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwritev(file, slices, offset)?)
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
fn write_some(file: &File, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    // The standard library has no stable vectored write at an offset. The loop goes on with the
    // next slice.
    std::os::unix::fs::FileExt::write_at(file, first(slices), offset)
}

#[cfg(windows)]
fn write_some(file: &File, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    // It moves the position of the file, on which no reader or writer here depends.
    std::os::windows::fs::FileExt::seek_write(file, first(slices), offset)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn first<'a>(slices: &'a [IoSlice<'_>]) -> &'a [u8] {
    slices.iter().map(|slice| &**slice).find(|slice| !slice.is_empty()).unwrap_or(&[])
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    // S-14.
    #[test]
    fn short_and_interrupted_writes_are_continued() {
        let mut disk = [0; 100];
        let mut turn = 0;
        let parts: Vec<Vec<u8>> = (1..10_u8).map(|length| vec![length; length.into()]).collect();
        let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        continue_writing(&mut slices, 7, |slices, offset| {
            turn += 1;
            if turn % 3 == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let count = all.len().min(4);
            disk[offset as usize..][..count].copy_from_slice(&all[..count]);
            Ok(count)
        })
        .unwrap();
        assert_eq!(disk[7..7 + 45], parts.concat());
    }

    // S-14.
    #[test]
    fn short_and_interrupted_reads_are_continued() {
        let disk: Vec<u8> = (0..100).collect();
        let mut turn = 0;
        let mut buffer = [0; 50];
        let count = continue_reading(&mut buffer, 60, |buffer, offset| {
            turn += 1;
            if turn % 2 == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let rest = &disk[offset as usize..];
            let count = rest.len().min(buffer.len()).min(3);
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        });
        assert_eq!(count.unwrap(), 40);
        assert_eq!(buffer[..40], disk[60..]);
    }

    // S-13.
    #[test]
    fn a_disk_that_takes_nothing_is_an_error_and_no_endless_loop() {
        let error = continue_writing(&mut [IoSlice::new(b"x")], 0, |_, _| Ok(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }

    // S-14: offsets are 64 bits wide.
    #[test]
    fn data_lies_beyond_four_gibibytes() {
        let file = tempfile::tempfile().unwrap();
        let far = (1 << 33) + 5;
        write_all_at(&file, &mut [IoSlice::new(b"ab"), IoSlice::new(b"cd")], far).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(read_at(&file, &mut buffer, far).unwrap(), 4);
        assert_eq!(&buffer[..4], b"abcd");
    }

    #[test]
    fn more_slices_than_one_call_takes_are_written() {
        let file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..3000_u32).map(|at| at as u8).collect();
        let mut slices: Vec<_> = content.chunks(1).map(IoSlice::new).collect();
        write_all_at(&file, &mut slices, 0).unwrap();
        let mut read = vec![0; 3000];
        assert_eq!(read_at(&file, &mut read, 0).unwrap(), 3000);
        assert_eq!(read, content);
    }
}
