//! The data plane at the speed of memory: what the disk side of a download, an upload and a check
//! costs when the network costs nothing.
//!
//! `cargo bench -p tinytorrent-benches --bench storage [-- PART OF A NAME]`; `TMPDIR` says on which
//! file system. Processor time counts as much as time here, as the sockets want it too, and on a
//! busy machine it is the one to trust; so this is no criterion benchmark. `floor` is the least a
//! client without lanes can do: hash each piece, write it, with one thread.

use std::{
    hint::black_box,
    ops::ControlFlow,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tinytorrent_hash::sha1;
use tinytorrent_metainfo::Layout;
use tinytorrent_storage::{
    Completion, Disk, DiskOptions, PieceHashes, PieceVerifyOptions, Recovered, Storage,
    StorageOptions, TorrentDisk, TorrentDiskOptions, verify,
};
use tinytorrent_types::{BLOCK_LENGTH, Bitfield, BlockInfo, InfoHashV1, InfoHashes};

const TOTAL: usize = 256 << 20;

/// What the client receives into.
const BUFFER: usize = 256 << 10;

struct World {
    layout: Arc<Layout>,
    content: Bytes,
    hashes: PieceHashes,
}

impl World {
    fn new(piece_length: u32, file_length: usize) -> Self {
        let mut builder = Layout::builder(piece_length);
        for file in 0..TOTAL.div_ceil(file_length) {
            let name = format!("{}/{}", file / 1000, file % 1000);
            builder.file(name.split('/'), file_length.min(TOTAL - file * file_length) as u64);
        }
        let content = noise(TOTAL);
        let hashes = PieceHashes::from_v1(content.chunks(piece_length as usize).map(sha1));
        Self { layout: Arc::new(builder.build().unwrap()), content: content.into(), hashes }
    }

    fn storage(&self, folder: &tempfile::TempDir) -> Arc<Storage> {
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([1; 20]));
        let layout = Arc::clone(&self.layout);
        let options = StorageOptions::default();
        Arc::new(Storage::open(layout, identity, folder.path(), &options).unwrap())
    }

    fn data(&self, block: BlockInfo) -> Bytes {
        let begin = self.layout.geometry().block_offset(block) as usize;
        self.content.slice(begin..begin + block.length() as usize)
    }

    fn join(&self, disk: &Disk, storage: Arc<Storage>) -> (TorrentDisk, Receiver<Completion>) {
        let (sender, receiver) = mpsc::channel();
        let recovered = Recovered::nothing(self.layout.geometry().piece_count());
        let options = TorrentDiskOptions::default();
        let torrent = disk.add(storage, self.hashes.clone(), recovered, &options, move |done| {
            let _ = sender.send(done);
        });
        (torrent, receiver)
    }

    /// All blocks, as so many peers would send them that each have a piece in hand.
    fn download(&self, peers: usize) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(DiskOptions::default().receive_buffer(BUFFER)).unwrap();
        let (torrent, completions) = self.join(&disk, self.storage(&folder));
        let geometry = self.layout.geometry();
        let mut done = 0;
        let mut pieces = geometry.pieces();
        let mut left = geometry.piece_count();
        while left > 0 {
            let group: Vec<_> = pieces.by_ref().take(peers).collect();
            for number in 0..geometry.block_count(group[0]) {
                for &piece in &group {
                    if let Some(block) = geometry.nth_block(piece, number) {
                        torrent.store(block, self.data(block)).unwrap();
                    }
                }
                // As the engine does: no more than a budget is on the way to the disk.
                while torrent.unstored_bytes() > torrent.unstored_limit() {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            for &piece in &group {
                torrent.verify(piece, PieceVerifyOptions::default());
            }
            left -= group.len() as u32;
        }
        while done < geometry.piece_count() {
            let completion = completions.recv().unwrap();
            match completion {
                Completion::BlocksWritten { .. } => {}
                Completion::PieceVerified { .. } => done += 1,
                other => panic!("{other:?}"),
            }
        }
        disk.shutdown();
    }

    fn floor(&self, piece_length: usize) {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("file")).unwrap();
        for (number, piece) in self.content.chunks(piece_length).enumerate() {
            black_box(sha1(piece));
            file.write_all_at(piece, (number * piece_length) as u64).unwrap();
        }
    }
}

fn main() {
    // Cargo passes options of its own.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let report = Report { wanted: wanted.unwrap_or_default() };
    println!("{:48} {:>9} {:>14}", "", "seconds", "CPU s a GiB");
    download(&report);
    upload(&report);
    check(&report);
}

struct Report {
    wanted: String,
}

impl Report {
    /// Medians of five rounds over all of the content.
    fn case(&self, name: &str, mut round: impl FnMut()) {
        if !name.contains(&self.wanted) {
            return;
        }
        let mut rounds: Vec<(f64, f64)> = (0..5)
            .map(|_| {
                let (start, spent) = (Instant::now(), processor_seconds());
                round();
                (start.elapsed().as_secs_f64(), processor_seconds() - spent)
            })
            .collect();
        rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let seconds = rounds[2].0;
        rounds.sort_by(|one, other| one.1.total_cmp(&other.1));
        let per_gibibyte = rounds[2].1 * (1 << 30) as f64 / TOTAL as f64;
        println!("{name:48} {seconds:9.3} {per_gibibyte:14.2}");
    }
}

/// User and system time of this process, all threads.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields = after_name.split_whitespace().skip(11).take(2);
    // Linux shows them in hundredths.
    fields.map(|field| field.parse::<f64>().unwrap() / 100.0).sum()
}

fn download(report: &Report) {
    for (name, piece_length) in [("256 KiB", 256 << 10), ("4 MiB", 4 << 20)] {
        let world = World::new(piece_length, TOTAL);
        report.case(&format!("download, pieces of {name}, floor"), || {
            world.floor(piece_length as usize);
        });
        for peers in [1, 16] {
            let title = format!("download, pieces of {name}, {peers} peers");
            report.case(&title, || world.download(peers));
        }
    }
    // 100,000 files.
    let many = World::new(256 << 10, TOTAL.div_ceil(100_000));
    report.case("download, 100,000 files", || many.download(1));
}

fn upload(report: &Report) {
    let world = World::new(256 << 10, TOTAL);
    let folder = tempfile::tempdir().unwrap();
    let storage = world.storage(&folder);
    storage.write(0, &[&world.content]).unwrap();
    let geometry = world.layout.geometry();
    let blocks: Vec<_> = geometry.pieces().flat_map(|piece| geometry.blocks(piece)).collect();

    let file = std::fs::File::open(folder.path().join("0/0")).unwrap();
    report.case("upload, floor: one read for each block", || {
        for &block in &blocks {
            let mut buffer = vec![0; BLOCK_LENGTH as usize];
            file.read_exact_at(&mut buffer, geometry.block_offset(block)).unwrap();
            black_box(Bytes::from(buffer));
        }
    });
    let disk = Disk::new(&DiskOptions::default()).unwrap();
    let (torrent, completions) = world.join(&disk, storage);
    for window in [1, 64] {
        report.case(&format!("upload, {window} requests at a time"), || {
            for requests in blocks.chunks(window) {
                requests.iter().for_each(|&block| torrent.read(block, 0));
                for _ in requests {
                    black_box(completions.recv().unwrap());
                }
            }
        });
    }
    disk.shutdown();
}

fn check(report: &Report) {
    for (name, piece_length) in [("256 KiB", 256 << 10), ("4 MiB", 4 << 20)] {
        let world = World::new(piece_length, TOTAL);
        let folder = tempfile::tempdir().unwrap();
        let storage = world.storage(&folder);
        storage.write(0, &[&world.content]).unwrap();
        let all = Bitfield::full(world.layout.geometry().piece_count());
        for threads in [1, 2] {
            report.case(&format!("check, pieces of {name}, {threads} threads"), || {
                let go_on = |_| ControlFlow::Continue(());
                let found = verify(&storage, &world.hashes, &all, threads, go_on);
                assert!(found.have.is_full());
            });
        }
    }
    let world = World::new(256 << 10, TOTAL);
    let folder = tempfile::tempdir().unwrap();
    let storage = world.storage(&folder);
    storage.write(TOTAL as u64 - 1, &[&world.content[TOTAL - 1..]]).unwrap();
    let all = Bitfield::full(world.layout.geometry().piece_count());
    report.case("check, a file that is all hole", || {
        verify(&storage, &world.hashes, &all, 1, |_| ControlFlow::Continue(()));
    });
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
