//! bencode beside the crates that others use, and beside libtorrent if
//! `TINYTORRENT_LIBTORRENT=1` is set (see `build.rs`).
//!
//! Decoding compares what each library offers to somebody who wants to look at a whole document:
//! libtorrent's and our table of tokens, librqbit's borrowed tree, the owned trees of the others.

use std::hint::black_box;
use std::time::Duration;

use bendy::decoding::FromBencode;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use librqbit_bencode::{BencodeValue, ByteBuf, dyn_from_bytes};
use rustix::time::{ClockId, clock_gettime};
use tinytorrent_bencode::{Options, decode};

criterion_group! {
    name = benches;
    config = Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = decoding, encoding
}
criterion_main!(benches);

fn decoding(criterion: &mut Criterion<CpuTime>) {
    for (name, input) in inputs::all() {
        let mut group = criterion.benchmark_group(format!("decode/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("tinytorrent, strict", |b| {
            b.iter(|| decode(black_box(&input)).unwrap());
        });
        let lenient = Options::lenient();
        group.bench_function("tinytorrent, lenient", |b| {
            b.iter(|| lenient.decode(black_box(&input)).unwrap());
        });
        #[cfg(libtorrent)]
        {
            group.bench_function("libtorrent", |b| {
                b.iter(|| assert!(libtorrent::decode(black_box(&input))));
            });
            group.bench_function("libtorrent, memory kept", |b| {
                b.iter(|| assert!(libtorrent::decode_reusing(black_box(&input))));
            });
        }
        group.bench_function("librqbit-bencode, borrowed", |b| {
            b.iter(|| dyn_from_bytes::<ByteBuf<'_>>(black_box(&input)).unwrap());
        });
        group.bench_function("bendy", |b| {
            b.iter(|| read_with_bendy(black_box(&input)));
        });
        group.bench_function("bt_bencode", |b| {
            b.iter(|| bt_bencode::from_slice::<bt_bencode::Value>(black_box(&input)).unwrap());
        });
        group.bench_function("serde_bencode", |b| {
            b.iter(|| {
                serde_bencode::from_bytes::<serde_bencode::value::Value>(black_box(&input)).unwrap()
            });
        });
        group.finish();
    }
}

/// From each library's own tree, made before; ours also from a builder without a tree.
fn encoding(criterion: &mut Criterion<CpuTime>) {
    for (name, input) in [
        ("v1, 100,000 files", inputs::many_files()),
        ("v1, 15,000 pieces", inputs::one_file()),
        ("dht query", inputs::dht_query()),
    ] {
        let mut group = criterion.benchmark_group(format!("encode/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        let doc = decode(&input).unwrap();

        let tree = doc.root().to_value().unwrap();
        assert_eq!(tree.encode(), input);
        group.bench_function("tinytorrent, tree", |b| b.iter(|| black_box(&tree).encode()));
        group.bench_function("tinytorrent, builder", |b| {
            b.iter(|| {
                let mut out = Vec::new();
                inputs::copy_through_builder(black_box(doc.root()), &mut out);
                out
            });
        });

        let tree = dyn_from_bytes::<ByteBuf<'_>>(&input).unwrap();
        group.bench_function("librqbit-bencode", |b| {
            b.iter(|| write_with_librqbit(black_box(&tree)));
        });

        let tree = read_with_bendy(&input);
        group.bench_function("bendy", |b| b.iter(|| write_with_bendy(black_box(&tree))));

        let tree: bt_bencode::Value = bt_bencode::from_slice(&input).unwrap();
        group.bench_function("bt_bencode", |b| {
            b.iter(|| bt_bencode::to_vec(black_box(&tree)).unwrap());
        });

        let tree: serde_bencode::value::Value = serde_bencode::from_bytes(&input).unwrap();
        group.bench_function("serde_bencode", |b| {
            b.iter(|| serde_bencode::to_bytes(black_box(&tree)).unwrap());
        });

        group.bench_function("a copy of the bytes", |b| b.iter(|| black_box(&input).to_vec()));
        group.finish();
    }
}

/// The processor time of this thread, which other programs on the machine disturb less than they
/// disturb the time on the wall.
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
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// Its own `from_bencode` and `to_bencode` allow a `Value` no depth.
fn read_with_bendy(input: &[u8]) -> bendy::value::Value<'static> {
    let mut decoder = bendy::decoding::Decoder::new(input).with_max_depth(100);
    let object = decoder.next_object().unwrap().unwrap();
    bendy::value::Value::decode_bencode_object(object).unwrap()
}

fn write_with_bendy(tree: &bendy::value::Value<'_>) -> Vec<u8> {
    let mut encoder = bendy::encoding::Encoder::new().with_max_depth(100);
    encoder.emit(tree).unwrap();
    encoder.get_output().unwrap()
}

fn write_with_librqbit(tree: &BencodeValue<ByteBuf<'_>>) -> Vec<u8> {
    let mut out = Vec::new();
    librqbit_bencode::bencode_serialize_to_writer(tree, &mut out).unwrap();
    out
}

#[cfg(libtorrent)]
#[allow(unsafe_code)]
mod libtorrent {
    use std::ffi::{c_char, c_int};

    #[link(name = "bdecode", kind = "static")]
    #[link(name = "torrent-rasterbar")]
    #[link(name = "stdc++")]
    unsafe extern "C" {
        fn tinytorrent_bdecode(data: *const c_char, size: usize) -> c_int;
        fn tinytorrent_bdecode_reusing(data: *const c_char, size: usize) -> c_int;
    }

    pub(super) fn decode(input: &[u8]) -> bool {
        // SAFETY: it reads `size` bytes from `data` and keeps neither.
        unsafe { tinytorrent_bdecode(input.as_ptr().cast(), input.len()) == 0 }
    }

    /// From one thread at a time.
    pub(super) fn decode_reusing(input: &[u8]) -> bool {
        // SAFETY: as above; what it keeps until the next call, it does not read then.
        unsafe { tinytorrent_bdecode_reusing(input.as_ptr().cast(), input.len()) == 0 }
    }
}

/// The same bytes in each run.
mod inputs {
    use tinytorrent_bencode::encode::{self, DictEncoder, ListEncoder};
    use tinytorrent_bencode::{Node, Value};

    pub(super) fn all() -> [(&'static str, Vec<u8>); 6] {
        [
            ("v1, 100,000 files", many_files()),
            ("v2, 50,000 files", deep_tree()),
            ("v1, 15,000 pieces", one_file()),
            ("dht query", dht_query()),
            ("200 peers, dictionaries", peer_dictionaries()),
            ("200 peers, compact", compact_peers()),
        ]
    }

    /// A linear congruential generator: chance enough for lengths and names.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }

        fn bytes(&mut self, count: usize) -> Vec<u8> {
            (0..count).map(|_| self.below(256) as u8).collect()
        }

        fn word(&mut self) -> &'static str {
            const WORDS: [&str; 6] = ["alpha", "photo", "track", "lecture", "chapter", "data"];
            WORDS[self.below(6) as usize]
        }
    }

    fn torrent(info: impl FnOnce(&mut DictEncoder<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        encode::dict(&mut out, |d| {
            d.bytes("announce", "http://tracker.example/announce");
            d.integer("creation date", 1_700_000_000);
            d.dict("info", info);
        });
        out
    }

    pub(super) fn many_files() -> Vec<u8> {
        let mut chance = Chance(1);
        torrent(|info| {
            info.list("files", |files| {
                for index in 0..100_000 {
                    files.dict(|file| {
                        file.integer("length", chance.below(2_000_000));
                        file.list("path", |path| {
                            path.bytes(format!("dir{:03}", index / 1000));
                            path.bytes(format!("{}{}", chance.word(), index / 100 % 10));
                            path.bytes(format!("{}-{index:06}.jpg", chance.word()));
                        });
                    });
                }
            });
            info.bytes("name", "many");
            info.integer("piece length", 4 << 20);
            info.bytes("pieces", chance.bytes(20 * 20_000));
        })
    }

    pub(super) fn deep_tree() -> Vec<u8> {
        let mut chance = Chance(2);
        let mut tree = Value::dict();
        for index in 0..50_000u32 {
            let mut folder = &mut tree;
            for level in 0..3 + index % 8 {
                let name = format!("l{level}-{}", index / 5u32.pow(6 - level.min(6)) % 10);
                let entries = folder.as_dict_mut().unwrap();
                folder = entries.entry(name.into_bytes()).or_insert_with(Value::dict);
            }
            let mut file = Value::dict();
            file.insert("length", chance.below(4_000_000));
            file.insert("pieces root", chance.bytes(32));
            let mut leaf = Value::dict();
            leaf.insert("", file);
            folder.insert(format!("file-{index:06}.bin"), leaf);
        }
        torrent(|info| {
            info.value("file tree", &tree);
            info.integer("meta version", 2);
            info.bytes("name", "deep");
            info.integer("piece length", 1 << 20);
        })
    }

    pub(super) fn one_file() -> Vec<u8> {
        torrent(|info| {
            info.integer("length", 15_000u64 << 18);
            info.bytes("name", "image.iso");
            info.integer("piece length", 1 << 18);
            info.bytes("pieces", Chance(3).bytes(20 * 15_000));
        })
    }

    /// The ping of BEP 5: 56 bytes.
    pub(super) fn dht_query() -> Vec<u8> {
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe".to_vec()
    }

    fn reply(peers: impl FnOnce(&mut DictEncoder<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        encode::dict(&mut out, |d| {
            d.integer("complete", 1234);
            d.integer("incomplete", 567);
            d.integer("interval", 1800);
            peers(d);
        });
        out
    }

    pub(super) fn peer_dictionaries() -> Vec<u8> {
        let mut chance = Chance(4);
        reply(|d| {
            d.list("peers", |peers| {
                for _ in 0..200 {
                    peers.dict(|peer| {
                        let mut octet = || 1 + chance.below(254);
                        let ip = format!("{}.{}.{}.{}", octet(), octet(), octet(), octet());
                        peer.bytes("ip", ip);
                        peer.bytes("peer id", [&b"-TR4060-"[..], &chance.bytes(12)].concat());
                        peer.integer("port", 1024 + chance.below(60_000));
                    });
                }
            });
        })
    }

    pub(super) fn compact_peers() -> Vec<u8> {
        reply(|d| d.bytes("peers", Chance(5).bytes(6 * 200)))
    }

    /// Writes a document again, through the builder. The depth is that of the inputs above.
    pub(super) fn copy_through_builder(root: Node<'_, '_>, out: &mut Vec<u8>) {
        encode::dict(out, |d| copy_dict(root, d));
    }

    fn copy_dict(node: Node<'_, '_>, d: &mut DictEncoder<'_>) {
        for (key, value) in node.dict() {
            if let Some(bytes) = value.as_bytes() {
                d.bytes(key, bytes);
            } else if let Some(number) = value.as_i64() {
                d.integer(key, number);
            } else if value.list().next().is_some() {
                d.list(key, |l| copy_list(value, l));
            } else {
                d.dict(key, |d| copy_dict(value, d));
            }
        }
    }

    fn copy_list(node: Node<'_, '_>, l: &mut ListEncoder<'_>) {
        for value in node.list() {
            if let Some(bytes) = value.as_bytes() {
                l.bytes(bytes);
            } else if let Some(number) = value.as_i64() {
                l.integer(number);
            } else if value.list().next().is_some() {
                l.list(|l| copy_list(value, l));
            } else {
                l.dict(|d| copy_dict(value, d));
            }
        }
    }
}
