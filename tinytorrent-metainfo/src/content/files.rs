use std::fs::File;
use std::io;

use tinytorrent_folder::{self as folder, Extent, Extents};
use tinytorrent_types::PieceIndex;

use crate::{FileIndex, FileSpan, Layout};

/// A function that opens a file of the layout on disk.
pub(crate) type Open<'a> = &'a (dyn Fn(FileIndex) -> Result<File, FaultKind> + Sync);

/// An error while reading a part of the content.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) file: FileIndex,
    pub(crate) kind: FaultKind,
}

/// The kinds of [`Fault`].
#[derive(Debug)]
pub(crate) enum FaultKind {
    /// The file does not exist, or something that is not a file is in its place.
    Missing,
    /// A symbolic link is in the place of the file or of a folder of its path, and is not followed.
    Link,
    /// The file ends before the end of the part.
    Short,
    /// The system refused.
    Io(io::Error),
}

impl From<folder::Error> for FaultKind {
    fn from(error: folder::Error) -> Self {
        if error.is_not_found() {
            return Self::Missing;
        }
        match error.into_parts().1 {
            folder::ErrorKind::Link => Self::Link,
            folder::ErrorKind::Io { source, .. } => Self::Io(source),
            _ => Self::Missing,
        }
    }
}

/// A reader of ranges of the content, with a limited number of open files.
pub(crate) struct Files<'a> {
    layout: &'a Layout,
    open: Open<'a>,
    /// The files used most recently, the last one at the end.
    opened: Vec<(FileIndex, Extents<File>)>,
}

/// Open files of a thread at most: enough for each lane to read another one, and far below the limits of
/// systems.
const MAX_OPEN: usize = 32;

impl<'a> Files<'a> {
    pub(crate) fn new(layout: &'a Layout, open: Open<'a>) -> Self {
        Self { layout, open, opened: Vec::with_capacity(MAX_OPEN) }
    }

    /// Fills the buffer with the content at this offset. Padding is zero.
    pub(crate) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let mut rest = buffer;
        for span in self.layout.spans(offset, rest.len() as u64) {
            let part;
            (part, rest) = rest.split_at_mut(span.length as usize);
            if span.is_pad {
                part.fill(0);
            } else {
                self.read_span(span, part)?;
            }
        }
        Ok(())
    }

    /// Looks at a piece without reading it. Returns true if all of it is holes and padding, which read as
    /// zeros. Files beyond those that can be open at a time are not looked at.
    ///
    /// # Errors
    /// A file of the piece that is missing, too short or refused.
    pub(crate) fn is_hole(&mut self, piece: PieceIndex) -> Result<bool, Fault> {
        let mut is_hole = true;
        for (number, span) in self.layout.piece_spans(piece).filter(|span| !span.is_pad).enumerate()
        {
            if number == MAX_OPEN {
                return Ok(false);
            }
            let fault = |kind| Fault { file: span.file, kind };
            let end = span.offset + span.length;
            let extents = self.file(span.file).map_err(fault)?;
            if extents.size() < end {
                return Err(fault(FaultKind::Short));
            }
            let at = extents.at(span.offset).map_err(|error| fault(FaultKind::Io(error)))?;
            is_hole &= matches!(at, (Extent::Hole, hole) if hole >= end);
        }
        Ok(is_hole)
    }

    fn read_span(&mut self, span: FileSpan, part: &mut [u8]) -> Result<(), Fault> {
        let fault = |kind| Fault { file: span.file, kind };
        let file = self.file(span.file).map_err(fault)?.file();
        read_exact_at(file, part, span.offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => fault(FaultKind::Short),
            _ => fault(FaultKind::Io(error)),
        })
    }

    fn file(&mut self, index: FileIndex) -> Result<&mut Extents<File>, FaultKind> {
        match self.opened.iter().rposition(|(opened, _)| *opened == index) {
            Some(at) => {
                // The file that is used moves to the end, where it mostly is already.
                let last = self.opened.len() - 1;
                if at != last {
                    self.opened[at..].rotate_left(1);
                }
            }
            None => {
                let file = Extents::new((self.open)(index)?).map_err(FaultKind::Io)?;
                if self.opened.len() == MAX_OPEN {
                    self.opened.remove(0);
                }
                self.opened.push((index, file));
            }
        }
        // Both arms have put the file at the end.
        self.opened.last_mut().map(|(_, file)| file).ok_or(FaultKind::Missing)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    // `seek_read` may read less than it is asked for.
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}
