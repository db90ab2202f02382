//! Metadata from peers that answer, lie, reject, fall silent, come and go: only liars are found guilty, memory is in
//! proportion to what was received, and within the limit, and one honest peer is enough at last.
#![no_main]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_wire::metadata::{
    AssemblyConfig, BLOCK_LENGTH, Complete, DataOutcome, MetadataAssembly,
};

const BLOCK: usize = BLOCK_LENGTH as usize;
const SIZE: usize = 2 * BLOCK + 100;
/// Of a limit of memory that holds two of the largest.
const MAX_SIZE: u32 = 5 * BLOCK_LENGTH;
const MEMORY: u64 = 10 * BLOCK_LENGTH as u64;
const HONEST: u8 = 255;

fuzz_target!(|bytes: &[u8]| {
    // Those that are complete and wait for their verdict are held by the world as well.
    within(bytes.len(), 256, 3 * MEMORY as usize + (64 << 10), || {
        let mut world = World::new();
        for step in bytes.chunks_exact(3) {
            world.step(step[0], step[1], step[2]);
            world.check();
        }
        world.finish();
    });
});

struct World {
    now: Instant,
    assembly: MetadataAssembly<u8>,
    /// Requests in flight, as far as the world knows.
    asked: Vec<(u8, u32)>,
    sizes: [u32; 256],
    complete: Vec<Complete<u8>>,
    liars: BTreeSet<u8>,
    received: u64,
}

fn right(block: u32) -> Vec<u8> {
    let start = block as usize * BLOCK;
    (start..SIZE.min(start + BLOCK)).map(|at| (at * 7 + at / 251) as u8).collect()
}

fn is_right(bytes: &[u8]) -> bool {
    (0..3).flat_map(right).eq(bytes.iter().copied())
}

impl World {
    fn new() -> Self {
        let mut config = AssemblyConfig::default();
        config.max_size(MAX_SIZE).memory(MEMORY);
        Self {
            now: Instant::now(),
            assembly: MetadataAssembly::new(config),
            asked: Vec::new(),
            sizes: [0; 256],
            complete: Vec::new(),
            liars: BTreeSet::new(),
            received: 0,
        }
    }

    fn step(&mut self, operation: u8, a: u8, b: u8) {
        let peer = a % 12;
        match operation % 10 {
            0 => self.add(
                peer,
                [SIZE as u64, SIZE as u64 + 1, 1, 70_000, 81_920, 81_921][usize::from(b % 6)],
            ),
            1 => self.add(peer, SIZE as u64),
            2 => {
                self.assembly.remove_peer(peer);
                self.asked.retain(|&(asked, _)| asked != peer);
            }
            3 => self.poll(usize::from(b)),
            4 | 5 => self.answer(usize::from(a), b),
            6 => {
                if let Some((peer, block)) = self.take(usize::from(a)) {
                    self.assembly.handle_reject(self.now, peer, block);
                }
            }
            // Of what nobody asked.
            7 => {
                let block = u32::from(b);
                if !self.asked.contains(&(peer, block)) {
                    let data = [7; 100];
                    let outcome = self.assembly.handle_data(self.now, peer, block, None, &data);
                    assert_eq!(outcome, DataOutcome::Unasked);
                }
            }
            8 => self.now += Duration::from_millis(u64::from(b) << (a % 12)),
            _ => self.judge(usize::from(a)),
        }
    }

    fn add(&mut self, peer: u8, size: u64) {
        let added = self.assembly.add_peer(self.now, peer, size);
        assert_eq!(added.is_err(), size == 0 || size > MAX_SIZE.into());
        let Ok(size) = u32::try_from(size) else { return };
        if added.is_ok() && self.sizes[usize::from(peer)] != size {
            self.sizes[usize::from(peer)] = size;
            self.asked.retain(|&(asked, _)| asked != peer);
        }
    }

    fn poll(&mut self, most: usize) {
        for _ in 0..=most {
            let Some((peer, block)) = self.assembly.poll_request(self.now) else {
                let wake = self.assembly.poll_timeout();
                assert!(wake.is_none_or(|at| at > self.now), "the driver would not sleep");
                return;
            };
            let blocks = self.sizes[usize::from(peer)].div_ceil(BLOCK_LENGTH);
            assert!(block < blocks, "{block} of {blocks}");
            self.asked.push((peer, block));
        }
    }

    fn take(&mut self, at: usize) -> Option<(u8, u32)> {
        (!self.asked.is_empty()).then(|| self.asked.swap_remove(at % self.asked.len()))
    }

    fn answer(&mut self, at: usize, how: u8) {
        let Some((peer, block)) = self.take(at) else { return };
        let size = self.sizes[usize::from(peer)];
        let mut data = right(block);
        let due = (size - block * BLOCK_LENGTH).min(BLOCK_LENGTH) as usize;
        data.resize(due, 9);
        if size != SIZE as u32 || how % 4 == 0 {
            self.liars.insert(peer);
            data[usize::from(how >> 4) % due] ^= how | 1;
        }
        if how % 16 == 1 {
            data.push(0);
        }
        self.received += data.len() as u64;
        let total = (how % 8 != 5).then_some(u64::from(size));
        // What was given up meanwhile is a duplicate, or was not asked.
        self.assembly.handle_data(self.now, peer, block, total, &data);
        self.complete.extend(std::iter::from_fn(|| self.assembly.poll_complete()));
    }

    fn judge(&mut self, at: usize) {
        if self.complete.is_empty() {
            return;
        }
        let complete = self.complete.swap_remove(at % self.complete.len());
        let is_right = is_right(&complete.bytes);
        let guilty = self.assembly.handle_verdict(self.now, complete, is_right);
        assert!(guilty.iter().all(|peer| self.liars.contains(peer)), "{guilty:?} told the truth");
        assert!(!is_right || self.assembly.is_done());
    }

    fn check(&self) {
        let waiting: usize = self.complete.iter().map(|complete| complete.bytes.len()).sum();
        assert!(self.assembly.held_bytes() + waiting as u64 <= MEMORY);
        assert!(self.assembly.held_bytes() <= self.received);
    }

    /// From now on liars lie and all others are silent, but for an honest one.
    fn finish(&mut self) {
        self.add(HONEST, SIZE as u64);
        for turn in 0.. {
            assert!(turn < 10_000, "an honest peer is not heard");
            while !self.complete.is_empty() {
                self.judge(0);
            }
            if self.assembly.is_done() {
                return;
            }
            self.poll(1_000);
            let speaks = |&(peer, _): &(u8, u32)| peer == HONEST || self.liars.contains(&peer);
            match self.asked.iter().position(speaks) {
                Some(at) if self.asked[at].0 == HONEST => self.answer(at, 2),
                Some(at) => self.answer(at, 0),
                None => {
                    let next = self.assembly.poll_timeout().expect("it goes on by itself");
                    self.now = self.now.max(next);
                }
            }
            self.check();
        }
    }
}
