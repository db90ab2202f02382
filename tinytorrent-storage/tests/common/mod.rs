//! Torrents made up for tests, in folders of their own.
#![allow(dead_code)]

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use bytes::Bytes;
use tinytorrent_hash::sha1;
use tinytorrent_metainfo::{CreateOptions, Info, Layout, Metainfo, Version};
use tinytorrent_storage::{
    Completion, Disk, DiskOptions, PieceHashes, PieceVerifyOptions, RecoverOptions, Recovered,
    Storage, StorageOptions, TorrentDisk, TorrentDiskOptions,
};
use tinytorrent_types::{BlockInfo, Geometry, InfoHashV1, InfoHashes, PieceIndex};

/// A file of made-up content: its name, its length, and whether it is padding.
pub(crate) type FileSpec = (&'static str, u64, bool);

/// A disk with the options that it has by default.
pub(crate) fn disk() -> Disk {
    Disk::new(&DiskOptions::default()).unwrap()
}

/// A torrent, its content and a folder for it.
pub(crate) struct World {
    folder: Folder,
    pub(crate) layout: Arc<Layout>,
    pub(crate) content: Vec<u8>,
    pub(crate) hashes: PieceHashes,
}

impl World {
    pub(crate) fn new(piece_length: u32, files: &[FileSpec]) -> Self {
        let files: Vec<_> =
            files.iter().map(|&(name, length, is_pad)| (name.to_owned(), length, is_pad)).collect();
        Self::with_files(piece_length, &files)
    }

    pub(crate) fn with_files(piece_length: u32, files: &[(String, u64, bool)]) -> Self {
        let mut builder = Layout::builder(piece_length);
        let mut content = Vec::new();
        for (name, length, is_pad) in files {
            if *is_pad {
                builder.pad(*length);
                content.resize(content.len() + *length as usize, 0);
            } else {
                builder.file(name.split('/'), *length);
                content.extend(noise(content.len() as u64, *length as usize));
            }
        }
        let hashes = PieceHashes::from_v1(content.chunks(piece_length as usize).map(sha1));
        let layout = Arc::new(builder.build().unwrap());
        Self { folder: Folder::Own(tempfile::tempdir().unwrap()), layout, content, hashes }
    }

    /// A v2 torrent with these files, which come in the order of their names.
    pub(crate) fn v2(piece_length: u32, files: &[(&str, Vec<u8>)]) -> Self {
        Self::of_metainfo(create(Version::V2, piece_length, files), files)
    }

    /// A hybrid torrent with these files, which come in the order of their names.
    pub(crate) fn hybrid(piece_length: u32, files: &[(&str, Vec<u8>)]) -> Self {
        Self::of_metainfo(create(Version::Hybrid, piece_length, files), files)
    }

    /// A hybrid torrent that has the merkle trees of these files and the SHA-1 hashes of others, which
    /// have the same names and lengths.
    pub(crate) fn inconsistent(
        piece_length: u32,
        files: &[(&str, Vec<u8>)],
        others: &[(&str, Vec<u8>)],
    ) -> Self {
        let [metainfo, other] =
            [files, others].map(|files| create(Version::Hybrid, piece_length, files));
        let mut info = metainfo.info().bytes().to_vec();
        let hashes = |info: &Info| info.piece_hashes().unwrap().as_flattened().to_vec();
        let (own, other) = (hashes(metainfo.info()), hashes(other.info()));
        let at = info.windows(own.len()).position(|window| window == own).unwrap();
        info[at..at + own.len()].copy_from_slice(&other);
        let bytes = metainfo.to_bytes();
        let layers = bytes.windows(12).position(|window| window == b"piece layers").unwrap() - 3;
        let bytes = [&b"d4:info"[..], &info, &bytes[layers..]].concat();
        Self::of_metainfo(Metainfo::from_bytes(&bytes).unwrap(), files)
    }

    fn of_metainfo(metainfo: Metainfo, files: &[(&str, Vec<u8>)]) -> Self {
        let layout = Arc::new(metainfo.layout().clone());
        let piece_length = layout.geometry().nominal_piece_length() as usize;
        let mut content = Vec::new();
        for (_, data) in files {
            content.resize(content.len().next_multiple_of(piece_length), 0);
            content.extend(data);
        }
        // What is left is padding, or the gap behind the last file.
        content.resize(layout.total_length() as usize, 0);
        let hashes = PieceHashes::from_metainfo(&Arc::new(metainfo)).unwrap();
        Self { folder: Folder::Own(tempfile::tempdir().unwrap()), layout, content, hashes }
    }

    /// The same torrent in another folder, which stays.
    pub(crate) fn at(mut self, folder: &Path) -> Self {
        self.folder = Folder::Others(folder.to_owned());
        self
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.folder {
            Folder::Own(folder) => folder.path(),
            Folder::Others(folder) => folder,
        }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        self.layout.geometry()
    }

    pub(crate) fn piece(&self, index: u32) -> PieceIndex {
        self.geometry().piece(index).unwrap()
    }

    pub(crate) fn identity(&self) -> InfoHashes {
        InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]))
    }

    pub(crate) fn storage(&self) -> Arc<Storage> {
        self.storage_with(&StorageOptions::default())
    }

    pub(crate) fn storage_with(&self, options: &StorageOptions) -> Arc<Storage> {
        let layout = Arc::clone(&self.layout);
        Arc::new(Storage::open(layout, self.identity(), self.path(), options).unwrap())
    }

    pub(crate) fn block_data(&self, block: BlockInfo) -> Bytes {
        let begin = self.geometry().block_offset(block) as usize;
        Bytes::copy_from_slice(&self.content[begin..begin + block.length() as usize])
    }

    pub(crate) fn blocks(&self, piece: PieceIndex) -> Vec<BlockInfo> {
        self.geometry().blocks(piece).collect()
    }

    pub(crate) fn recover(&self) -> Recovered {
        self.recover_with(&RecoverOptions::default())
    }

    pub(crate) fn recover_with(&self, options: &RecoverOptions) -> Recovered {
        let go_on = |_| ControlFlow::Continue(());
        tinytorrent_storage::recover(&self.storage(), &self.hashes, options, go_on)
            .unwrap()
            .unwrap()
    }

    /// Joins the disk as one that has what was recovered.
    pub(crate) fn join(&self, disk: &Disk, recovered: Recovered) -> Session<'_> {
        self.join_storage(disk, self.storage(), recovered)
    }

    pub(crate) fn join_storage(
        &self,
        disk: &Disk,
        storage: Arc<Storage>,
        recovered: Recovered,
    ) -> Session<'_> {
        let (sender, completions) = mpsc::channel();
        let options = TorrentDiskOptions::default();
        let torrent = disk.add(storage, self.hashes.clone(), recovered, &options, move |done| {
            let _ = sender.send(done);
        });
        Session { world: self, torrent, completions }
    }

    /// What a file has on disk.
    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    /// Whether every file is as the torrent has it, and padding is nowhere.
    pub(crate) fn assert_on_disk(&self) {
        for file in self.layout.files() {
            let path = file.path.below(self.path());
            if file.is_pad() {
                assert!(!path.exists(), "padding on disk at {}", path.display());
            } else if file.length > 0 {
                let range = file.offset as usize..(file.offset + file.length) as usize;
                let found = std::fs::read(&path).unwrap();
                assert!(found == self.content[range], "{} differs", path.display());
            }
        }
    }
}

fn create(version: Version, piece_length: u32, files: &[(&str, Vec<u8>)]) -> Metainfo {
    let source = tempfile::tempdir().unwrap();
    for (name, data) in files {
        let path = source.path().join("torrent").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    }
    let mut options = CreateOptions::new();
    options.version(version).piece_length(piece_length.into()).unwrap();
    options.create(&source.path().join("torrent"), &|_| ControlFlow::Continue(())).unwrap()
}

enum Folder {
    Own(tempfile::TempDir),
    Others(std::path::PathBuf),
}

/// A torrent on a disk.
pub(crate) struct Session<'a> {
    pub(crate) world: &'a World,
    pub(crate) torrent: TorrentDisk,
    pub(crate) completions: Receiver<Completion>,
}

impl Session<'_> {
    pub(crate) fn store(&self, block: BlockInfo) {
        self.torrent.store(block, self.world.block_data(block)).unwrap();
    }

    pub(crate) fn store_wrong(&self, block: BlockInfo) {
        let mut data = self.world.block_data(block).to_vec();
        data[0] ^= 1;
        self.torrent.store(block, data.into()).unwrap();
    }

    pub(crate) fn store_piece(&self, index: u32) {
        let piece = self.world.piece(index);
        self.world.blocks(piece).into_iter().for_each(|block| self.store(block));
    }

    pub(crate) fn verify(&self, index: u32) -> Completion {
        self.torrent.verify(self.world.piece(index), PieceVerifyOptions::default());
        self.next()
    }

    pub(crate) fn checkpoint(&self) {
        self.torrent.checkpoint(tinytorrent_storage::Counters::default());
        assert!(matches!(self.next(), Completion::Checkpointed));
    }

    /// The next completion. The time is so long that only a hang meets it.
    pub(crate) fn completion(&self) -> Completion {
        self.completions.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    /// The next completion that is about more than bytes.
    pub(crate) fn next(&self) -> Completion {
        loop {
            let completion = self.completion();
            if !matches!(completion, Completion::BlocksWritten { .. }) {
                return completion;
            }
        }
    }
}

pub(crate) fn assert_verified(completion: Completion, index: u32) {
    let Completion::PieceVerified { piece, .. } = completion else { panic!("{completion:?}") };
    assert_eq!(piece.get(), index);
}

/// Bytes that look like chance, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

/// Runs one test of this file again in a process of its own, after some shell commands such as
/// `ulimit`. `None` where there is no shell.
pub(crate) fn in_child(test: &str, commands: &str, folder: &Path) -> Option<std::process::Command> {
    if !cfg!(unix) {
        eprintln!("skipped: {test} needs a shell");
        return None;
    }
    let mut child = std::process::Command::new("/bin/sh");
    child
        .arg("-c")
        .arg(format!("{commands}; exec \"$0\" --exact {test} --nocapture --test-threads 1"))
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, folder)
        .stdout(std::process::Stdio::null());
    Some(child)
}

/// The folder that [`in_child`] was given, in the child.
pub(crate) fn child_folder() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

const CHILD: &str = "TINYTORRENT_TEST_CHILD";
