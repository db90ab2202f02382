use std::{
    collections::HashMap,
    io::IoSlice,
    ops::{ControlFlow, Range},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Content;
use crate::{Fault, MoveProgress, StorageError};

/// Content in memory, which lasts as long as this value. Memory is taken as blocks come: 16 KiB for each, and
/// some 50 bytes.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tinytorrent_metainfo::Layout;
/// use tinytorrent_storage::{MemoryContent, Storage, StorageOptions};
/// use tinytorrent_types::{InfoHashV1, InfoHashes};
///
/// let mut builder = Layout::builder(16_384);
/// builder.file(["album", "a"], 3).file(["album", "b"], 5);
/// let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
///
/// let content = Arc::new(MemoryContent::new());
/// let layout = Arc::new(builder.build()?);
/// let (folder, options) = (Path::new("memory"), StorageOptions::default());
/// let storage = Storage::with_content(layout, identity, folder, content, &options);
/// storage.write(0, &["aaabb", "bbb"])?;
/// let mut read = [0; 4];
/// storage.read(2, &mut read)?;
/// assert_eq!(&read, b"abbb");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryContent {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pages: HashMap<u64, Page>,
    record: Option<Vec<u8>>,
}

/// A part of the content, with the ranges of it that were written.
struct Page {
    data: Box<[u8]>,
    written: Ranges,
}

/// Ranges, in order, that neither touch nor overlap.
#[derive(Debug, Default)]
struct Ranges(Vec<Range<u32>>);

impl MemoryContent {
    /// An empty content.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of memory that the data takes.
    pub fn allocated_bytes(&self) -> u64 {
        self.lock().pages.len() as u64 * PAGE
    }

    /// The ranges that were written, in order. Those that touch are one.
    pub fn written(&self) -> Vec<Range<u64>> {
        let state = self.lock();
        let mut numbers: Vec<_> = state.pages.keys().copied().collect();
        numbers.sort_unstable();
        let mut written: Vec<Range<u64>> = Vec::new();
        for number in numbers {
            let begin = number * PAGE;
            for range in state.pages.get(&number).iter().flat_map(|page| &page.written.0) {
                let range = begin + u64::from(range.start)..begin + u64::from(range.end);
                match written.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => written.push(range),
                }
            }
        }
        written
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content for MemoryContent {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let state = self.lock();
        let mut rest = buffer;
        for (number, range) in pages(offset, rest.len()) {
            let (part, after) = rest.split_at_mut(range.len());
            rest = after;
            let missing = || missing(number * PAGE + u64::from(range.start));
            let page = state.pages.get(&number).ok_or_else(missing)?;
            if !page.written.have(&range) {
                return Err(missing());
            }
            part.copy_from_slice(&page.data[range.start as usize..range.end as usize]);
        }
        Ok(())
    }

    fn write(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let mut state = self.lock();
        let mut offset = offset;
        for slice in slices {
            let mut rest = &slice[..];
            for (number, range) in pages(offset, rest.len()) {
                let (part, after) = rest.split_at(range.len());
                rest = after;
                let page = state.pages.entry(number).or_insert_with(Page::new);
                page.data[range.start as usize..range.end as usize].copy_from_slice(part);
                page.written.add(range);
            }
            offset += slice.len() as u64;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn is_present(&self, range: Range<u64>) -> Result<bool, StorageError> {
        let state = self.lock();
        let length = range.end.saturating_sub(range.start);
        let mut parts = pages(range.start, usize::try_from(length).unwrap_or(usize::MAX));
        let has = |number, range: Range<u32>| {
            state.pages.get(&number).is_some_and(|page| page.written.have(&range))
        };
        Ok(parts.all(|(number, range)| has(number, range)))
    }

    fn load_record(&self) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.lock().record.clone())
    }

    fn save_record(&self, record: &[u8]) -> Result<(), StorageError> {
        self.lock().record = Some(record.to_vec());
        Ok(())
    }

    fn remove(&self) -> Result<(), StorageError> {
        *self.lock() = State::default();
        Ok(())
    }

    /// Memory has no places: the content has another name afterwards.
    fn move_to(
        &self,
        _: &Path,
        _: &mut dyn FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        Ok(ControlFlow::Continue(()))
    }
}

impl Page {
    fn new() -> Self {
        Self { data: vec![0; PAGE as usize].into(), written: Ranges::default() }
    }
}

impl Ranges {
    fn add(&mut self, new: Range<u32>) {
        let first = self.0.partition_point(|range| range.end < new.start);
        let end = self.0.partition_point(|range| range.start <= new.end);
        let joined = match self.0.get(first..end) {
            Some([one, .., last]) => one.start.min(new.start)..last.end.max(new.end),
            Some([one]) => one.start.min(new.start)..one.end.max(new.end),
            _ => new,
        };
        self.0.splice(first..end, [joined]);
    }

    fn have(&self, range: &Range<u32>) -> bool {
        self.0.iter().any(|written| written.start <= range.start && written.end >= range.end)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("pages", &self.pages.len()).finish_non_exhaustive()
    }
}

/// The pages of a range, each with the part of it that the range has.
fn pages(offset: u64, length: usize) -> impl Iterator<Item = (u64, Range<u32>)> {
    let end = offset.saturating_add(length as u64);
    let mut at = offset;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let number = at / PAGE;
        let start = at % PAGE;
        let length = (PAGE - start).min(end - at);
        at += length;
        // Both are at most a page.
        Some((number, start as u32..(start + length) as u32))
    })
}

fn missing(offset: u64) -> StorageError {
    let what = format!("byte {offset} of the content was not written");
    StorageError::content(Fault::Missing, "memory", what)
}

/// Bytes of a page: a block, which is what most writes have.
const PAGE: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        let mut ranges = Ranges::default();
        for range in [10..20, 30..40, 0..5, 20..30, 4..6, 50..50] {
            ranges.add(range);
        }
        assert_eq!(ranges.0, [0..6, 10..40, 50..50]);
        assert!(ranges.have(&(10..40)) && !ranges.have(&(5..11)) && !ranges.have(&(40..41)));
    }

    // However long the torrent claims to be.
    #[test]
    fn memory_is_taken_by_what_is_written() {
        let content = MemoryContent::new();
        content.write(1 << 50, &[IoSlice::new(b"ab"), IoSlice::new(b"c")]).unwrap();
        assert_eq!(content.allocated_bytes(), PAGE);
        let mut data = [0; 3];
        content.read(1 << 50, &mut data).unwrap();
        assert_eq!(&data, b"abc");
        assert_eq!(content.read((1 << 50) + 1, &mut data).unwrap_err().fault(), Fault::Missing);
        assert!(!content.is_present(0..u64::MAX).unwrap());
        content.write((1 << 50) - 5, &[IoSlice::new(b"before")]).unwrap();
        content.write(7, &[IoSlice::new(b"x")]).unwrap();
        assert_eq!(content.written(), [7..8, (1 << 50) - 5..(1 << 50) + 3]);
        content.remove().unwrap();
        assert_eq!(content.allocated_bytes(), 0);
    }
}
