//! The fetching of hashes from peers that answer, lie, reject, fall silent, come and go: a request is with one peer at a
//! time, only a peer that is there is asked, a clock that is obeyed goes on, and one honest peer is enough at last.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_swarm::PeerKey;
use tinytorrent_swarm::fuzzing::HashFetch;
use tinytorrent_wire::HashRequest;

/// No answer is waited for longer.
const PATIENCE: Duration = Duration::from_secs(80);

/// The peer that answers everything at the end.
const HONEST: u32 = 200;

fuzz_target!(|bytes: &[u8]| {
    let [count, steps @ ..] = bytes else { return };
    // The requests, and for each step a peer that may rest, with those that are at hand for a poll.
    within(bytes.len(), 64, 64 << 10, || {
        let mut world = World::new(u32::from(count % 100));
        for step in steps.chunks_exact(3) {
            world.step(step[0], step[1], step[2]);
        }
        world.finish();
    });
});

struct World {
    now: Instant,
    fetch: HashFetch,
    present: Vec<PeerKey>,
    /// What is asked of whom, and whether the answer is there and being looked at.
    asked: BTreeMap<(u32, PeerKey), bool>,
    missing: BTreeSet<u32>,
    generation: u32,
}

/// Requests of any size, named by their index.
fn request(index: u32) -> HashRequest {
    let length = 1 << (index % 10);
    HashRequest { pieces_root: [1; 32], base_layer: 2, index, length, proof_layers: 9 }
}

impl World {
    fn new(count: u32) -> Self {
        let fetch = HashFetch::new((0..count).map(request).collect());
        let (present, asked, missing) = (Vec::new(), BTreeMap::new(), (0..count).collect());
        Self { now: Instant::now(), fetch, present, asked, missing, generation: 0 }
    }

    fn step(&mut self, operation: u8, a: u8, b: u8) {
        match operation % 9 {
            0 => self.join(u32::from(a % 12)),
            1 => self.leave(a),
            2 => self.poll(),
            3 => {
                if let Some((index, peer)) = self.pick(a, false) {
                    assert!(self.fetch.handle_hashes(peer, &request(index)), "it was asked");
                    self.asked.insert((index, peer), true);
                }
            }
            4 => {
                if let Some((index, peer)) = self.pick(a, true) {
                    self.check(index, peer, b % 3 != 0);
                }
            }
            5 => {
                if let Some((index, peer)) = self.pick(a, b % 2 == 0) {
                    assert!(self.fetch.handle_reject(self.now, peer, &request(index)));
                    self.asked.remove(&(index, peer));
                }
            }
            6 => self.say_what_nobody_asked(a, b),
            7 => self.wait(a),
            _ => {
                // All that was asked is overdue.
                self.now += PATIENCE;
                self.asked.retain(|_, is_there| *is_there);
                self.time_out();
            }
        }
    }

    fn join(&mut self, slot: u32) {
        self.generation += 1;
        let key = |slot, generation| PeerKey::from_bits(u64::from(slot) << 32 | generation);
        if self.present.iter().all(|peer| peer.slot() != slot as usize) {
            self.present.push(key(slot, u64::from(self.generation)));
        }
    }

    fn leave(&mut self, at: u8) {
        if self.present.is_empty() {
            return;
        }
        let gone = self.present.swap_remove(usize::from(at) % self.present.len());
        self.fetch.remove_peer(gone);
        self.asked.retain(|&(_, peer), _| peer != gone);
    }

    fn poll(&mut self) {
        for (peer, asked) in self.fetch.poll_requests(self.now, &self.present) {
            assert!(self.present.contains(&peer), "a peer that is not there is asked");
            assert!(self.missing.contains(&asked.index), "it is here already");
            let is_asked = self.asked.keys().any(|&(index, _)| index == asked.index);
            assert!(!is_asked, "two are asked for one thing");
            self.asked.insert((asked.index, peer), false);
        }
        for &peer in &self.present {
            let load = self.asked.keys().filter(|&&(_, asked)| asked == peer).count();
            assert!(load <= HashFetch::AT_ONCE);
        }
        // Otherwise the driver would not sleep.
        assert!(self.fetch.poll_timeout(self.now).is_none_or(|at| at > self.now));
    }

    /// An answer that is waited for, or being looked at.
    fn pick(&self, at: u8, is_there: bool) -> Option<(u32, PeerKey)> {
        let all: Vec<_> = self.asked.iter().filter(|(_, there)| **there == is_there).collect();
        all.get(usize::from(at) % all.len().max(1)).map(|(key, _)| **key)
    }

    fn check(&mut self, index: u32, peer: PeerKey, is_right: bool) {
        self.fetch.handle_checked(peer, &request(index), is_right);
        self.asked.remove(&(index, peer));
        if is_right {
            self.missing.remove(&index);
        }
    }

    fn say_what_nobody_asked(&mut self, a: u8, b: u8) {
        let Some(&peer) = self.present.get(usize::from(a) % self.present.len().max(1)) else {
            return;
        };
        let index = u32::from(b);
        if !self.asked.contains_key(&(index, peer)) {
            assert!(!self.fetch.handle_hashes(peer, &request(index)));
            assert!(!self.fetch.handle_reject(self.now, peer, &request(index)));
            // A verdict on an answer that was given up on.
            self.fetch.handle_checked(peer, &request(index), a % 2 == 0);
        }
    }

    /// Time passes, up to the next deadline at most.
    fn wait(&mut self, part: u8) {
        let Some(next) = self.fetch.poll_timeout(self.now) else { return };
        let left = next.saturating_duration_since(self.now);
        self.now += left * u32::from(part) / 256;
        self.time_out();
    }

    fn time_out(&mut self) {
        self.fetch.handle_timeout(self.now);
        assert!(self.fetch.poll_timeout(self.now).is_none_or(|at| at > self.now));
    }

    /// All others are silent from now on.
    fn finish(&mut self) {
        while let Some((index, peer)) = self.pick(0, true) {
            self.check(index, peer, false);
        }
        self.join(HONEST);
        for turn in 0.. {
            assert!(turn < 10_000, "{} are never fetched", self.missing.len());
            self.poll();
            let honest = |&&(_, peer): &&(u32, PeerKey)| peer.slot() == HONEST as usize;
            let mine: Vec<_> = self.asked.keys().filter(honest).copied().collect();
            for &(index, peer) in &mine {
                assert!(self.fetch.handle_hashes(peer, &request(index)));
                self.check(index, peer, true);
            }
            if self.missing.is_empty() {
                return;
            }
            if mine.is_empty() {
                // All answers of the others come too late.
                self.now += PATIENCE;
                self.asked.clear();
                self.time_out();
            }
        }
    }
}
