//! Contents, torrents and clients on loopback.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::fs;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tinytorrent_client::{Client, ClientOptions, Encryption, Torrent, TorrentOptions};
use tinytorrent_metainfo::{CreateOptions, Metainfo, Version};

/// Longer than anything takes on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a content, and its torrent.
pub struct Scene {
    folder: TempDir,
    pub metainfo: Metainfo,
}

impl Scene {
    /// Files below a folder `name`, or one file if `files` is empty.
    pub fn new(name: &str, files: &[(&str, usize)]) -> Self {
        Self::of_version(Version::V1, name, files)
    }

    /// The same, with a torrent of this version.
    pub fn of_version(version: Version, name: &str, files: &[(&str, usize)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("seed").join(name);
        for (at, (path, size)) in files.iter().enumerate() {
            let path = content.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, noise(*size, at as u64)).unwrap();
        }
        let mut options = CreateOptions::new();
        options.version(version).piece_length(32 << 10).unwrap();
        let metainfo = options.create(&content, &|_| ControlFlow::Continue(())).unwrap();
        Self { folder, metainfo }
    }

    /// One file.
    pub fn single(size: usize) -> Self {
        Self::of_one_file(size, CreateOptions::new())
    }

    /// One file, and a torrent whose peers come from trackers alone (BEP 27).
    pub fn private() -> Self {
        let mut options = CreateOptions::new();
        options.private(true);
        Self::of_one_file(100_000, options)
    }

    fn of_one_file(size: usize, mut options: CreateOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seed = folder.path().join("seed");
        fs::create_dir_all(&seed).unwrap();
        fs::write(seed.join("one.bin"), noise(size, 7)).unwrap();
        options.piece_length(32 << 10).unwrap();
        let content = seed.join("one.bin");
        let metainfo = options.create(&content, &|_| ControlFlow::Continue(())).unwrap();
        Self { folder, metainfo }
    }

    /// Files that share pieces, empty ones, and a deeper folder.
    pub fn multi() -> Self {
        Self::new(
            "many",
            &[("a", 100_001), ("b/empty", 0), ("b/c/d", 1), ("e", 200_000), ("f", 33)],
        )
    }

    /// Files whose last pieces end in the first block, within a block, and nowhere short.
    pub fn short_pieces(version: Version) -> Self {
        let files = [
            ("a bit", 33),
            ("b/empty", 0),
            ("b/c/a piece", 32 << 10),
            ("b/c/a piece and a bit", (32 << 10) + 1),
            ("many pieces", 300_001),
            ("z", 100_000),
        ];
        Self::of_version(version, "short pieces", &files)
    }

    pub fn seed_dir(&self) -> PathBuf {
        self.folder.path().join("seed")
    }

    pub fn leech_dir(&self) -> PathBuf {
        self.folder.path().join("leech")
    }

    /// Starts to seed the content.
    pub async fn seed(&self, client: &Client) -> Torrent {
        let mut options = TorrentOptions::new(self.seed_dir());
        options.read_only(true).resume(false);
        let torrent = client.add(&self.metainfo, options).unwrap();
        in_time(torrent.finished()).await.unwrap();
        torrent
    }

    /// Options to download from this client.
    pub fn leech(&self, from: &Client) -> TorrentOptions {
        let mut options = TorrentOptions::new(self.leech_dir());
        options.peer(address(from));
        options
    }

    /// Panics unless every file of the content was downloaded.
    pub fn assert_complete(&self) {
        for file in self.metainfo.layout().files().filter(|file| !file.is_pad()) {
            let read = |folder: &Path| fs::read(file.path.below(folder)).unwrap();
            assert!(read(&self.seed_dir()) == read(&self.leech_dir()), "{} differs", file.path);
        }
    }
}

pub fn client(listen: &str) -> Client {
    let mut options = ClientOptions::default();
    options.listen(listen.parse().unwrap());
    Client::start(options).unwrap()
}

pub fn encrypting_client(encryption: Encryption) -> Client {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap()).encryption(encryption);
    Client::start(options).unwrap()
}

pub fn address(client: &Client) -> SocketAddr {
    client.listen_addresses()[0]
}

/// Fails the test instead of hanging it.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

/// Bytes without a pattern that a compressor or a bug would find.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
