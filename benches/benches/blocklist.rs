//! A million ranges of addresses: reading them, and asking for an address, beside the map of the standard library.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_blocklist::read;
use tinytorrent_net::IpFilter;

const RANGES: u32 = 1_000_000;

/// Of each 4,096 addresses half are in a range.
fn range(number: u32) -> (u32, u32) {
    (number << 12, (number << 12) + 2_047)
}

fn list() -> Vec<u8> {
    let mut list = Vec::new();
    for number in 0..RANGES {
        let (first, last) = range(number);
        let [first, last] = [first, last].map(Ipv4Addr::from_bits);
        writeln!(list, "{first} - {last} , 000 , a name of usual length").expect("it has room");
    }
    list
}

fn questions() -> Vec<Ipv4Addr> {
    let mut rng = StdRng::from_seed([7; 32]);
    (0..1_000).map(|_| Ipv4Addr::from_bits(rng.random_range(0..RANGES << 12))).collect()
}

fn ask(criterion: &mut Criterion) {
    let ranges = read(&list()[..]).expect("it is a list").ranges;
    let map: BTreeMap<u32, u32> = (0..RANGES).map(range).collect();
    let in_map = |address: Ipv4Addr| {
        let bits = address.to_bits();
        map.range(..=bits).next_back().is_some_and(|(_, last)| bits <= *last)
    };
    let questions = questions();
    for address in &questions {
        assert_eq!(ranges.contains(IpAddr::V4(*address)), in_map(*address));
    }
    let mut group = criterion.benchmark_group("ask");
    group.throughput(Throughput::Elements(questions.len() as u64));
    group.bench_function("tinytorrent", |bencher| {
        bencher.iter(|| {
            questions
                .iter()
                .filter(|address| ranges.contains(black_box(IpAddr::V4(**address))))
                .count()
        });
    });
    for (name, filter) in [
        ("filter with the list", IpFilter::new(Some(Arc::new(ranges.clone())))),
        ("filter without a list", IpFilter::default()),
    ] {
        group.bench_function(name, |bencher| {
            let blocks = |address: &&Ipv4Addr| filter.blocks(black_box(IpAddr::V4(**address)));
            bencher.iter(|| questions.iter().filter(blocks).count());
        });
    }
    group.bench_function("BTreeMap", |bencher| {
        bencher.iter(|| questions.iter().filter(|address| in_map(black_box(**address))).count());
    });
    group.finish();
}

fn read_list(criterion: &mut Criterion) {
    let list = list();
    let mut group = criterion.benchmark_group("read");
    group.sample_size(10).throughput(Throughput::Bytes(list.len() as u64));
    group.bench_function("ipfilter.dat", |bencher| {
        bencher.iter_batched(
            || &list[..],
            |list| read(list).expect("it is a list"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, ask, read_list);
criterion_main!(benches);
