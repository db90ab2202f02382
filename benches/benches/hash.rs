//! Hashing in lanes beside the `sha1` and `sha2` crates and `ring`, all from one core.
//!
//! `cargo bench -p tinytorrent-benches --bench hash`. Times are CPU time of the thread, so that
//! other load on the machine blurs them less.

use std::{hint::black_box, time::Duration};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use rustix::time::{ClockId, clock_gettime};
use sha1::Digest;
use tinytorrent_hash::{Kernel, Lanes, Sha1};

/// A common length of pieces, and a power of two: the lanes' addresses collide in cache sets.
const PIECE: usize = 256 << 10;

/// The leaf of a v2 merkle tree (BEP 52).
const LEAF: usize = 16 << 10;

/// More than the second-level cache holds, less than the third.
const TOTAL: usize = 16 << 20;

struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

type Group<'a> = BenchmarkGroup<'a, CpuTime>;

fn ways() -> impl Iterator<Item = (String, Lanes)> {
    let forced = |kernel: &Kernel| Some((format!("{kernel:?}"), Lanes::with_kernel(*kernel)?));
    let forced = Kernel::ALL.iter().filter_map(forced);
    std::iter::once(("chosen".to_owned(), Lanes::new())).chain(forced)
}

fn ring_of_each(
    group: &mut Group<'_>,
    algorithm: &'static ring::digest::Algorithm,
    data: &[&[u8]],
) {
    group.bench_function("ring", |b| {
        b.iter(|| {
            for message in data {
                black_box(ring::digest::digest(algorithm, message));
            }
        });
    });
}

fn sha1_pieces(c: &mut Criterion<CpuTime>) {
    let content = content(TOTAL);
    let pieces: Vec<&[u8]> = content.chunks(PIECE).collect();
    let mut hashes = vec![[0; 20]; pieces.len()];
    let mut group = c.benchmark_group("sha1_pieces");
    group.throughput(Throughput::Bytes(TOTAL as u64));
    group.bench_function("sha1", |b| {
        b.iter(|| {
            for piece in &pieces {
                black_box(sha1::Sha1::digest(piece));
            }
        });
    });
    ring_of_each(&mut group, &ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &pieces);
    for (name, lanes) in ways() {
        group.bench_function(name, |b| b.iter(|| lanes.sha1_many(&pieces, &mut hashes)));
    }
    let blocks: Vec<Vec<&[u8]>> = pieces.iter().map(|piece| piece.chunks(LEAF).collect()).collect();
    group.bench_function("chosen, scattered", |b| {
        b.iter(|| tinytorrent_hash::sha1_scattered(&blocks, &mut hashes));
    });
    group.bench_function("chosen, in slices", |b| b.iter(|| sha1_in_slices(&pieces)));
}

/// As a reader does that goes through sixteen pieces at once.
fn sha1_in_slices(pieces: &[&[u8]]) {
    for pieces in pieces.chunks(16) {
        let mut hashers = vec![Sha1::new(); pieces.len()];
        for begin in (0..PIECE).step_by(LEAF) {
            let slices = pieces.iter().map(|piece| &piece[begin..begin + LEAF]);
            Sha1::update_many(hashers.iter_mut().zip(slices));
        }
        black_box(Sha1::finalize_many(hashers));
    }
}

fn sha256_leaves(c: &mut Criterion<CpuTime>) {
    let content = content(TOTAL);
    let leaves: Vec<&[u8]> = content.chunks(LEAF).collect();
    let mut hashes = vec![[0; 32]; leaves.len()];
    let mut group = c.benchmark_group("sha256_leaves");
    group.throughput(Throughput::Bytes(TOTAL as u64));
    group.bench_function("sha2", |b| {
        b.iter(|| {
            for leaf in &leaves {
                black_box(sha2::Sha256::digest(leaf));
            }
        });
    });
    ring_of_each(&mut group, &ring::digest::SHA256, &leaves);
    for (name, lanes) in ways() {
        group.bench_function(name, |b| b.iter(|| lanes.sha256_many(&leaves, &mut hashes)));
    }
}

fn sha256_layer(c: &mut Criterion<CpuTime>) {
    let children = vec![[7; 32]; 1 << 14];
    let mut parents = vec![[0; 32]; children.len() / 2];
    let mut group = c.benchmark_group("sha256_layer");
    group.throughput(Throughput::Elements(parents.len() as u64));
    group.bench_function("sha2", |b| {
        b.iter(|| {
            for (pair, parent) in children.chunks(2).zip(&mut parents) {
                *parent = sha2::Sha256::digest(pair.as_flattened()).into();
            }
        });
    });
    for (name, lanes) in ways() {
        group.bench_function(name, |b| b.iter(|| lanes.sha256_pairs(&children, &mut parents)));
    }
}

/// Where each kernel begins to pay: few messages, as in a download with few pieces under way.
fn few_messages(c: &mut Criterion<CpuTime>) {
    let content = content(16 * LEAF);
    for count in [1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 16] {
        let messages: Vec<&[u8]> = content.chunks(LEAF).take(count).collect();
        let (mut sha1, mut sha256) = (vec![[0; 20]; count], vec![[0; 32]; count]);
        let mut group = c.benchmark_group(format!("few_messages/{count}"));
        group.throughput(Throughput::Bytes((count * LEAF) as u64));
        for (name, lanes) in ways() {
            group.bench_function(format!("sha1/{name}"), |b| {
                b.iter(|| lanes.sha1_many(&messages, &mut sha1));
            });
            group.bench_function(format!("sha256/{name}"), |b| {
                b.iter(|| lanes.sha256_many(&messages, &mut sha256));
            });
        }
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn short() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group! {
    name = benches;
    config = short();
    targets = sha1_pieces, sha256_leaves, sha256_layer, few_messages
}
criterion_main!(benches);
