use std::{
    fmt,
    io::IoSlice,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use tinytorrent_folder::{Error, Folder};
use tinytorrent_hash::sha1;
use tinytorrent_metainfo::{FileIndex, FileSpan, Layout};

use super::Content;
use crate::{
    FilePool, FileStamp, Operation, StorageError,
    pool::{Access, FileKey},
    resume, vectored,
};

/// Content in files wherever they are, each at a path of its own: to seed what lies in other folders and under
/// other names than the torrent's. Nothing is written to them, nor beside them.
///
/// Paths are the user's own, so that links in them are followed. A file without a path is missing.
pub struct FilesElsewhere {
    layout: Arc<Layout>,
    paths: Box<[Option<PathBuf>]>,
    record: Option<PathBuf>,
    pool: Arc<FilePool>,
    id: u64,
}

impl FilesElsewhere {
    /// The files of this layout at these paths, with an index below the number of files. `pool` limits the open
    /// files, and may be that of other storages.
    pub fn new(
        layout: Arc<Layout>,
        paths: impl IntoIterator<Item = (FileIndex, PathBuf)>,
        pool: Arc<FilePool>,
    ) -> Self {
        let mut places = vec![None; layout.file_count() as usize];
        for (file, path) in paths {
            if let Some(place) = places.get_mut(file.as_usize()) {
                *place = Some(path);
            }
        }
        Self { layout, paths: places.into(), record: None, id: pool.register(), pool }
    }

    /// The file to keep the resume record in. Default: none, so that all files are hashed at each start.
    pub fn record_file(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.record = Some(path.into());
        self
    }

    fn path(&self, file: FileIndex) -> Option<&Path> {
        self.paths.get(file.as_usize())?.as_deref()
    }

    fn stamp_of(&self, file: FileIndex) -> Result<Option<FileStamp>, StorageError> {
        let Some(path) = self.path(file) else { return Ok(None) };
        let stamp = || match place_of(path).and_then(|(folder, name)| folder.stamp([name])) {
            Err(error) if error.is_not_found() => Ok(None),
            stamp => Ok(stamp?),
        };
        self.pool.with_room(stamp)
    }

    fn spans(&self, range: Range<u64>) -> impl Iterator<Item = FileSpan> + '_ {
        let length = range.end.saturating_sub(range.start);
        self.layout.spans(range.start, length).filter(|span| !span.is_pad)
    }

    fn read_span(&self, span: FileSpan, buffer: &mut [u8]) -> Result<(), StorageError> {
        let path = self.path(span.file).unwrap_or(Path::new(""));
        let missing = |offset| StorageError::MissingData { path: path.to_owned(), offset };
        let key = FileKey { storage: self.id, file: span.file.get() };
        let open = || match place_of(path).and_then(|(folder, name)| folder.open_file([name])) {
            Err(error) if error.is_not_found() => Err(missing(0)),
            opened => Ok(opened?),
        };
        let file = self.pool.get(key, Access::Read, open)?.file;
        let count = vectored::read_at(&file, buffer, span.offset)
            .map_err(|source| StorageError::io(Operation::Read, path, source))?;
        if count < buffer.len() { Err(missing(span.offset + count as u64)) } else { Ok(()) }
    }
}

impl Content for FilesElsewhere {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let mut rest = buffer;
        for span in self.spans(offset..offset.saturating_add(rest.len() as u64)) {
            let (part, after) = rest.split_at_mut(span.length as usize);
            rest = after;
            self.read_span(span, part)?;
        }
        Ok(())
    }

    fn write(&self, _: u64, _: &[IoSlice<'_>]) -> Result<(), StorageError> {
        Err(StorageError::ReadOnly)
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn is_present(&self, range: Range<u64>) -> Result<bool, StorageError> {
        for span in self.spans(range) {
            let size = self.stamp_of(span.file)?.map_or(0, |stamp| stamp.size);
            if size < span.offset + span.length {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn stamp(&self, file: FileIndex) -> Result<Option<u64>, StorageError> {
        // One that is absent has a stamp as well, so that it is found when it comes.
        let stamp = resume::encode_stamp(self.stamp_of(file)?);
        let path = self.path(file).map_or(&[][..], |path| path.as_os_str().as_encoded_bytes());
        let [a, b, c, d, e, f, g, h, ..] = sha1(&[&stamp[..], path].concat());
        Ok(Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])))
    }

    fn load_record(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(path) = &self.record else { return Ok(None) };
        let open = || place_of(path).and_then(|(folder, name)| folder.open_file([name]));
        let file = match self.pool.with_room(|| Ok(open()?)) {
            Err(error) if error.is_out_of_descriptors() => return Err(error),
            Err(_) => return Ok(None),
            Ok(file) => file,
        };
        let mut bytes = Vec::new();
        Ok(file.take(MAX_RECORD).read_to_end(&mut bytes).is_ok().then_some(bytes))
    }

    fn save_record(&self, record: &[u8]) -> Result<(), StorageError> {
        let Some(path) = &self.record else { return Ok(()) };
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let folder = parent_of(path);
        self.pool.with_room(|| Ok(Folder::create(folder)?.replace(&name, record, true)?))
    }
}

impl Drop for FilesElsewhere {
    fn drop(&mut self) {
        // The pool may be shared and live longer.
        self.pool.close(self.id, None);
    }
}

impl fmt::Debug for FilesElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesElsewhere")
            .field("files", &self.paths.len())
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

/// The folder of a file, and its name there: a pipe in its place is then an error, and blocks nobody.
fn place_of(path: &Path) -> Result<(Folder, &[u8]), Error> {
    let mut folder = Folder::open(parent_of(path))?;
    folder.follow_links(true);
    Ok((folder, path.file_name().unwrap_or_default().as_encoded_bytes()))
}

fn parent_of(path: &Path) -> &Path {
    // A bare name has an empty parent.
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Bytes of a record that are read at most. That of 2^21 pieces and 100,000 files has 17 MB.
const MAX_RECORD: u64 = 64 << 20;
