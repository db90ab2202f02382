//! Peer exchange over time (BEP 11).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use tinytorrent_wire::extension::{PexFlags, PexMessage, PexPeer};
use tinytorrent_wire::pex::{PexFlood, PexReceiver, PexSender};

const MINUTE: Duration = Duration::from_secs(60);

/// The tests' only clock: it stands still unless moved.
fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the first one")]
    Instant::now()
}

fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 6881))
}

fn peers(numbers: impl IntoIterator<Item = u16>) -> Vec<PexPeer> {
    let peer = |number| PexPeer { address: address(number), flags: PexFlags::UPLOAD_ONLY };
    numbers.into_iter().map(peer).collect()
}

/// X-25, BEP 11: "A peer must only be included once a connection is established", and is dropped
/// once it is not.
#[test]
fn who_came_is_added_and_who_went_is_dropped() {
    let now = start();
    let mut sender = PexSender::new(address(1));
    let first = sender.poll_message(now, peers([2, 3])).unwrap();
    assert_eq!((first.added, first.dropped), (peers([2, 3]), vec![]));
    let second = sender.poll_message(now + MINUTE, peers([3, 4])).unwrap();
    assert_eq!((second.added, second.dropped), (peers([4]), vec![address(2)]));
    let third = sender.poll_message(now + 2 * MINUTE, peers([2, 3, 4])).unwrap();
    assert_eq!((third.added, third.dropped), (peers([2]), vec![]));
}

/// X-23, BEP 11: "no more than 1 PEX message per minute".
#[test]
fn one_message_a_minute() {
    let now = start();
    let mut sender = PexSender::new(address(1));
    assert_eq!(sender.poll_timeout(), None);
    assert!(sender.poll_message(now, peers([])).is_none(), "nothing to say is not said");
    assert_eq!(sender.poll_timeout(), None);
    assert!(sender.poll_message(now, peers([2])).is_some());
    assert_eq!(sender.poll_timeout(), Some(now + MINUTE));
    let almost = now + MINUTE - Duration::from_millis(1);
    assert!(sender.poll_message(almost, peers([2, 3])).is_none());
    assert!(sender.poll_message(now + MINUTE, peers([2, 3])).is_some());
}

/// a message names neither its receiver, nor a peer twice in either form of its address, nor one
/// without a port.
#[test]
fn peer_is_not_told_of_itself_or_twice() {
    let mapped = |number: u16| {
        let [a, b, c, d] = [10, 0, (number >> 8) as u8, number as u8];
        format!("[::ffff:{a}.{b}.{c}.{d}]:6881").parse().unwrap()
    };
    let mut sender = PexSender::new(mapped(1));
    let mut connected = peers([1, 2, 2]);
    connected.push(PexPeer { address: mapped(2), flags: PexFlags::default() });
    connected.push(PexPeer { address: "10.0.0.9:0".parse().unwrap(), flags: PexFlags::default() });
    assert_eq!(sender.poll_message(start(), connected).unwrap().added, peers([2]));
}

/// 50 added and 50 dropped, except in the first message.
#[test]
fn messages_are_bounded_and_all_is_told_in_the_end() {
    let now = start();
    let mut sender = PexSender::new(address(9999));
    let all = peers(0..230);
    let sizes: Vec<_> = (0..5)
        .filter_map(|n| sender.poll_message(now + n * MINUTE, all.clone()))
        .map(|message| message.added.len())
        .collect();
    assert_eq!(sizes, [100, 50, 50, 30]);
    let sizes: Vec<_> = (5..12)
        .filter_map(|n| sender.poll_message(now + n * MINUTE, []))
        .map(|message| message.dropped.len())
        .collect();
    assert_eq!(sizes, [50, 50, 50, 50, 30]);
}

/// a message that comes too soon is ignored, and many of them are a flood.
#[test]
fn messages_that_come_too_often_are_ignored_then_refused() {
    let now = start();
    let mut receiver = PexReceiver::new();
    let message = PexMessage { added: peers([2]), dropped: vec![] };
    let at = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(receiver.handle_message(at(0), &message), Ok(peers([2])));
    assert_eq!(receiver.handle_message(at(50), &message), Ok(peers([2])), "a timer may slip");
    assert_eq!(receiver.handle_message(at(51), &message), Ok(vec![]));
    for second in 52..55 {
        assert_eq!(receiver.handle_message(at(second), &message), Ok(vec![]));
    }
    assert_eq!(receiver.handle_message(at(55), &message), Err(PexFlood { count: 7 }));
    let mut steady = PexReceiver::new();
    for minute in 0..10 {
        assert_eq!(steady.handle_message(now + minute * MINUTE, &message), Ok(peers([2])));
    }
}

/// peers over the limit are left out, and so are further ports of a host.
#[test]
fn candidates_are_bounded_and_one_for_each_host() {
    let now = start();
    let mut receiver = PexReceiver::new();
    let many = PexMessage { added: peers(0..400), dropped: vec![] };
    assert_eq!(receiver.handle_message(now, &many).unwrap().len(), 400, "the first may be large");
    assert_eq!(receiver.handle_message(now + MINUTE, &many).unwrap().len(), 100);
    let mut twice = peers([7, 7, 8]);
    twice[1].address.set_port(80);
    let twice = PexMessage { added: twice, dropped: vec![] };
    assert_eq!(receiver.handle_message(now + 2 * MINUTE, &twice).unwrap(), peers([7, 8]));
}

proptest! {
    /// The messages add up to the connected peers, except for those not told yet. No peer is added twice,
    /// dropped without having been added, or both at once.
    #[test]
    fn followers_know_who_is_connected(
        rounds in vec(proptest::collection::btree_set(0..200_u16, 0..180), 1..12),
    ) {
        let mut now = start();
        let mut sender = PexSender::new(address(7));
        let mut known = BTreeSet::new();
        let follow = |message: PexMessage, known: &mut BTreeSet<SocketAddr>| {
            let added: BTreeSet<_> = message.added.iter().map(|peer| peer.address).collect();
            for address in &message.dropped {
                assert!(known.remove(address) && !added.contains(address));
            }
            for address in added {
                assert!(known.insert(address), "added twice");
            }
        };
        for connected in &rounds {
            if let Some(message) = sender.poll_message(now, peers(connected.iter().copied())) {
                follow(message, &mut known);
            }
            now += MINUTE;
        }
        let last = rounds.last().unwrap();
        for _ in 0..8 {
            if let Some(message) = sender.poll_message(now, peers(last.iter().copied())) {
                follow(message, &mut known);
            }
            now += MINUTE;
        }
        let expected: BTreeSet<_> =
            last.iter().filter(|&&number| number != 7).map(|&number| address(number)).collect();
        prop_assert_eq!(known, expected);
    }
}
