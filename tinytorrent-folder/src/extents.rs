use std::{borrow::Borrow, fs::File, io, ops::Range};

/// The written and the unwritten parts of an open file, found without reading it.
///
/// A sparse file of many tebibytes has few of them, so that it can be gone through in steps as long as
/// they are. The last one is remembered: offsets that ascend cost a system call for each part, and not for
/// each question.
///
/// On a system or a file system that does not tell holes, every byte up to the end counts as data.
#[derive(Debug)]
pub struct Extents<F> {
    file: F,
    size: u64,
    /// The part that was found last.
    known: Range<u64>,
    kind: Extent,
}

/// The kind of a part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// It was written.
    Data,
    /// It reads as zeros, and was never written.
    Hole,
    /// It lies behind the end of the file.
    Beyond,
}

impl<F: Borrow<File>> Extents<F> {
    /// The parts of a file, whose size is taken now.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(file: F) -> io::Result<Self> {
        let size = file.borrow().metadata()?.len();
        Ok(Self { file, size, known: 0..0, kind: Extent::Data })
    }

    /// The file.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// Bytes of the file when it was first looked at.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The kind of the byte at `offset`, and the offset at which another part begins, which is the end of
    /// the file or less. Behind the end it is [`u64::MAX`].
    ///
    /// # Errors
    /// The system refuses.
    pub fn at(&mut self, offset: u64) -> io::Result<(Extent, u64)> {
        if offset >= self.size {
            return Ok((Extent::Beyond, u64::MAX));
        }
        if !self.known.contains(&offset) {
            let file = self.file.borrow();
            // Behind the end lies a file that was cut in the meantime: then reading shows it.
            let data = next_data(file, offset)?.unwrap_or(self.size).min(self.size);
            (self.kind, self.known) = if data > offset {
                (Extent::Hole, offset..data)
            } else {
                let end = next_hole(file, offset)?.unwrap_or(self.size);
                // A step is never empty, whatever the system says.
                (Extent::Data, offset..end.clamp(offset + 1, self.size))
            };
        }
        Ok((self.kind, self.known.end))
    }
}

/// The start of the first data at or after `offset`, found without reading; `None` if there is none before the end of
/// the file. On a system or a file system that does not tell holes, every byte counts as data.
///
/// The end of data is not looked for, which takes some file systems a time that grows with the file: tmpfs looks at
/// each page of it.
///
/// # Errors
/// The system refuses.
pub fn first_data(file: &File, offset: u64) -> io::Result<Option<u64>> {
    next_data(file, offset)
}

/// The start of the first data at or after `offset`; `None` if there is none before the end of the file.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
fn next_data(file: &File, offset: u64) -> io::Result<Option<u64>> {
    seek(file, rustix::fs::SeekFrom::Data(offset), offset)
}

/// The start of the first hole at or after `offset`, with the end of the file as the last hole.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
fn next_hole(file: &File, offset: u64) -> io::Result<Option<u64>> {
    seek(file, rustix::fs::SeekFrom::Hole(offset), u64::MAX)
}

/// `unknown` is the answer for a file system that does not tell holes.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
fn seek(file: &File, to: rustix::fs::SeekFrom, unknown: u64) -> io::Result<Option<u64>> {
    use rustix::io::Errno;
    match rustix::fs::seek(file, to) {
        Ok(at) => Ok(Some(at)),
        Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL | Errno::NOTSUP | Errno::NOTTY) => Ok(Some(unknown)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "macos")))]
fn next_data(_: &File, offset: u64) -> io::Result<Option<u64>> {
    Ok(Some(offset))
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "macos")))]
fn next_hole(_: &File, _: u64) -> io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_file_and_what_is_behind_it() {
        use std::io::Write as _;
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(Extents::new(&file).unwrap().at(0).unwrap(), (Extent::Beyond, u64::MAX));
        file.write_all(&[1; 5000]).unwrap();
        let mut extents = Extents::new(&file).unwrap();
        assert_eq!(extents.size(), 5000);
        assert_eq!(extents.at(0).unwrap(), (Extent::Data, 5000));
        assert_eq!(extents.at(4999).unwrap(), (Extent::Data, 5000));
        assert_eq!(extents.at(5000).unwrap(), (Extent::Beyond, u64::MAX));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn holes_are_told_from_data() {
        use std::os::unix::fs::FileExt;
        let file = tempfile::tempfile().unwrap();
        file.write_at(&[1; 65_536], 1 << 20).unwrap();
        file.set_len(1 << 40).unwrap();
        let mut extents = Extents::new(&file).unwrap();
        assert_eq!(extents.at(7).unwrap(), (Extent::Hole, 1 << 20));
        assert_eq!(extents.at(1 << 20).unwrap(), (Extent::Data, (1 << 20) + 65_536));
        assert_eq!(extents.at(1 << 30).unwrap(), (Extent::Hole, 1 << 40));
        // The one before the last is looked up again.
        assert_eq!(extents.at((1 << 20) + 1).unwrap(), (Extent::Data, (1 << 20) + 65_536));
    }
}
