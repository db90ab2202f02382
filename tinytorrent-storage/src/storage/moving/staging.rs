//! Copies of files in a folder of drafts, made while the files are written to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, IoSlice},
    ops::{ControlFlow, Range},
    sync::Arc,
};

use tinytorrent_folder::{Extent, Extents, Folder, Mode};
use tinytorrent_types::InfoHashes;

use super::{MoveProgress, is_content};
use crate::{
    Operation, StorageError,
    pool::Access,
    storage::{FileContent, Target, io::mode_of, place::Place},
    vectored,
};

/// Copies of a storage's files in another folder. Writes are watched until this is dropped.
pub(super) struct Staging<'a> {
    storage: &'a FileContent,
    folder: &'a Folder,
    name: String,
}

/// The parts of files that were written after they were copied, in units of 1 MiB.
#[derive(Debug, Default)]
pub(in crate::storage) struct StaleParts {
    files: BTreeMap<Target, Stale>,
}

#[derive(Debug, Default)]
struct Stale {
    /// The file was created, replaced or removed.
    is_whole: bool,
    units: BTreeSet<u64>,
}

impl StaleParts {
    pub(in crate::storage) fn add(&mut self, target: Target, range: Range<u64>) {
        let units = range.start / UNIT..range.end.div_ceil(UNIT);
        self.files.entry(target).or_default().units.extend(units);
    }

    pub(in crate::storage) fn add_whole(&mut self, target: Target) {
        self.files.entry(target).or_default().is_whole = true;
    }

    pub(in crate::storage) fn add_all(&mut self, other: Self) {
        for (target, stale) in other.files {
            let entry = self.files.entry(target).or_default();
            entry.is_whole |= stale.is_whole;
            entry.units.extend(stale.units);
        }
    }

    /// An estimate of the bytes to be copied again.
    fn bytes(&self) -> u64 {
        self.files.values().map(|stale| (stale.units.len() as u64).max(1) * UNIT).sum()
    }
}

impl<'a> Staging<'a> {
    pub(super) fn begin(storage: &'a FileContent, folder: &'a Folder) -> Self {
        storage.written().watch();
        Self { storage, folder, name: folder_name(&storage.identity) }
    }

    /// Copies all files, and what is written meanwhile until little of that is left.
    pub(super) fn copy(
        &self,
        mut progress: impl FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let targets: Vec<Target> = self.targets().collect();
        let mut done = MoveProgress { bytes_done: 0, bytes_total: self.total_size()? };
        let mut step = |bytes: u64| {
            // Files may have grown.
            done.bytes_done = (done.bytes_done + bytes).min(done.bytes_total);
            progress(done)
        };
        for &target in &targets {
            let source = self.open_source(&self.storage.place(), target)?;
            if self.copy_whole(target, source, &mut step)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        for _ in 0..ROUNDS {
            let stale = self.storage.written().take_stale();
            if stale.bytes() <= LITTLE {
                self.storage.written().put_back_stale(stale);
                break;
            }
            for (target, stale) in stale.files {
                let source = self.open_source(&self.storage.place(), target)?;
                if self.refresh(target, source, &stale, &mut |_| step(0))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        self.sync(targets)?;
        Ok(step(0))
    }

    /// Copies what is left, while nothing is written.
    pub(super) fn catch_up(&self, place: &Place) -> Result<(), StorageError> {
        let stale = self.storage.written().take_stale();
        let mut go_on = |_| ControlFlow::Continue(());
        for (&target, stale) in &stale.files {
            let source = self.open_source(place, target)?;
            let _ = self.refresh(target, source, stale, &mut go_on)?;
        }
        self.sync(stale.files.into_keys())?;
        for name in self.storage.records() {
            match place.root.open_file([name.as_bytes()]) {
                Err(error) if error.is_not_found() => {}
                opened => {
                    let draft = self.draft(name.as_bytes(), Mode::Data)?;
                    let source = opened?;
                    let _ = self.copy_range(&source, &draft, 0..u64::MAX, &mut go_on)?;
                    draft.sync_all().map_err(self.failed(Operation::Sync))?;
                }
            }
        }
        Ok(())
    }

    /// Returns `true` if there is a draft of this name.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        matches!(self.folder.stamp(self.path(name)), Ok(Some(_)))
    }

    fn targets(&self) -> impl Iterator<Item = Target> {
        let files = self.storage.layout().files().filter(is_content);
        files.map(|file| Target::File(file.index.get())).chain([Target::Parts])
    }

    fn total_size(&self) -> Result<u64, StorageError> {
        let parts = self.storage.root().stamp([self.storage.parts_name().as_bytes()])?;
        let stamps = self.storage.stamps()?;
        Ok(stamps.into_iter().chain([parts]).flatten().map(|stamp| stamp.size).sum())
    }

    /// The file to be copied, if it exists and is one.
    fn open_source(
        &self,
        place: &Place,
        target: Target,
    ) -> Result<Option<Arc<File>>, StorageError> {
        place.refuse_removed()?;
        match self.storage.open_target(place, target, Access::Read) {
            Ok(file) => Ok(Some(file)),
            Err(StorageError::NotAFile { .. } | StorageError::SymbolicLink { .. }) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn copy_whole(
        &self,
        target: Target,
        source: Option<Arc<File>>,
        step: &mut impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let Some(source) = source else {
            self.folder.remove(self.path(&draft_name(target)))?;
            return Ok(ControlFlow::Continue(()));
        };
        let draft = self.draft(&draft_name(target), self.mode(target))?;
        draft.set_len(0).map_err(self.failed(Operation::Allocate))?;
        if self.copy_range(&source, &draft, 0..u64::MAX, step)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.finish(&source, &draft)?;
        Ok(ControlFlow::Continue(()))
    }

    /// Copies the parts of a file again that were written since.
    fn refresh(
        &self,
        target: Target,
        source: Option<Arc<File>>,
        stale: &Stale,
        step: &mut impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let (false, Some(source)) = (stale.is_whole, &source) else {
            return self.copy_whole(target, source, step);
        };
        let draft = self.draft(&draft_name(target), self.mode(target))?;
        for unit in &stale.units {
            let range = unit * UNIT..(unit + 1) * UNIT;
            if self.copy_range(source, &draft, range, step)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.finish(source, &draft)?;
        Ok(ControlFlow::Continue(()))
    }

    /// Copies the written parts of a range, as far as the file reaches.
    fn copy_range(
        &self,
        source: &File,
        draft: &File,
        range: Range<u64>,
        step: &mut impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let mut extents = Extents::new(source).map_err(self.failed(Operation::Examine))?;
        let mut buffer = Vec::new();
        let (mut at, end) = (range.start, range.end.min(extents.size()));
        while at < end {
            let (extent, next) = extents.at(at).map_err(self.failed(Operation::Examine))?;
            let length = (next.min(end) - at).min(match extent {
                Extent::Data => UNIT,
                Extent::Hole | Extent::Beyond => u64::MAX,
            });
            if extent == Extent::Data {
                buffer.resize(length as usize, 0);
                let count = vectored::read_at(source, &mut buffer, at)
                    .map_err(self.failed(Operation::Read))?;
                vectored::write_all_at(draft, &mut [IoSlice::new(&buffer[..count])], at)
                    .map_err(self.failed(Operation::Write))?;
            }
            at += length;
            if step(length).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Gives the draft the length, the permissions and the time of the file.
    fn finish(&self, source: &File, draft: &File) -> Result<(), StorageError> {
        let found = source.metadata().map_err(self.failed(Operation::Examine))?;
        draft.set_len(found.len()).map_err(self.failed(Operation::Allocate))?;
        // Some file systems have neither, and the content does not depend on them.
        let _ = draft.set_permissions(found.permissions());
        let _ = found.modified().and_then(|time| draft.set_modified(time));
        Ok(())
    }

    fn sync(&self, targets: impl IntoIterator<Item = Target>) -> Result<(), StorageError> {
        let targets: Vec<Target> = targets.into_iter().collect();
        if targets.len() > SYNC_ONE_BY_ONE && self.folder.sync_file_system()? {
            return Ok(());
        }
        for target in targets {
            match self.folder.open_file(self.path(&draft_name(target))) {
                Err(error) if error.is_not_found() => {}
                opened => opened?.sync_all().map_err(self.failed(Operation::Sync))?,
            }
        }
        Ok(())
    }

    fn draft(&self, name: &[u8], mode: Mode) -> Result<File, StorageError> {
        let create = || Ok(self.folder.create_file(self.path(name), mode)?);
        self.storage.pool.with_room(create)
    }

    fn mode(&self, target: Target) -> Mode {
        let file = match target {
            Target::File(index) => self.storage.layout().file(index),
            Target::Parts => None,
        };
        file.map_or(Mode::Data, |file| mode_of(&file))
    }

    fn path<'b>(&'b self, name: &'b [u8]) -> [&'b [u8]; 2] {
        [self.name.as_bytes(), name]
    }

    fn failed(&self, operation: Operation) -> impl FnOnce(io::Error) -> StorageError {
        let path = self.folder.path().join(&self.name);
        move |source| StorageError::io(operation, path, source)
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        self.storage.written().stop_watching();
    }
}

/// Deletes the folder of drafts, if there is one.
pub(super) fn remove(folder: &Folder, identity: &InfoHashes) -> Result<(), StorageError> {
    let name = folder_name(identity);
    let entries = match folder.entries([name.as_bytes()]) {
        Err(error) if error.is_not_found() => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        folder.remove([name.as_bytes(), entry.name.as_encoded_bytes()])?;
    }
    folder.remove_folder([name.as_bytes()])?;
    Ok(())
}

/// The name of the folder of drafts.
pub(super) fn folder_name(identity: &InfoHashes) -> String {
    format!(".{}.tinytorrent-drafts", identity.to_wire())
}

/// The name of the draft of a file.
pub(super) fn draft_name(target: Target) -> Vec<u8> {
    match target {
        Target::File(index) => format!("{index}").into_bytes(),
        Target::Parts => b"parts".to_vec(),
    }
}

/// Bytes that are copied at once, and a unit of what is copied again: 1 MiB. A set of them takes some 20 MB
/// for each TiB that is written during a copy.
const UNIT: u64 = 1 << 20;

/// Rounds in which what was written meanwhile is copied again, before I/O has to wait for the rest. Each takes
/// less time than the one before, unless data comes faster than it can be copied.
const ROUNDS: usize = 5;

/// Bytes that I/O may wait for. A slow disk takes less than a second.
const LITTLE: u64 = 32 << 20;

/// Number of files up to which each is synced; for more, the whole file system is.
const SYNC_ONE_BY_ONE: usize = 64;
