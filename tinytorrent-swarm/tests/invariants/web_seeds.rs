//! Web seeds that do whatever they like, and the laws of what is asked of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tinytorrent_swarm::record::Recorded;
use tinytorrent_swarm::{
    BlockVerdict, FetchKey, FetchOutcome, FetchTask, Input, Swarm, WebSeedKey,
};
use tinytorrent_types::{BLOCK_LENGTH, BlockInfo};

/// Fetches of one web seed at a time at most.
const MOST_FETCHES: usize = 6;

/// An event of a web seed. Numbers choose one of those that are there.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Add,
    Remove {
        seed: usize,
    },
    /// So many of the next blocks of a fetch come, as far as they may.
    Come {
        fetch: usize,
        blocks: usize,
    },
    /// A block comes that may not: out of turn, or beyond the grants.
    Stray {
        fetch: usize,
        nth: usize,
    },
    End {
        fetch: usize,
        outcome: u8,
    },
    Lack {
        seed: usize,
        first: u32,
        count: u32,
    },
}

pub(crate) fn deed() -> impl Strategy<Value = Deed> {
    let number = || 0..6_usize;
    prop_oneof![
        2 => Just(Deed::Add),
        1 => number().prop_map(|seed| Deed::Remove { seed }),
        16 => (number(), 1..8_usize).prop_map(|(fetch, blocks)| Deed::Come { fetch, blocks }),
        2 => (number(), number()).prop_map(|(fetch, nth)| Deed::Stray { fetch, nth }),
        4 => (number(), 0..7_u8).prop_map(|(fetch, outcome)| Deed::End { fetch, outcome }),
        1 => (number(), 0..6_u32, 0..3_u32)
            .prop_map(|(seed, first, count)| Deed::Lack { seed, first, count }),
    ]
}

/// The web seeds as their driver sees them.
#[derive(Debug, Default)]
pub(crate) struct WebSeeds {
    seeds: Vec<WebSeedKey>,
    fetches: BTreeMap<FetchKey, Fetch>,
    /// Those that must not be asked any more.
    forbidden: BTreeSet<WebSeedKey>,
    lacks: BTreeSet<(WebSeedKey, u32)>,
    /// There are peers, which take over a part of what web seeds are slow to give. Drivers do not know which.
    are_peers_there: bool,
}

#[derive(Debug)]
struct Fetch {
    left: VecDeque<BlockInfo>,
    granted: u32,
    /// Blocks that are asked for anew meanwhile, as their pieces were wrong or could not be stored.
    void: BTreeSet<u32>,
}

impl WebSeeds {
    pub(crate) fn new(are_peers_there: bool) -> Self {
        Self { are_peers_there, ..Self::default() }
    }

    /// Does a deed. Returns the verdicts about the blocks that came.
    pub(crate) fn act(
        &mut self,
        now: Instant,
        deed: Deed,
        swarm: &mut Recorded,
    ) -> Vec<BlockVerdict> {
        match deed {
            Deed::Add if self.seeds.len() < 3 => self.seeds.extend(swarm.add_web_seed(now)),
            Deed::Remove { seed } if seed < self.seeds.len() => {
                swarm.remove_web_seed(now, self.seeds.remove(seed));
            }
            Deed::Come { fetch, blocks } => return self.come(now, fetch, blocks, swarm),
            Deed::Stray { fetch, nth } => {
                let Some((&key, fetch)) = self.fetches.iter().nth(fetch) else { return Vec::new() };
                let is_next = nth == 0 && fetch.granted > 0;
                if let Some(&block) = fetch.left.get(nth).filter(|_| !is_next) {
                    let verdict = swarm.handle_fetched(now, key, block);
                    assert_eq!(verdict, BlockVerdict::Discard, "it was not granted");
                }
            }
            Deed::End { fetch, outcome } => self.end(now, fetch, outcome, swarm),
            Deed::Lack { seed, first, count } => {
                if let Some(&seed) = self.seeds.get(seed) {
                    self.lack(now, seed, first..first + count, swarm);
                }
            }
            Deed::Add | Deed::Remove { .. } => {}
        }
        Vec::new()
    }

    fn come(
        &mut self,
        now: Instant,
        fetch: usize,
        blocks: usize,
        swarm: &mut Recorded,
    ) -> Vec<BlockVerdict> {
        let Some((&key, fetch)) = self.fetches.iter_mut().nth(fetch) else { return Vec::new() };
        let mut verdicts = Vec::new();
        for _ in 0..blocks.min(fetch.granted as usize) {
            let block = fetch.left.pop_front().expect("no more is granted than is to come");
            fetch.granted -= 1;
            verdicts.push(swarm.handle_fetched(now, key, block));
        }
        verdicts
    }

    fn end(&mut self, now: Instant, fetch: usize, outcome: u8, swarm: &mut Recorded) {
        let Some(&key) = self.fetches.keys().nth(fetch) else { return };
        let ended = self.fetches.remove(&key).expect("it is there");
        let pieces = ended.left.front().map_or(0..0, |block| {
            let piece = block.piece().get();
            piece..piece + 2
        });
        let outcome = match outcome {
            _ if ended.left.is_empty() => FetchOutcome::Complete,
            0 => FetchOutcome::Complete,
            1 => FetchOutcome::Failed,
            2 => FetchOutcome::Busy { pause: None },
            3 => FetchOutcome::Busy { pause: Some(Duration::from_secs(1)) },
            4 => FetchOutcome::NoRanges,
            5 => {
                self.lacks.extend(pieces.clone().map(|piece| (key.seed(), piece)));
                FetchOutcome::Missing { pieces }
            }
            _ => {
                self.forbidden.insert(key.seed());
                FetchOutcome::Forbidden
            }
        };
        swarm.handle_input(now, Input::FetchEnded { fetch: key, outcome });
    }

    fn lack(
        &mut self,
        now: Instant,
        seed: WebSeedKey,
        pieces: std::ops::Range<u32>,
        swarm: &mut Recorded,
    ) {
        // While the content is looked at there are no pieces, and it is told when it shows again.
        if swarm.have().is_some() {
            self.lacks.extend(pieces.clone().map(|piece| (seed, piece)));
        }
        swarm.handle_input(now, Input::WebSeedLacks { seed, pieces });
    }

    /// It is doubted whether a web seed has the right file.
    pub(crate) fn doubt(
        &mut self,
        now: Instant,
        seed: WebSeedKey,
        piece: u32,
        swarm: &mut Recorded,
    ) {
        self.lack(now, seed, piece..piece + 1, swarm);
    }

    /// All blocks of a piece may be asked for anew.
    pub(crate) fn begin_anew(&mut self, piece: u32) {
        for fetch in self.fetches.values_mut() {
            fetch.void.insert(piece);
        }
    }

    pub(crate) fn begin(&mut self, task: FetchTask, swarm: &Swarm) {
        let FetchTask { key, blocks, .. } = task;
        assert!(self.seeds.contains(&key.seed()), "it was removed");
        assert!(!self.forbidden.contains(&key.seed()), "it must not be asked");
        assert!(!blocks.is_empty());
        let have = swarm.have().expect("nothing is fetched of what is not known");
        for block in &blocks {
            let piece = block.piece();
            assert!(!have.contains(piece), "{piece} is there");
            assert!(!self.lacks.contains(&(key.seed(), piece.get())), "{piece} is not there");
            let twice = self
                .fetches
                .values()
                .any(|fetch| fetch.left.contains(block) && !fetch.void.contains(&piece.get()));
            assert!(!twice || self.are_peers_there, "{block:?} is being fetched");
        }
        let fetch = Fetch { left: blocks.into(), granted: 0, void: BTreeSet::new() };
        assert!(self.fetches.insert(key, fetch).is_none(), "no two have one name");
        let of_seed = self.fetches.keys().filter(|other| other.seed() == key.seed());
        assert!(of_seed.count() <= MOST_FETCHES);
    }

    /// Blocks of a fetch may come. `unwritten` are bytes that wait for the disk, of so many that may.
    pub(crate) fn grant(&mut self, key: FetchKey, blocks: u32, unwritten: u64, budget: u64) {
        let fetch = self.fetches.get_mut(&key).expect("it is under way");
        fetch.granted += blocks;
        assert!(fetch.granted as usize <= fetch.left.len(), "no more than is to come");
        let granted: u64 = self.fetches.values().map(|fetch| u64::from(fetch.granted)).sum();
        let block = u64::from(BLOCK_LENGTH);
        let fits = granted * block + unwritten < budget + block;
        assert!(fits || self.are_peers_there, "no more than the disk takes");
    }

    pub(crate) fn cancel(&mut self, key: FetchKey) {
        assert!(self.fetches.remove(&key).is_some(), "it is under way");
    }

    /// True if something is being fetched.
    pub(crate) fn is_busy(&self) -> bool {
        !self.fetches.is_empty()
    }
}
