use tinytorrent_hash::sha1;
use tinytorrent_metainfo::{FileIndex, Layout};
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashV2, InfoHashes};

use super::{Counters, PartialPiece, metadata, stamp};
use crate::{FileStamp, Storage, StorageError, storage::FileContent};

/// The record of a run for the next one: the pieces on disk, and the stamps of the files.
///
/// It is kept beside the content, in `.<info-hash>.tinytorrent-resume` in the root folder, and so moves with
/// it. All numbers are big-endian:
///
/// | bytes | content |
/// |---|---|
/// | 8 | `ttresum2`: the format and its version |
/// | 1, 20, 32 | which info-hashes there are (1: v1, 2: v2), and both, zeros for one there is not |
/// | 8, 4, 4 | total length, piece length, number of files |
/// | 5 × 8 | the [`Counters`] |
/// | ⌈pieces / 8⌉ | the pieces that are on disk, as in a `bitfield` message |
/// | 41 a file | which parts of its [`FileStamp`] there are (1: any, 2: `changed`, 4: `inode`), then size, both times as seconds and nanoseconds, and inode; zeros for what there is not |
/// | 4 | number of partial pieces |
/// | 4 + ⌈blocks / 8⌉ each | a partial piece and its blocks, first block first |
/// | 20 | SHA-1 of all before |
///
/// Records of version 1 are read, too. Their stamps end after `modified`. On systems that have more, no
/// stamp is equal, and the files are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResumeRecord {
    /// The info-hashes of the torrent.
    pub identity: InfoHashes,
    /// Pieces that are on the medium and right.
    pub have: Bitfield,
    /// Unfinished pieces with blocks on disk.
    pub partial: Vec<PartialPiece>,
    /// Totals.
    pub counters: Counters,
    /// The stamp of each file, in the torrent's order; `None` for one that did not exist.
    pub stamps: Vec<Option<FileStamp>>,
}

/// The reason why bytes are no resume record of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// They are no record, or one of an unknown version.
    #[error("not a resume record of a known version")]
    UnknownFormat,
    /// The record ends early, or its checksum is wrong.
    #[error("the resume record is damaged")]
    Damaged,
    /// The record belongs to a torrent with other info-hashes or another layout.
    #[error("the resume record is of another torrent")]
    OtherTorrent,
}

impl ResumeRecord {
    /// The bytes of the record, as in its file.
    pub fn to_bytes(&self, geometry: &Geometry) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(shape(&self.identity, geometry, self.stamps.len() as u32));
        for counter in self.counters.to_array() {
            bytes.extend(counter.to_be_bytes());
        }
        bytes.extend(self.have.as_bytes());
        for stamp in &self.stamps {
            bytes.extend(stamp::encode(*stamp));
        }
        bytes.extend((self.partial.len() as u32).to_be_bytes());
        for partial in &self.partial {
            bytes.extend(partial.piece.get().to_be_bytes());
            let start = bytes.len();
            bytes.resize(start + geometry.block_count(partial.piece).div_ceil(8) as usize, 0);
            for block in &partial.blocks {
                bytes[start + (block / 8) as usize] |= 0x80 >> (block % 8);
            }
        }
        let check = sha1(&bytes);
        bytes.extend(check);
        bytes
    }

    /// Reads a record of this torrent.
    ///
    /// # Errors
    /// See [`RecordError`]. Without a record, the content has to be checked, and no more.
    pub fn from_bytes(
        bytes: &[u8],
        identity: &InfoHashes,
        geometry: &Geometry,
        file_count: u32,
    ) -> Result<Self, RecordError> {
        let is_version_1 = bytes.starts_with(MAGIC_1);
        if !is_version_1 && !bytes.starts_with(MAGIC) {
            return Err(RecordError::UnknownFormat);
        }
        let (body, check) = bytes.split_last_chunk().ok_or(RecordError::Damaged)?;
        if sha1(body) != *check {
            return Err(RecordError::Damaged);
        }
        let shape = shape(identity, geometry, file_count);
        let body = body.get(MAGIC.len()..).ok_or(RecordError::Damaged)?;
        let rest = body.strip_prefix(&shape[..]).ok_or(RecordError::OtherTorrent)?;
        // A checksum is no proof against forgery, so that lengths are checked here, too.
        let fields = Fields { rest, geometry, is_version_1 };
        fields.read(identity, file_count).ok_or(RecordError::Damaged)
    }

    /// Replaces the record of this content, and syncs it to the medium. A kill, a power failure or a full
    /// disk leaves either the old record or the new one, whole.
    ///
    /// # Errors
    /// The system refuses; the old record, if any, is unchanged.
    pub fn save(&self, storage: &Storage) -> Result<(), StorageError> {
        storage.refuse_removed()?;
        storage.save_record(&self.to_bytes(storage.geometry()))
    }

    /// The record of this content. Returns `None`, and no error, for one that is absent, damaged or of
    /// another torrent: then there is more to check.
    ///
    /// # Errors
    /// No descriptor is left to read it ([`Fault::NoDescriptor`](crate::Fault::NoDescriptor)).
    pub fn load(storage: &Storage) -> Result<Option<Self>, StorageError> {
        let limit = longest(storage.geometry(), storage.layout().file_count());
        let bytes = storage.load_record(limit)?;
        Ok(bytes.and_then(|bytes| Self::parse(&bytes, &storage.identity(), storage.layout())))
    }

    /// The record of files, as [`load`](Self::load) reads it.
    pub(crate) fn load_of_files(files: &FileContent) -> Result<Option<Self>, StorageError> {
        let layout = files.layout();
        let bytes = files.load_record(longest(layout.geometry(), layout.file_count()))?;
        Ok(bytes.and_then(|bytes| Self::parse(&bytes, &files.identity(), layout)))
    }

    fn parse(bytes: &[u8], identity: &InfoHashes, layout: &Layout) -> Option<Self> {
        Self::from_bytes(bytes, identity, layout.geometry(), layout.file_count()).ok()
    }

    /// Takes over the stamps of files that were renamed or moved, so that they are not checked for that. One
    /// that has changed since the record keeps its stamp there, and is checked.
    pub(crate) fn follow(content: &FileContent, files: &[Followed]) {
        if files.is_empty() {
            return;
        }
        let Ok(Some(mut record)) = Self::load_of_files(content) else { return };
        let mut is_changed = false;
        for Followed { file, before, after } in files {
            let Some(stamp) = record.stamps.get_mut(file.as_usize()) else { continue };
            if stamp.is_some() && stamp == before {
                *stamp = *after;
                is_changed = true;
            }
        }
        if is_changed {
            // The old record has the files checked, which costs time and nothing else.
            let _ = content.save_record(&record.to_bytes(content.layout().geometry()));
        }
    }

    /// Removes the record and the journal of this content, and its
    /// [`MetadataFile`](super::MetadataFile), if there is one. The record of content of the program's own is
    /// replaced by an empty one, which is none.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remove(storage: &Storage) -> Result<(), StorageError> {
        let Some((files, journal)) = storage.files().zip(storage.journal()) else {
            return storage.save_record(&[]);
        };
        let name = file_name(&storage.identity());
        files.root().remove([name.as_bytes()])?;
        metadata::remove_all(&files.root(), &storage.identity())?;
        journal.rewrite(&files.root(), false, Vec::new)
    }
}

/// A file that has another path, and its stamps just before and just after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Followed {
    pub(crate) file: FileIndex,
    pub(crate) before: Option<FileStamp>,
    pub(crate) after: Option<FileStamp>,
}

impl Counters {
    fn to_array(self) -> [u64; 5] {
        [self.downloaded, self.uploaded, self.wasted, self.active_seconds, self.seeding_seconds]
    }

    fn from_array(numbers: [u64; 5]) -> Self {
        let [downloaded, uploaded, wasted, active_seconds, seeding_seconds] = numbers;
        Self { downloaded, uploaded, wasted, active_seconds, seeding_seconds }
    }
}

struct Fields<'a> {
    rest: &'a [u8],
    geometry: &'a Geometry,
    is_version_1: bool,
}

impl Fields<'_> {
    fn read(mut self, identity: &InfoHashes, file_count: u32) -> Option<ResumeRecord> {
        let mut counters = [0; 5];
        for counter in &mut counters {
            *counter = u64::from_be_bytes(self.array()?);
        }
        let piece_count = self.geometry.piece_count();
        let have = self.bytes(Bitfield::byte_length(piece_count))?;
        let have = Bitfield::from_bytes(have, piece_count).ok()?;
        let stamps = (0..file_count).map(|_| self.stamp()).collect::<Option<Vec<_>>>()?;
        let partial_count = u32::from_be_bytes(self.array()?);
        // The count is a claim. Nothing is allocated for it: each piece takes bytes, and the first
        // one that lacks them ends the loop.
        let partial = (0..partial_count).map(|_| self.partial()).collect::<Option<Vec<_>>>()?;
        let is_all = self.rest.is_empty();
        is_all.then_some(ResumeRecord {
            identity: *identity,
            have,
            partial,
            counters: Counters::from_array(counters),
            stamps,
        })
    }

    fn stamp(&mut self) -> Option<Option<FileStamp>> {
        // The parts that version 1 does not have stay zeros, which means that they are absent.
        let length = if self.is_version_1 { stamp::LENGTH_1 } else { stamp::LENGTH };
        let mut bytes = [0; stamp::LENGTH];
        bytes[..length].copy_from_slice(self.bytes(length)?);
        Some(stamp::decode(&bytes))
    }

    fn partial(&mut self) -> Option<PartialPiece> {
        let piece = self.geometry.piece(u32::from_be_bytes(self.array()?))?;
        let block_count = self.geometry.block_count(piece);
        let bits = self.bytes(block_count.div_ceil(8) as usize)?;
        let is_set = |block: &u32| bits[(block / 8) as usize] & 0x80 >> (block % 8) != 0;
        Some(PartialPiece { piece, blocks: (0..block_count).filter(is_set).collect() })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    fn bytes(&mut self, length: usize) -> Option<&[u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }
}

/// The part of a record that names its torrent and its layout.
fn shape(identity: &InfoHashes, geometry: &Geometry, file_count: u32) -> Vec<u8> {
    let (v1, v2) = (identity.v1(), identity.v2());
    let mut bytes = vec![u8::from(v1.is_some()) | u8::from(v2.is_some()) << 1];
    bytes.extend(v1.unwrap_or(InfoHashV1::from_bytes([0; 20])).as_bytes());
    bytes.extend(v2.unwrap_or(InfoHashV2::from_bytes([0; 32])).as_bytes());
    bytes.extend(geometry.total_length().to_be_bytes());
    bytes.extend(geometry.nominal_piece_length().to_be_bytes());
    bytes.extend(file_count.to_be_bytes());
    bytes
}

pub(crate) fn file_name(identity: &InfoHashes) -> String {
    format!(".{}.tinytorrent-resume", identity.to_wire())
}

/// An upper bound of the length of a record of this torrent, however many pieces are partial.
fn longest(geometry: &Geometry, file_count: u32) -> u64 {
    let pieces = u64::from(geometry.piece_count());
    let bits = geometry.total_length() / u64::from(tinytorrent_types::BLOCK_LENGTH) / 8;
    256 + pieces * 6 + bits + u64::from(file_count) * stamp::LENGTH as u64
}

const MAGIC: &[u8; 8] = b"ttresum2";
const MAGIC_1: &[u8; 8] = b"ttresum1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileTime;

    fn geometry() -> Geometry {
        Geometry::new(20 * 65_536 - 5, 65_536).unwrap()
    }

    fn record() -> ResumeRecord {
        let geometry = geometry();
        let mut have = Bitfield::new(20);
        have.insert(geometry.piece(3).unwrap());
        let last = geometry.piece(19).unwrap();
        ResumeRecord {
            identity: InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20])),
            have,
            partial: vec![PartialPiece { piece: last, blocks: vec![1, 3] }],
            counters: Counters::from_array([1, 2, 3, 4, 5]),
            stamps: vec![
                Some(FileStamp {
                    size: 9,
                    modified: FileTime { seconds: -5, nanoseconds: 999_999_999 },
                    changed: Some(FileTime { seconds: 6, nanoseconds: 7 }),
                    inode: Some(u64::MAX),
                }),
                None,
            ],
        }
    }

    fn read(bytes: &[u8]) -> Result<ResumeRecord, RecordError> {
        ResumeRecord::from_bytes(bytes, &record().identity, &geometry(), 2)
    }

    // S-16.
    #[test]
    fn a_record_round_trips() {
        assert_eq!(read(&record().to_bytes(&geometry())), Ok(record()));
    }

    // S-16: a user who updates the program keeps counters and blocks.
    #[test]
    fn a_record_of_the_first_version_is_read() {
        let body = [
            &b"ttresum1\x01"[..],
            &[7; 20],
            &[0; 32],
            &(20_u64 * 65_536 - 5).to_be_bytes(),
            &[0, 1, 0, 0, 0, 0, 0, 2],
            &[1_u64, 2, 3, 4, 5].map(u64::to_be_bytes).concat(),
            &[0x10, 0, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0, 9],
            &(-5_i64).to_be_bytes(),
            &999_999_999_u32.to_be_bytes(),
            &[0; 21],
            &[0, 0, 0, 1, 0, 0, 0, 19, 0x50],
        ];
        let body = body.concat();
        let mut expected = record();
        let stamp = expected.stamps[0].as_mut().unwrap();
        (stamp.changed, stamp.inode) = (None, None);
        assert_eq!(read(&[&body[..], &sha1(&body)].concat()), Ok(expected));
    }

    // S-16: a full disk may cut a record anywhere.
    #[test]
    fn a_record_cut_anywhere_is_none() {
        let bytes = record().to_bytes(&geometry());
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    // S-16.
    #[test]
    fn a_record_with_any_bit_flipped_is_none() {
        let bytes = record().to_bytes(&geometry());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&damaged).is_err(), "{bit}");
        }
    }

    // S-17.
    #[test]
    fn the_record_of_another_torrent_is_refused() {
        let bytes = record().to_bytes(&geometry());
        let other = InfoHashes::from_v1(InfoHashV1::from_bytes([8; 20]));
        let same = record().identity;
        let reshaped = Geometry::new(20 * 65_536 - 6, 65_536).unwrap();
        for (identity, geometry, files) in
            [(other, geometry(), 2), (same, reshaped, 2), (same, geometry(), 3)]
        {
            let refused = ResumeRecord::from_bytes(&bytes, &identity, &geometry, files);
            assert_eq!(refused, Err(RecordError::OtherTorrent));
        }
    }

    #[test]
    fn a_hostile_count_allocates_nothing() {
        let geometry = geometry();
        let mut body = record().to_bytes(&geometry);
        let end = body.len() - 20 - 5 - 4;
        body.truncate(end);
        body.extend(u32::MAX.to_be_bytes());
        let check = sha1(&body);
        body.extend(check);
        assert_eq!(read(&body), Err(RecordError::Damaged));
    }
}
