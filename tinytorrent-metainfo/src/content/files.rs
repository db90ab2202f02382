use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::{FileIndex, FileSpan, Layout};

/// Finds the file on disk.
pub(crate) type Locate<'a> = &'a (dyn Fn(FileIndex) -> PathBuf + Sync);

/// Why a part of the content could not be read.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) file: FileIndex,
    pub(crate) kind: FaultKind,
}

#[derive(Debug)]
pub(crate) enum FaultKind {
    /// There is no such file.
    Missing,
    /// The file ends before the part.
    Short,
    /// The system says no.
    Io(io::Error),
}

/// Reads ranges of the content, with few files open at a time.
pub(crate) struct Files<'a> {
    layout: &'a Layout,
    locate: Locate<'a>,
    /// The files that were used last, the last one at the end. `None` is a file that is missing.
    open: Vec<(FileIndex, Option<File>)>,
}

/// Enough for the lanes to be in different files each, far below any limit.
const MAX_OPEN: usize = 32;

impl<'a> Files<'a> {
    pub(crate) fn new(layout: &'a Layout, locate: Locate<'a>) -> Self {
        Self { layout, locate, open: Vec::with_capacity(MAX_OPEN) }
    }

    /// Fills the buffer from this offset of the content on. Padding is zero.
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

    fn read_span(&mut self, span: FileSpan, part: &mut [u8]) -> Result<(), Fault> {
        let fault = |kind| Fault { file: span.file, kind };
        let file = match self.file(span.file) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(fault(FaultKind::Missing)),
            Err(error) => return Err(fault(FaultKind::Io(error))),
        };
        read_exact_at(file, part, span.offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => fault(FaultKind::Short),
            _ => fault(FaultKind::Io(error)),
        })
    }

    fn file(&mut self, index: FileIndex) -> io::Result<Option<&File>> {
        match self.open.iter().rposition(|(open, _)| *open == index) {
            Some(at) => {
                // The one in use moves to the end; mostly it is there.
                let last = self.open.len() - 1;
                if at != last {
                    self.open[at..].rotate_left(1);
                }
            }
            None => {
                let file = open((self.locate)(index))?;
                if self.open.len() == MAX_OPEN {
                    self.open.remove(0);
                }
                self.open.push((index, file));
            }
        }
        Ok(self.open.last().and_then(|(_, file)| file.as_ref()))
    }
}

fn open(path: PathBuf) -> io::Result<Option<File>> {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    let not_a_file = |file: &File| file.metadata().map(|metadata| !metadata.is_file());
    match File::open(path) {
        Ok(file) if not_a_file(&file)? => Ok(None),
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | IsADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
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
