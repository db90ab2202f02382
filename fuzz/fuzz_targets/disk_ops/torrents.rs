//! Small torrents of each version, made once.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use tinytorrent_hash::sha1;
use tinytorrent_metainfo::{CreateOptions, Layout, Metainfo, Version};
use tinytorrent_storage::{PieceHashes, Storage, StorageOptions};
use tinytorrent_types::{BlockInfo, InfoHashV1, InfoHashes};

pub(crate) struct Torrent {
    pub(crate) layout: Arc<Layout>,
    pub(crate) hashes: PieceHashes,
    pub(crate) identity: InfoHashes,
    /// Padding and gaps are zeros.
    pub(crate) content: Vec<u8>,
    /// The bytes of the content that are padding.
    pub(crate) is_padding: Vec<bool>,
    pub(crate) blocks: Vec<BlockInfo>,
}

/// One of the torrents.
pub(crate) fn nth(number: u8) -> &'static Torrent {
    static TORRENTS: LazyLock<[Torrent; 4]> = LazyLock::new(|| {
        [
            v1(32_768, &[(20_000, false), (0, false), (7, false), (45_529, true), (50_000, false)]),
            v1(20_000, &[(70_001, false)]),
            created(Version::V2),
            created(Version::Hybrid),
        ]
    });
    &TORRENTS[usize::from(number) % TORRENTS.len()]
}

/// A folder of one run, which ends with it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let folder = memory_folder().join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        Self(folder)
    }

    /// The content of a torrent in this folder.
    pub(crate) fn open(&self, torrent: &Torrent) -> Storage {
        let (layout, options) = (Arc::clone(&torrent.layout), StorageOptions::default());
        let storage = Storage::open(layout, torrent.identity, &self.0, &options);
        storage.expect("the scratch folder can be written")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A folder in memory where there is one: a disk takes milliseconds for each sync.
pub(crate) fn memory_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// A v1 torrent of files of these lengths, some of them padding.
fn v1(piece_length: u32, files: &[(u64, bool)]) -> Torrent {
    let mut builder = Layout::builder(piece_length);
    let mut content = Vec::new();
    for (number, &(length, is_pad)) in files.iter().enumerate() {
        let end = content.len() + length as usize;
        if is_pad {
            builder.pad(length);
            content.resize(end, 0);
        } else {
            builder.file(["t".to_owned(), number.to_string()], length);
            content.extend(noise(number as u64, length as usize));
        }
    }
    let hashes = PieceHashes::from_v1(content.chunks(piece_length as usize).map(sha1));
    let layout = builder.build().expect("the files are sane");
    let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    Torrent::new(layout, hashes, identity, content)
}

/// A v2 or hybrid torrent of files below a block, a piece, and of several pieces.
fn created(version: Version) -> Torrent {
    let folder = memory_folder().join(format!("disk-ops-source-{}", std::process::id()));
    let files = [("a", 5), ("b", 40_001), ("c", 0), ("d", 32_768), ("e", 70_000)];
    fs::create_dir_all(folder.join("t")).expect("the temporary folder can be written");
    for (number, (name, length)) in files.into_iter().enumerate() {
        let data = noise(number as u64, length);
        fs::write(folder.join("t").join(name), data).expect("the folder can be written");
    }
    let mut options = CreateOptions::new();
    options.version(version).piece_length(32_768).expect("a power of two");
    let created = options.create(&folder.join("t"), &|_| ControlFlow::Continue(()));
    let _ = fs::remove_dir_all(folder);
    of_metainfo(created.expect("what is there can be read"), &files)
}

fn of_metainfo(metainfo: Metainfo, files: &[(&str, usize)]) -> Torrent {
    let mut content = Vec::new();
    for (number, &(_, length)) in files.iter().enumerate() {
        content.resize(content.len().next_multiple_of(32_768), 0);
        content.extend(noise(number as u64, length));
    }
    let (layout, identity) = (metainfo.layout().clone(), metainfo.hashes());
    let hashes = PieceHashes::from_metainfo(&Arc::new(metainfo)).expect("no layer is missing");
    content.resize(layout.total_length() as usize, 0);
    Torrent::new(layout, hashes, identity, content)
}

impl Torrent {
    fn new(layout: Layout, hashes: PieceHashes, identity: InfoHashes, content: Vec<u8>) -> Self {
        let geometry = layout.geometry();
        let blocks = geometry.pieces().flat_map(|piece| geometry.blocks(piece)).collect();
        let mut is_padding = vec![false; content.len()];
        for file in layout.files().filter(|file| file.is_pad()) {
            is_padding[file.offset as usize..(file.offset + file.length) as usize].fill(true);
        }
        Self { layout: Arc::new(layout), hashes, identity, content, is_padding, blocks }
    }

    /// The bytes of the content that are the block's.
    pub(crate) fn range(&self, block: BlockInfo) -> std::ops::Range<usize> {
        let begin = self.layout.geometry().block_offset(block) as usize;
        begin..begin + block.length() as usize
    }
}

/// Bytes without a pattern, and none of them zero, which is what files have where nothing was written.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes().map(|byte| byte.max(1))
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}
