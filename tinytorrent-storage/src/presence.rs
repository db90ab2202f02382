//! Facts that the file system gives without reading data: sizes, holes, room.

use std::{fs::File, io};

use tinytorrent_folder::first_data;

/// The presence of a range on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    /// Part of it is beyond the end of a file, or the file does not exist.
    Absent,
    /// It is padding, which is never on disk.
    Padding,
    /// It is a hole: it reads as zeros, and was never written.
    Hole,
    /// Part of it was written.
    Data,
}

impl Presence {
    /// The presence of two ranges together.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Presence::Absent || other == Presence::Absent {
            Presence::Absent
        } else {
            self.max(other)
        }
    }
}

/// The presence of `offset..offset + length` in the file.
pub(crate) fn of_range(file: &File, offset: u64, length: u64) -> io::Result<Presence> {
    let end = offset + length;
    if file.metadata()?.len() < end {
        return Ok(Presence::Absent);
    }
    Ok(match first_data(file, offset)? {
        Some(data) if data < end => Presence::Data,
        _ => Presence::Hole,
    })
}

/// Returns `true` if nothing of the file was written.
pub(crate) fn is_hole(file: &File) -> io::Result<bool> {
    let size = file.metadata()?.len();
    Ok(first_data(file, 0)?.is_none_or(|data| data >= size))
}

/// Gives back the room of a range, which reads as zeros then, if the file system can. Nothing depends on it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn discard(file: &File, offset: u64, length: u64) {
    use rustix::fs::FallocateFlags;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let _ = rustix::fs::fallocate(file, flags, offset, length);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn discard(_: &File, _: u64, _: u64) {}

/// Reserves room for a file of this length, if the file system can.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) fn reserve(file: &File, length: u64) -> io::Result<()> {
    reserve_with(|| rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn reserve_with(mut reserve: impl FnMut() -> rustix::io::Result<()>) -> io::Result<()> {
    use rustix::io::Errno;
    loop {
        match reserve() {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::NODEV) => return Ok(()),
            other => return Ok(other?),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn reserve(file: &File, length: u64) -> io::Result<()> {
    // A longer file keeps its bytes, which are cut only on request (S-15).
    if file.metadata()?.len() < length { file.set_len(length) } else { Ok(()) }
}

/// Advises the system that this range will be read soon. Nothing depends on it.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) fn will_need(file: &File, offset: u64, length: u64) {
    let length = std::num::NonZeroU64::new(length);
    let _ = rustix::fs::fadvise(file, offset, length, rustix::fs::Advice::WillNeed);
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn will_need(_: &File, _: u64, _: u64) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_absent_part_makes_the_whole_absent() {
        use Presence::{Absent, Data, Hole, Padding};
        for (one, other, both) in [
            (Absent, Data, Absent),
            (Hole, Data, Data),
            (Hole, Hole, Hole),
            (Padding, Hole, Hole),
            (Padding, Data, Data),
            (Padding, Padding, Padding),
            (Padding, Absent, Absent),
        ] {
            assert_eq!(one.and(other), both, "{one:?} and {other:?}");
            assert_eq!(other.and(one), both, "{other:?} and {one:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_hole_is_told_from_data() {
        use std::os::unix::fs::FileExt;
        let file = tempfile::tempfile().unwrap();
        file.write_at(b"data", 1 << 20).unwrap();
        assert_eq!(of_range(&file, 0, 65_536).unwrap(), Presence::Hole);
        assert_eq!(of_range(&file, 0, (1 << 20) + 1).unwrap(), Presence::Data);
        assert_eq!(of_range(&file, 1 << 20, 4).unwrap(), Presence::Data);
        assert_eq!(of_range(&file, 1 << 20, 5).unwrap(), Presence::Absent);
        assert_eq!(of_range(&file, 1 << 21, 1).unwrap(), Presence::Absent);
    }

    // S-12: LT 2.0.9.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_that_cannot_reserve_is_used_without() {
        use rustix::io::Errno;
        let mut answers = vec![Err(Errno::OPNOTSUPP), Err(Errno::INTR)];
        reserve_with(|| answers.pop().unwrap()).unwrap();
        assert!(answers.is_empty());
        let full = reserve_with(|| Err(Errno::NOSPC)).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }
}
