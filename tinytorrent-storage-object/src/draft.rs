//! Pieces that are not complete, in memory and in objects of their own.

use std::{io::IoSlice, ops::Range, sync::Arc};

use object_store::path::Path;
use tinytorrent_storage::{Content, MemoryContent, StorageError};

use crate::calls::Calls;

/// A piece between its first block and its end. All ranges are of bytes in the piece.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The newest is the last one, and hides what others have of the same bytes.
    layers: Vec<Layer>,
    /// The time of the last write, in the clock of its content.
    pub(crate) touched: u64,
}

#[derive(Debug, Clone)]
enum Layer {
    /// Written to.
    Memory(Arc<MemoryContent>),
    /// Being uploaded, and not written to any more.
    Leaving(Arc<MemoryContent>),
    Stored(Arc<StoredDraft>),
}

/// Parts of a piece in an object, one after the other.
#[derive(Debug)]
pub(crate) struct StoredDraft {
    key: Path,
    ranges: Vec<Range<u64>>,
}

/// A part of a piece, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) range: Range<u64>,
    source: Layer,
}

impl Draft {
    /// Writes the slices, from this byte of the piece on. Returns the bytes of memory that it has taken.
    pub(crate) fn write(
        &mut self,
        begin: u64,
        slices: &[IoSlice<'_>],
    ) -> Result<u64, StorageError> {
        let memory = match self.layers.last() {
            Some(Layer::Memory(memory)) => Arc::clone(memory),
            _ => {
                let memory = Arc::<MemoryContent>::default();
                self.layers.push(Layer::Memory(Arc::clone(&memory)));
                memory
            }
        };
        let before = memory.allocated_bytes();
        memory.write(begin, slices)?;
        Ok(memory.allocated_bytes() - before)
    }

    /// The parts that make up a range, in order; `None` if a byte of it is missing.
    pub(crate) fn parts(&self, range: Range<u64>) -> Option<Vec<Part>> {
        let mut missing = vec![range];
        let mut parts = Vec::new();
        for layer in self.layers.iter().rev() {
            let written = layer.ranges();
            let mut left = Vec::new();
            for wanted in missing {
                let mut at = wanted.start;
                for range in written.iter().filter(|range| range.end > wanted.start) {
                    let (start, end) = (range.start.max(at), range.end.min(wanted.end));
                    if start >= end {
                        break;
                    }
                    if start > at {
                        left.push(at..start);
                    }
                    parts.push(Part { range: start..end, source: layer.clone() });
                    at = end;
                }
                if at < wanted.end {
                    left.push(at..wanted.end);
                }
            }
            missing = left;
        }
        parts.sort_unstable_by_key(|part| part.range.start);
        missing.is_empty().then_some(parts)
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.layers.iter().map(Layer::bytes).sum()
    }

    /// Returns `true` if it has memory that can leave.
    pub(crate) fn can_leave(&self) -> bool {
        matches!(self.layers.last(), Some(Layer::Memory(memory)) if memory.allocated_bytes() > 0)
    }

    /// Takes what is in memory, to be uploaded. It can be read meanwhile.
    pub(crate) fn begin_leaving(&mut self) -> Option<Arc<MemoryContent>> {
        let last = self.layers.last_mut()?;
        let Layer::Memory(memory) = last else { return None };
        let memory = Arc::clone(memory);
        *last = Layer::Leaving(Arc::clone(&memory));
        Some(memory)
    }

    /// Puts the object in the place of what it has. Returns `false` if that is gone.
    pub(crate) fn end_leaving(&mut self, memory: &Arc<MemoryContent>, stored: StoredDraft) -> bool {
        let is_it =
            |layer: &&mut Layer| matches!(layer, Layer::Leaving(it) if Arc::ptr_eq(it, memory));
        let Some(layer) = self.layers.iter_mut().find(is_it) else { return false };
        *layer = Layer::Stored(Arc::new(stored));
        true
    }

    /// The objects that it has.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Path> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Stored(stored) => Some(&stored.key),
            Layer::Memory(_) | Layer::Leaving(_) => None,
        })
    }
}

impl Layer {
    fn ranges(&self) -> Vec<Range<u64>> {
        match self {
            Layer::Memory(memory) | Layer::Leaving(memory) => memory.written(),
            Layer::Stored(stored) => stored.ranges.clone(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Layer::Memory(memory) | Layer::Leaving(memory) => memory.allocated_bytes(),
            Layer::Stored(_) => 0,
        }
    }
}

impl StoredDraft {
    /// The object of what is in memory, and its bytes.
    pub(crate) fn of(key: Path, memory: &MemoryContent) -> Result<(Self, Vec<u8>), StorageError> {
        let ranges = memory.written();
        let length: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let mut bytes = vec![0; length as usize];
        let mut rest = &mut bytes[..];
        for range in &ranges {
            let (part, after) = rest.split_at_mut((range.end - range.start) as usize);
            memory.read(range.start, part)?;
            rest = after;
        }
        Ok((Self { key, ranges }, bytes))
    }

    pub(crate) fn key(&self) -> &Path {
        &self.key
    }

    /// The place of a part in the object; `None` if it is not in there.
    fn locate(&self, part: &Range<u64>) -> Option<Range<u64>> {
        let mut at = 0;
        for range in &self.ranges {
            if range.start <= part.start && part.end <= range.end {
                let start = at + part.start - range.start;
                return Some(start..start + part.end - part.start);
            }
            at += range.end - range.start;
        }
        None
    }
}

impl Part {
    /// Reads the part from memory. Returns `false` if it is in an object.
    pub(crate) fn read_memory(&self, buffer: &mut [u8]) -> Result<bool, StorageError> {
        match &self.source {
            Layer::Memory(memory) | Layer::Leaving(memory) => {
                memory.read(self.range.start, buffer)?;
                Ok(true)
            }
            Layer::Stored(_) => Ok(false),
        }
    }

    /// Reads the part.
    pub(crate) async fn read(self, calls: &Calls) -> Result<Vec<u8>, StorageError> {
        let mut bytes = vec![0; (self.range.end - self.range.start) as usize];
        if self.read_memory(&mut bytes)? {
            return Ok(bytes);
        }
        if let Layer::Stored(stored) = &self.source
            && let Some(range) = stored.locate(&self.range)
        {
            return Ok(calls.get(&stored.key, range).await?.into());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(draft: &mut Draft, begin: u64, bytes: &[u8]) -> u64 {
        draft.write(begin, &[IoSlice::new(bytes)]).unwrap()
    }

    fn ranges(draft: &Draft, range: Range<u64>) -> Option<Vec<Range<u64>>> {
        Some(draft.parts(range)?.into_iter().map(|part| part.range).collect())
    }

    #[test]
    fn the_newest_layer_hides_the_others() {
        let mut draft = Draft::default();
        assert_eq!(write(&mut draft, 0, b"aaaaaaaa"), 16 << 10);
        write(&mut draft, 20, b"aaaa");
        let memory = draft.begin_leaving().unwrap();
        write(&mut draft, 4, b"bb");
        assert_eq!(ranges(&draft, 0..8).unwrap(), [0..4, 4..6, 6..8]);
        assert_eq!(ranges(&draft, 0..9), None);
        let (stored, bytes) = StoredDraft::of(Path::from("x"), &memory).unwrap();
        assert_eq!(bytes, b"aaaaaaaaaaaa");
        assert_eq!(stored.locate(&(21..23)), Some(9..11));
        assert!(draft.end_leaving(&memory, stored));
        assert_eq!(draft.bytes(), 16 << 10);
        assert_eq!(draft.objects().count(), 1);
        let parts = draft.parts(2..6).unwrap();
        let mut read = [0; 2];
        assert!(!parts[0].read_memory(&mut read).unwrap(), "it is in the object");
        assert!(parts[1].read_memory(&mut read).unwrap() && &read == b"bb");
        assert_eq!(ranges(&draft, 20..24).unwrap().len(), 1);
        assert!(draft.begin_leaving().is_some() && draft.begin_leaving().is_none());
    }
}
