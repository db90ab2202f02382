//! Torrent files: reading them beside librqbit-core, making and verifying them beside mktorrent and
//! transmission-create, where those are installed.
//!
//! Content lies in the page cache, in the folder for temporary files: what is measured is reading
//! from memory and hashing. `METAINFO_CONTENT_MIB` says how much, 1,024 by default.

use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use librqbit_core::torrent_metainfo::torrent_from_bytes;
use tinytorrent_bencode::encode;
use tinytorrent_metainfo::{
    CreateOptions, Magnet, Metainfo, PathPolicy, Progress, ReadOptions, VerifyOptions, Version,
};

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5));
    targets = reading, magnets, content
}
criterion_main!(benches);

fn reading(criterion: &mut Criterion) {
    for (name, input) in [
        ("100,000 files", many_files(false)),
        ("100,000 files, scattered", many_files(true)),
        ("200,000 pieces", many_pieces()),
    ] {
        let mut group = criterion.benchmark_group(format!("read/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        for (policy, what) in [(PathPolicy::Portable, "portable"), (PathPolicy::System, "system")] {
            let mut options = ReadOptions::strict();
            options.path_policy(policy);
            group.bench_function(format!("tinytorrent, {what} paths"), |b| {
                b.iter(|| options.read(black_box(&input)).unwrap());
            });
        }
        group.bench_function("librqbit-core, no path policy", |b| {
            b.iter(|| torrent_from_bytes(black_box(&input)).unwrap());
        });
        let metainfo = Metainfo::from_bytes(&input).unwrap();
        group.bench_function("tinytorrent, saving", |b| b.iter(|| black_box(&metainfo).to_bytes()));
        group.finish();
    }
}

fn magnets(criterion: &mut Criterion) {
    let trackers: String =
        (0..20).map(|number| format!("&tr=udp%3A%2F%2Ft{number}.example%3A6969")).collect();
    let hash = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    let link = format!("magnet:?xt=urn:btih:{hash}&dn=Big+Buck+Bunny{trackers}");
    criterion.bench_function("magnet/20 trackers", |b| {
        b.iter(|| black_box(&link).parse::<Magnet>().unwrap());
    });
}

fn content(criterion: &mut Criterion) {
    let mebibytes = std::env::var("METAINFO_CONTENT_MIB").ok().and_then(|text| text.parse().ok());
    let length = mebibytes.unwrap_or(1024_u64) << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content.bin");
    write_content(&path, length);

    let mut group = criterion.benchmark_group("create");
    group.throughput(Throughput::Bytes(length));
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        for threads in [1, 2] {
            let options = create_options(version, threads);
            group.bench_function(format!("tinytorrent, {version:?}, {threads} threads"), |b| {
                b.iter(|| options.create(&path, &go_on).unwrap());
            });
        }
    }
    let torrent = folder.path().join("made.torrent");
    let rivals: [(&str, &[&str]); 2] = [
        ("mktorrent", &["-l", "20", "-t", "1", "-f", "-a", "http://t.example/", "-o"]),
        ("transmission-create", &["-s", "1024", "-o"]),
    ];
    for (program, arguments) in rivals {
        if !runs(program, arguments, &torrent, &path) {
            println!("skipped: {program} is not installed");
            continue;
        }
        group.bench_function(program, |b| {
            b.iter(|| assert!(runs(program, arguments, &torrent, &path)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Bytes(length));
    for version in [Version::V1, Version::V2] {
        let metainfo = create_options(version, 2).create(&path, &go_on).unwrap();
        for threads in [1, 2] {
            let mut options = VerifyOptions::new();
            options.threads(threads);
            group.bench_function(format!("tinytorrent, {version:?}, {threads} threads"), |b| {
                b.iter(|| {
                    let report = options.verify(&metainfo, folder.path(), &go_on).unwrap();
                    assert!(report.is_complete());
                });
            });
        }
    }
    group.finish();
}

fn create_options(version: Version, threads: usize) -> CreateOptions {
    let mut options = CreateOptions::new();
    options.version(version).threads(threads).piece_length(1 << 20).unwrap();
    options
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Whether the program made a torrent.
fn runs(program: &str, arguments: &[&str], torrent: &Path, path: &Path) -> bool {
    let _ = fs::remove_file(torrent);
    let mut command = Command::new(program);
    command.args(arguments).arg(torrent).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn write_content(path: &Path, length: u64) {
    let mut file = fs::File::create(path).unwrap();
    let mut chance = Chance(1);
    let mut rest = length;
    while rest > 0 {
        let part = rest.min(1 << 20);
        file.write_all(&chance.bytes(part as usize)).unwrap();
        rest -= part;
    }
}

/// Three folders deep, with lengths and names as they occur; 7 MB. Scattered, most files are in
/// another folder than the file before.
fn many_files(scattered: bool) -> Vec<u8> {
    let mut chance = Chance(42);
    let words = ["alpha", "beta", "gamma", "photo", "track", "lecture", "readme", "chapter"];
    let mut total = 0;
    let mut files = Vec::new();
    encode::list(&mut files, |list| {
        for number in 0..100_000 {
            let length = chance.next() % 2_000_000;
            total += length;
            let mut word = || words[chance.next() as usize % words.len()];
            let (folder, name) = (word(), word());
            let folder = if scattered { folder } else { "folder" };
            list.dict(|dict| {
                dict.integer("length", length);
                dict.list("path", |list| {
                    list.bytes(format!("dir{:03}", number / 1000));
                    list.bytes(format!("{folder}{}", number / 100 % 10));
                    list.bytes(format!("{name}-{number:06}.flac"));
                });
            });
        }
    });
    let pieces = chance.bytes(total.div_ceil(4 << 20) as usize * 20);
    let prefix = [b"d4:infod5:files", &files[..], b"4:name4:many12:piece lengthi4194304e"].concat();
    with_pieces(prefix, &pieces)
}

fn many_pieces() -> Vec<u8> {
    let pieces = Chance(7).bytes(200_000 * 20);
    let length = (200_000_u64 << 20) - 12_345;
    let prefix = format!("d4:infod6:lengthi{length}e4:name3:big12:piece lengthi1048576e");
    with_pieces(prefix.into_bytes(), &pieces)
}

fn with_pieces(mut torrent: Vec<u8>, pieces: &[u8]) -> Vec<u8> {
    encode::bytes(&mut torrent, "pieces");
    encode::bytes(&mut torrent, pieces);
    torrent.extend_from_slice(b"ee");
    torrent
}

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0 >> 33
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}
