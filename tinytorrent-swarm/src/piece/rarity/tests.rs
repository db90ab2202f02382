use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const PEERS: usize = 4;

/// With so few, what a peer says of more than three pieces is counted in bulk.
const PIECES: u32 = 60;

fn geometry() -> Geometry {
    Geometry::new(PIECES.into(), 1).unwrap()
}

/// A swarm, and what it knows counted the long way.
struct Scene {
    geometry: Geometry,
    rarity: Rarity,
    chance: StdRng,
    peers: Vec<ScenePeer>,
}

struct ScenePeer {
    pieces: Pieces,
    count: Count,
    /// One for each order of a search.
    floors: [Floor; 2],
}

const ORDERS: [By; 2] = [By::Rarity, By::Index];

#[derive(Debug, Clone)]
enum Step {
    Insert(u32),
    Remove(u32),
    Have(usize, u32),
    Lose(usize, u32),
    /// A peer leaves, and another one comes, with those of these pieces that are below a limit.
    Replace(usize, Vec<u32>, u32),
    Search(usize),
    SearchAnywhere(usize),
    /// The pieces below the first limit have a high priority, those from the other on a low one.
    Prioritize(u32, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (peer, piece) = (0..PEERS, 0..PIECES);
    let some = prop::collection::vec(piece.clone(), 0..PIECES as usize);
    let step = prop_oneof![
        4 => piece.clone().prop_map(Step::Insert),
        1 => piece.clone().prop_map(Step::Remove),
        2 => (peer.clone(), piece.clone()).prop_map(|(peer, piece)| Step::Have(peer, piece)),
        2 => (peer.clone(), piece.clone()).prop_map(|(peer, piece)| Step::Lose(peer, piece)),
        1 => (peer.clone(), some, 0..=PIECES).prop_map(|(p, some, all)| Step::Replace(p, some, all)),
        2 => peer.clone().prop_map(Step::Search),
        1 => peer.prop_map(Step::SearchAnywhere),
        1 => (0..PIECES, 0..=PIECES).prop_map(|(high, low)| Step::Prioritize(high, low)),
    ];
    prop::collection::vec(step, 0..200)
}

impl Scene {
    fn new(seed: u64) -> Self {
        Self::with(Bitfield::new(PIECES), seed)
    }

    /// All pieces may be started.
    fn startable(seed: u64) -> Self {
        Self::with(Bitfield::full(PIECES), seed)
    }

    fn with(startable: Bitfield, seed: u64) -> Self {
        let (geometry, mut chance) = (geometry(), StdRng::seed_from_u64(seed));
        let mut rarity = Rarity::new(&geometry, startable, &mut chance);
        let peers = (0..PEERS).map(|_| {
            let pieces = Pieces::none(PIECES);
            let count = rarity.add_peer(&pieces, &mut chance);
            ScenePeer { pieces, count, floors: Default::default() }
        });
        let peers = peers.collect();
        Self { geometry, rarity, chance, peers }
    }

    fn step(&mut self, step: Step) {
        let Self { geometry, rarity, chance, peers } = self;
        let piece = |index| geometry.piece(index).unwrap();
        match step {
            Step::Insert(n) if !rarity.contains(piece(n)) => rarity.insert(piece(n), chance),
            Step::Remove(n) if rarity.contains(piece(n)) => rarity.remove(piece(n)),
            Step::Insert(_) | Step::Remove(_) => {}
            Step::Have(peer, n) => {
                if peers[peer].pieces.insert(piece(n)) {
                    rarity.add_have(piece(n), chance);
                    for (floor, by) in peers[peer].floors.iter_mut().zip(ORDERS) {
                        rarity.gain(floor, piece(n), by);
                    }
                }
            }
            Step::Lose(peer, n) => {
                if peers[peer].pieces.remove(piece(n)) {
                    rarity.remove_have(piece(n), chance);
                }
            }
            Step::Replace(peer, some, all) => {
                let peer = &mut peers[peer];
                rarity.remove_peer(&peer.pieces, peer.count, chance);
                let mut pieces = Bitfield::new(PIECES);
                for index in some.into_iter().chain(0..all) {
                    pieces.insert(piece(index));
                }
                let pieces = Pieces::from(pieces);
                let count = rarity.add_peer(&pieces, chance);
                *peer = ScenePeer { pieces, count, floors: Default::default() };
            }
            Step::Search(peer) => self.search(peer),
            Step::SearchAnywhere(peer) => self.search_anywhere(peer),
            Step::Prioritize(high, low) => {
                let mut sets = [Bitfield::new(PIECES), Bitfield::new(PIECES)];
                (0..high).for_each(|index| _ = sets[1].insert(piece(index)));
                (low..PIECES).for_each(|index| _ = sets[0].insert(piece(index)));
                let [low, high] = sets;
                let are_equal = low.is_empty() && high.is_empty();
                let priorities = Priorities::new(low, high).with_lag(2 * PEERS as i32);
                rarity.set_priorities((!are_equal).then(|| Box::new(priorities)), chance);
            }
        }
    }

    /// The startable pieces of a peer.
    fn fitting(&self, peer: usize) -> impl Iterator<Item = PieceIndex> + '_ {
        let fits = move |&p: &_| self.rarity.contains(p) && self.peers[peer].pieces.contains(p);
        self.geometry.pieces().filter(fits)
    }

    fn search(&mut self, peer: usize) {
        let rank = |rarity: &Rarity, piece| (rarity.lag(piece), rarity.availability(piece));
        let rarest = self.fitting(peer).map(|piece| rank(&self.rarity, piece)).min();
        let first = self.fitting(peer).next();
        let ScenePeer { pieces, floors: [by_rarity, by_index], .. } = &mut self.peers[peer];
        let found = self.rarity.first(pieces, by_rarity, By::Rarity);
        assert!(found.is_none_or(|piece| pieces.contains(piece) && self.rarity.contains(piece)));
        assert_eq!(found.map(|piece| rank(&self.rarity, piece)), rarest);
        assert_eq!(self.rarity.first(pieces, by_index, By::Index), first);
    }

    fn search_anywhere(&mut self, peer: usize) {
        let fitting: Vec<_> = self.fitting(peer).collect();
        let ScenePeer { pieces, floors: [floor, _], .. } = &mut self.peers[peer];
        let found = self.rarity.random(pieces, floor, &mut self.chance);
        assert_eq!(found.is_some(), !fitting.is_empty());
        assert!(found.is_none_or(|piece| fitting.contains(&piece)));
    }

    fn check(&self) {
        self.rarity.check_invariants();
        for piece in self.geometry.pieces() {
            let have = self.peers.iter().filter(|peer| peer.pieces.contains(piece)).count();
            assert_eq!(self.rarity.availability(piece), have as i32);
        }
        for peer in &self.peers {
            for (floor, by) in peer.floors.iter().zip(ORDERS) {
                self.rarity.check_floor(&peer.pieces, floor, by);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_order_is_by_availability_whatever_happens(steps in steps(), seed: u64) {
        let mut scene = Scene::new(seed);
        for step in steps {
            scene.step(step);
            scene.check();
        }
        (0..PEERS).for_each(|peer| scene.search(peer));
    }
}

#[test]
fn peers_that_lack_a_piece_make_it_rarer_than_any_peer_could() {
    let mut scene = Scene::new(1);
    for peer in 0..PEERS {
        scene.step(Step::Replace(peer, vec![], PIECES));
        scene.step(Step::Lose(peer, 7));
        scene.step(Step::Insert(7 + peer as u32));
        scene.search(peer);
    }
    scene.check();
    assert_eq!(scene.rarity.base, -(PEERS as i32));
    scene.step(Step::Have(2, 7));
    scene.search(2);
    scene.check();
    (0..PEERS).for_each(|peer| scene.step(Step::Replace(peer, vec![], 0)));
    scene.check();
    assert!(scene.rarity.standings.iter().all(|standing| standing.availability == 0));
}

#[test]
fn a_peer_is_asked_for_the_rarest_piece_it_has() {
    let mut scene = Scene::startable(1);
    for (peer, piece) in [(0, 3), (0, 7), (1, 3)] {
        scene.step(Step::Have(peer, piece));
    }
    let ScenePeer { pieces, floors: [by_rarity, by_index], .. } = &mut scene.peers[0];
    assert_eq!(scene.rarity.first(pieces, by_rarity, By::Rarity).unwrap().get(), 7);
    assert_eq!(scene.rarity.first(pieces, by_index, By::Index).unwrap().get(), 3);
}

#[test]
fn more_candidates_than_are_remembered_are_found_all_the_same() {
    let geometry = Geometry::new(2_000, 1).unwrap();
    let mut chance = StdRng::seed_from_u64(1);
    let mut rarity = Rarity::new(&geometry, Bitfield::new(2_000), &mut chance);
    let (mut peer, mut floor) = (Pieces::none(2_000), Floor::default());
    assert_eq!(rarity.first(&peer, &mut floor, By::Rarity), None);
    for piece in geometry.pieces() {
        rarity.insert(piece, &mut chance);
        peer.insert(piece);
        rarity.add_have(piece, &mut chance);
        rarity.gain(&mut floor, piece, By::Rarity);
        rarity.check_floor(&peer, &floor, By::Rarity);
    }
    for _ in geometry.pieces() {
        let piece = rarity.first(&peer, &mut floor, By::Rarity).unwrap();
        rarity.remove(piece);
    }
    assert!(rarity.is_empty());
}

#[test]
fn rare_pieces_behind_many_that_the_peer_lacks_are_found() {
    let geometry = Geometry::new(10_000, 1).unwrap();
    let mut chance = StdRng::seed_from_u64(1);
    let mut rarity = Rarity::new(&geometry, Bitfield::full(10_000), &mut chance);
    let mut peer = Pieces::none(10_000);
    for (index, others) in [(9, 3), (4_000, 1), (4_001, 1), (9_999, 2)] {
        let piece = geometry.piece(index).unwrap();
        peer.insert(piece);
        (0..others).for_each(|_| rarity.add_have(piece, &mut chance));
    }
    let mut floor = Floor::default();
    let found: Vec<u32> = std::iter::from_fn(|| {
        let piece = rarity.first(&peer, &mut floor, By::Rarity)?;
        rarity.remove(piece);
        rarity.check_floor(&peer, &floor, By::Rarity);
        Some(piece.get())
    })
    .collect();
    assert!(matches!(found[..], [4_000 | 4_001, 4_000 | 4_001, 9_999, 9]), "{found:?}");
}

#[test]
fn equals_come_in_random_order() {
    let first_of = |seed| {
        let mut scenes = [Scene::new(seed), Scene::startable(seed)];
        (0..PIECES).for_each(|piece| scenes[0].step(Step::Insert(piece)));
        let all = Pieces::all(PIECES);
        scenes.map(|scene| scene.rarity.first(&all, &mut Floor::default(), By::Rarity).unwrap())
    };
    let firsts: Vec<_> = (0..100).map(first_of).collect();
    for at in [0, 1] {
        assert!(firsts.iter().map(|firsts| firsts[at]).collect::<HashSet<_>>().len() > 30);
    }
}

#[test]
fn equals_that_were_counted_in_bulk_are_in_random_order_too() {
    // Half of them by each peer, so that neither half may come first because of when it was counted.
    const ROUNDS: u64 = 3_000;
    let mut times: HashMap<u32, u32> = HashMap::new();
    for seed in 0..ROUNDS {
        let mut scene = Scene::startable(seed);
        scene.step(Step::Replace(0, (0..PIECES / 2).collect(), 0));
        scene.step(Step::Replace(1, (PIECES / 2..PIECES).collect(), 0));
        let all = Pieces::all(PIECES);
        let first = scene.rarity.first(&all, &mut Floor::default(), By::Rarity).unwrap();
        *times.entry(first.get() / (PIECES / 4)).or_default() += 1;
    }
    let fair = ROUNDS as u32 / 4;
    assert!(times.values().all(|&times| times.abs_diff(fair) < fair / 5), "{times:?}");
}
