//! The journal of blocks of unfinished pieces that are on disk.
//!
//! A file of fixed entries that only grows, one `write` for each batch of blocks, after the blocks
//! themselves. It is complete by itself, as each checkpoint writes it anew with all such blocks; the
//! blocks in the record count only where there is no journal. It is never synced: after a kill the
//! system has it all; after a power failure it may claim blocks that never reached the disk, which the
//! hash of their piece shows.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use tinytorrent_folder::{Folder, Mode};
use tinytorrent_types::{Geometry, InfoHashes, PieceIndex, WireInfoHash};

use crate::{FilePool, Operation, StorageError, resume::PartialPiece, vectored};

/// The blocks of unfinished pieces that are claimed to be on disk, sorted.
pub(crate) type Claims = BTreeMap<PieceIndex, Vec<u32>>;

/// Neighbouring blocks of one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockRange {
    pub(crate) piece: PieceIndex,
    pub(crate) first: u32,
    /// Number of blocks; zero if all blocks of the piece were discarded.
    pub(crate) count: u32,
}

#[derive(Debug)]
pub(crate) struct Journal {
    /// The torrent that it is of. Its name and header follow from this; of thousands of torrents, few write.
    hash: WireInfoHash,
    /// Files that can be closed if there is no descriptor for the journal.
    pool: Arc<FilePool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    /// Not opened before the first entry, so that a seeder leaves no file.
    #[default]
    Closed,
    Open {
        file: File,
        length: u64,
    },
    /// It could not be written, as the disk is full for instance. The next checkpoint writes it anew.
    Broken,
    /// It lacks entries, as no descriptor was left for it, and should be written anew.
    Behind,
}

impl Journal {
    pub(crate) fn new(identity: &InfoHashes, pool: Arc<FilePool>) -> Self {
        Self { hash: identity.to_wire(), pool, state: Mutex::default() }
    }

    fn name(&self) -> String {
        file_name(&self.hash)
    }

    fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8..28].copy_from_slice(self.hash.as_bytes());
        let check = checksum(&header[..28]);
        header[28..].copy_from_slice(&check);
        header
    }

    /// Adds the entries of an event, in the order in which events happen: no other entry is added
    /// between the event and its own. Gives what the event gave.
    ///
    /// A journal that cannot be written costs progress after a kill, and nothing else, so there is no
    /// error.
    pub(crate) fn append<T>(
        &self,
        root: &Folder,
        event: impl FnOnce() -> (T, Vec<BlockRange>),
    ) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, ranges) = event();
        if !ranges.is_empty() {
            self.write(root, &mut state, &ranges);
        }
        value
    }

    /// Closes the file, which the next entry opens again, in the folder in which it is then.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Open { .. }) {
            *state = State::Closed;
        }
    }

    /// Takes no more entries.
    pub(crate) fn stop(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Broken;
    }

    /// Returns `true` if it should be written anew: it is long, or lacks entries.
    pub(crate) fn is_to_be_rewritten(&self) -> bool {
        match *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open { length, .. } => length > LONG,
            State::Behind => true,
            State::Closed | State::Broken => false,
        }
    }

    /// Replaces all entries by the pieces that `partial` gives. Nothing is added meanwhile, so that
    /// they cannot be out of date.
    ///
    /// Without pieces the file is removed, unless it `is_needed`: the record claims blocks, which count
    /// where there is no journal.
    pub(crate) fn rewrite(
        &self,
        root: &Folder,
        is_needed: bool,
        partial: impl FnOnce() -> Vec<PartialPiece>,
    ) -> Result<(), StorageError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The file is about to be replaced, so that entries in the open one would be lost.
        *state = State::Closed;
        let partial = partial();
        if partial.is_empty() && !is_needed {
            return Ok(root.remove([self.name().as_bytes()])?);
        }
        let mut bytes = self.header().to_vec();
        bytes.extend(partial.iter().flat_map(ranges_of).flat_map(encode));
        // Not synced, as no entry is: after a power failure, the hash of a piece shows a false
        // claim.
        let written = self.pool.with_room(|| Ok(root.replace(&self.name(), &bytes, false)?));
        if let Err(error) = &written
            && error.is_out_of_descriptors()
        {
            *state = State::Behind;
        }
        written
    }

    /// The claims of the file; `None` if there is none, or it is of another torrent. Entries from the
    /// first broken one on are left out.
    ///
    /// # Errors
    /// No descriptor is left for the file.
    pub(crate) fn load(
        &self,
        root: &Folder,
        geometry: &Geometry,
    ) -> Result<Option<Claims>, StorageError> {
        let Some(bytes) = load(&self.pool, root, &self.name(), LONGEST)? else { return Ok(None) };
        let claims = |(header, entries): (&[u8; HEADER], &[u8])| {
            (*header == self.header()).then(|| replay(geometry, entries))
        };
        Ok(bytes.split_first_chunk().and_then(claims))
    }

    fn write(&self, root: &Folder, state: &mut State, ranges: &[BlockRange]) {
        if matches!(*state, State::Closed) {
            *state = match self.pool.with_room(|| self.open(root)) {
                Ok(open) => open,
                Err(error) if error.is_out_of_descriptors() => State::Behind,
                Err(_) => State::Broken,
            };
        }
        let State::Open { file, length } = state else { return };
        let entries: Vec<u8> = ranges.iter().flat_map(|range| encode(*range)).collect();
        match vectored::write_all_at(file, &mut [std::io::IoSlice::new(&entries)], *length) {
            Ok(()) => *length += entries.len() as u64,
            // An entry behind one that was cut short would not be read.
            Err(_) => *state = State::Broken,
        }
    }

    fn open(&self, root: &Folder) -> Result<State, StorageError> {
        let (name, header) = (self.name(), self.header());
        let file = root.create_file([name.as_bytes()], Mode::Data)?;
        let io = |source| StorageError::io(Operation::Write, root.path().join(&name), source);
        let length = file.metadata().map_err(io)?.len();
        let mut there = [0; HEADER];
        let is_ours =
            vectored::read_at(&file, &mut there, 0).map_err(io)? == HEADER && there == header;
        // Claims about another torrent or in another format are of no use.
        if !is_ours {
            file.set_len(0).map_err(io)?;
            vectored::write_all_at(&file, &mut [std::io::IoSlice::new(&header)], 0).map_err(io)?;
            return Ok(State::Open { file, length: HEADER as u64 });
        }
        // An entry that a kill cut short is written over.
        let whole = (length - HEADER as u64) / ENTRY as u64 * ENTRY as u64;
        Ok(State::Open { file, length: HEADER as u64 + whole })
    }
}

/// The bytes of the file of this name, as far as `limit`; `None` if it cannot be read.
///
/// # Errors
/// No descriptor is left for the file, which may be there.
pub(crate) fn load(
    pool: &FilePool,
    root: &Folder,
    name: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, StorageError> {
    let open = || root.open_file([name.as_bytes()]).map_err(StorageError::from);
    let file = match pool.with_room(open) {
        Ok(file) => file,
        Err(error) if error.is_out_of_descriptors() => return Err(error),
        Err(_) => return Ok(None),
    };
    let mut bytes = Vec::new();
    Ok(file.take(limit).read_to_end(&mut bytes).is_ok().then_some(bytes))
}

pub(super) fn file_name(hash: &WireInfoHash) -> String {
    format!(".{hash}.tinytorrent-journal")
}

fn encode(range: BlockRange) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..4].copy_from_slice(&range.piece.get().to_be_bytes());
    entry[4..8].copy_from_slice(&range.first.to_be_bytes());
    entry[8..12].copy_from_slice(&range.count.to_be_bytes());
    let check = checksum(&entry[..12]);
    entry[12..].copy_from_slice(&check);
    entry
}

fn decode(geometry: &Geometry, entry: &[u8; ENTRY]) -> Option<BlockRange> {
    let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| entry[at + byte]));
    let piece = geometry.piece(number(0))?;
    let (first, count) = (number(4), number(8));
    // The numbers of a damaged or forged entry may be any, also with a right checksum.
    let is_within = first.checked_add(count).is_some_and(|end| end <= geometry.block_count(piece));
    let is_whole = entry[12..] == checksum(&entry[..12]);
    (is_within && is_whole).then_some(BlockRange { piece, first, count })
}

fn replay(geometry: &Geometry, entries: &[u8]) -> Claims {
    let mut claims = Claims::new();
    for entry in entries.as_chunks().0 {
        let Some(range) = decode(geometry, entry) else { break };
        if range.count == 0 {
            claims.remove(&range.piece);
        } else {
            let blocks = claims.entry(range.piece).or_default();
            blocks.extend(range.first..range.first + range.count);
            // Only a damaged or forged journal repeats blocks. They must not fill memory.
            if blocks.len() > 2 * geometry.block_count(range.piece) as usize {
                tidy(blocks);
            }
        }
    }
    claims.values_mut().for_each(tidy);
    claims
}

fn tidy(blocks: &mut Vec<u32>) {
    blocks.sort_unstable();
    blocks.dedup();
}

/// Neighbouring blocks as one range.
fn ranges_of(partial: &PartialPiece) -> Vec<BlockRange> {
    let mut ranges: Vec<BlockRange> = Vec::new();
    for &block in &partial.blocks {
        match ranges.last_mut() {
            Some(range) if range.first + range.count == block => range.count += 1,
            _ => ranges.push(BlockRange { piece: partial.piece, first: block, count: 1 }),
        }
    }
    ranges
}

/// Four bytes of a hash, enough to find an entry that was cut or never reached the disk.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = tinytorrent_hash::sha1(bytes);
    [a, b, c, d]
}

/// Name and version of the format, in a line of its own.
const MAGIC: &[u8; 8] = b"ttjrnl1\n";
const HEADER: usize = 32;
const ENTRY: usize = 16;

/// Bytes after which a journal is written anew: 65,536 entries.
const LONG: u64 = 1 << 20;

/// Bytes that are read at most. A journal is written anew long before it has as many.
const LONGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use tinytorrent_types::InfoHashV1;

    use super::*;

    struct World {
        folder: tempfile::TempDir,
        root: Folder,
        geometry: Geometry,
        journal: Journal,
    }

    fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let root = Folder::create(folder.path()).unwrap();
        let geometry = Geometry::new(10 * 65_536, 65_536).unwrap();
        World { folder, root, geometry, journal: new(1) }
    }

    fn new(byte: u8) -> Journal {
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([byte; 20]));
        Journal::new(&identity, Arc::default())
    }

    fn range(geometry: &Geometry, piece: u32, first: u32, count: u32) -> BlockRange {
        BlockRange { piece: geometry.piece(piece).unwrap(), first, count }
    }

    fn claims(world: &World) -> Vec<(u32, Vec<u32>)> {
        let journal = new(1);
        let claims = journal.load(&world.root, &world.geometry).unwrap().unwrap_or_default();
        claims.into_iter().map(|(piece, blocks)| (piece.get(), blocks)).collect()
    }

    // S-18.
    #[test]
    fn what_was_appended_is_found_and_what_was_discarded_is_not() {
        let world = world();
        let entry = |piece, first, count| range(&world.geometry, piece, first, count);
        world.journal.append(&world.root, || ((), vec![entry(7, 1, 2), entry(2, 0, 1)]));
        world.journal.append(&world.root, || ((), vec![entry(7, 0, 2), entry(3, 0, 4)]));
        world.journal.append(&world.root, || ((), vec![entry(3, 0, 0)]));
        assert_eq!(claims(&world), [(2, vec![0]), (7, vec![0, 1, 2])]);
    }

    // S-18.
    #[test]
    fn a_journal_cut_anywhere_claims_its_whole_entries() {
        let world = world();
        let entry = |piece| range(&world.geometry, piece, 0, 1);
        world.journal.append(&world.root, || ((), vec![entry(0), entry(1), entry(2)]));
        let path = world.folder.path().join(world.journal.name());
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(claims(&world).len(), cut.saturating_sub(HEADER) / ENTRY);
            new(1).append(&world.root, || ((), vec![entry(9)]));
            assert_eq!(claims(&world).last(), Some(&(9, vec![0])), "the next run goes on");
        }
    }

    #[test]
    fn a_damaged_entry_ends_the_claims() {
        let world = world();
        let entry = |piece| range(&world.geometry, piece, 0, 1);
        world.journal.append(&world.root, || ((), vec![entry(0), entry(1), entry(2)]));
        let path = world.folder.path().join(world.journal.name());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEADER + ENTRY + 3] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(claims(&world), [(0, vec![0])]);
    }

    // S-17.
    #[test]
    fn the_journal_of_another_torrent_claims_nothing() {
        let world = world();
        let other = new(2);
        other.append(&world.root, || ((), vec![range(&world.geometry, 0, 0, 4)]));
        world.root.rename(&other.name(), &world.journal.name()).unwrap();
        assert!(claims(&world).is_empty());
        world.journal.append(&world.root, || ((), vec![range(&world.geometry, 1, 0, 1)]));
        assert_eq!(claims(&world), [(1, vec![0])]);
    }

    #[test]
    fn rewriting_keeps_the_claims_and_none_remove_the_file() {
        let world = world();
        world.journal.append(&world.root, || ((), vec![range(&world.geometry, 4, 0, 1)]));
        let partial = PartialPiece { piece: world.geometry.piece(5).unwrap(), blocks: vec![0, 2] };
        world.journal.rewrite(&world.root, false, || vec![partial]).unwrap();
        assert_eq!(claims(&world), [(5, vec![0, 2])]);
        world.journal.append(&world.root, || ((), vec![range(&world.geometry, 5, 1, 1)]));
        assert_eq!(claims(&world), [(5, vec![0, 1, 2])]);
        world.journal.rewrite(&world.root, true, Vec::new).unwrap();
        let journal = || new(1).load(&world.root, &world.geometry).unwrap();
        assert_eq!(journal(), Some(Claims::new()), "the record would count without it");
        world.journal.rewrite(&world.root, false, Vec::new).unwrap();
        assert_eq!(journal(), None);
        assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 0);
    }
}
