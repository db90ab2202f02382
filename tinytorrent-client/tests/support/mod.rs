//! Contents, torrents and clients for the tests.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod counting;

use std::fs;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tinytorrent_client::{
    Client, ClientOptions, Encryption, Event, SwarmEvent, Torrent, TorrentOptions,
};
use tinytorrent_metainfo::{CreateOptions, Metainfo, Version};

/// Timeout of a step. It is long, since the machine may be busy.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A folder with a content, and its torrent.
pub struct Scene {
    folder: TempDir,
    pub metainfo: Metainfo,
}

impl Scene {
    /// Makes a content of these files, in a folder of this name.
    pub fn new(name: &str, files: &[(&str, usize)]) -> Self {
        Self::of_version(Version::V1, name, files)
    }

    /// Makes a content of these files, with a torrent of this version.
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

    /// Makes a content of one file.
    pub fn single(size: usize) -> Self {
        Self::of_one_file(size, CreateOptions::new())
    }

    /// Makes a content of one file, with a private torrent (BEP 27).
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

    /// Makes a content of files that share pieces, of empty files, and of a folder in a folder.
    pub fn multi() -> Self {
        Self::new(
            "many",
            &[("a", 100_001), ("b/empty", 0), ("b/c/d", 1), ("e", 200_000), ("f", 33)],
        )
    }

    /// Makes a content of files of which the last pieces end in the first block, in another block, or
    /// are complete.
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

/// Waits for a future, and panics after the timeout.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future).await.expect("it takes too long")
}

/// Waits until a tracker has failed and a peer has joined.
pub async fn tracker_failed_and_peer_joined(torrent: &Torrent) {
    let mut events = torrent.events();
    let (mut failed, mut joined) = (false, false);
    while !(failed && joined) {
        match in_time(events.next()).await.unwrap() {
            Event::Swarm(SwarmEvent::TrackerFailed { .. }) => failed = true,
            Event::Swarm(SwarmEvent::PeerJoined { .. }) => joined = true,
            _ => {}
        }
    }
}

/// Returns pseudorandom bytes.
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
