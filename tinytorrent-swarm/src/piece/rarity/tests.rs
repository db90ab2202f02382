use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_types::Bitfield;

use super::*;

const PIECES: u32 = 12;

fn geometry() -> Geometry {
    Geometry::new(PIECES.into(), 1).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u32),
    Remove(u32),
    Have(u32),
    Lose(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..4, 0..PIECES).prop_map(|(kind, piece)| match kind {
        0 => Step::Insert(piece),
        1 => Step::Remove(piece),
        2 => Step::Have(piece),
        _ => Step::Lose(piece),
    });
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn the_order_is_by_availability_whatever_happens(steps in steps(), seed: u64) {
        let (geometry, mut chance) = (geometry(), StdRng::seed_from_u64(seed));
        let mut rarity = Rarity::new(&geometry);
        let peer = Pieces::from(Bitfield::from_bytes(&[0b0010_0100, 0b1000_0000], PIECES).unwrap());
        rarity.add_peer(&peer, &geometry, &mut chance);
        let (mut floor, mut floor_of_all) = (Floor::default(), Floor::default());
        for step in steps {
            match step {
                Step::Insert(n) => {
                    let piece = geometry.piece(n).unwrap();
                    if !rarity.contains(piece) { rarity.insert(piece, &mut chance) }
                }
                Step::Remove(n) => {
                    let piece = geometry.piece(n).unwrap();
                    if rarity.contains(piece) { rarity.remove(piece) }
                }
                Step::Have(n) => rarity.add_have(geometry.piece(n).unwrap(), &mut chance),
                Step::Lose(n) => {
                    let piece = geometry.piece(n).unwrap();
                    let least = u32::from(peer.contains(piece));
                    if rarity.availability(piece) > least { rarity.remove_have(piece, &mut chance) }
                }
            }
            rarity.check_invariants();
            let all = Pieces::all(PIECES);
            for (peer, floor) in [(&peer, &mut floor), (&all, &mut floor_of_all)] {
                rarity.check_floor(peer, *floor);
                let least = geometry.pieces().filter(|&p| rarity.contains(p) && peer.contains(p))
                    .map(|p| rarity.availability(p)).min();
                let picked = rarity.rarest(peer, floor).map(|p| rarity.availability(p));
                prop_assert_eq!(picked, least);
            }
        }
    }
}

#[test]
fn a_peer_is_asked_for_the_rarest_piece_it_has() {
    let (geometry, mut chance) = (geometry(), StdRng::seed_from_u64(1));
    let mut rarity = Rarity::new(&geometry);
    geometry.pieces().for_each(|piece| rarity.insert(piece, &mut chance));
    let mut peer = Bitfield::new(PIECES);
    for index in [3, 7] {
        let piece = geometry.piece(index).unwrap();
        peer.insert(piece);
        rarity.add_have(piece, &mut chance);
    }
    rarity.add_have(geometry.piece(3).unwrap(), &mut chance);
    assert_eq!(rarity.rarest(&peer.clone().into(), &mut Floor::default()).unwrap().get(), 7);
    assert_eq!(rarity.first(&peer.into(), &geometry).unwrap().get(), 3);
}

#[test]
fn equals_come_in_random_order() {
    let first_of = |seed| {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut rarity = Rarity::new(&geometry());
        geometry().pieces().for_each(|piece| rarity.insert(piece, &mut chance));
        rarity.rarest(&Pieces::all(PIECES), &mut Floor::default()).unwrap()
    };
    let firsts: std::collections::HashSet<_> = (0..100).map(first_of).collect();
    assert!(firsts.len() > 6);
}
