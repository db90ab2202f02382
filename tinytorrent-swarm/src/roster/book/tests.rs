use std::collections::BTreeSet;

use super::*;

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 6881))
}

fn book() -> PeerBook {
    PeerBook::new(AddressFilter::new())
}

fn next(book: &mut PeerBook, now: Instant) -> Option<SocketAddr> {
    book.next(now, false).map(|candidate| candidate.address)
}

#[test]
fn each_address_is_tried_once_at_a_time() {
    let (now, mut book) = (Instant::now(), book());
    assert!(book.add(now, address(1), PeerSource::Tracker));
    assert!(!book.add(now, address(1), PeerSource::Exchange));
    assert_eq!(next(&mut book, now), Some(address(1)));
    assert_eq!(book.next(now, false), None);
    book.check_invariants();
}

#[test]
fn the_users_peers_come_first() {
    let (now, mut book) = (Instant::now(), book());
    for n in 1..20 {
        book.add(now, address(n), PeerSource::Tracker);
    }
    book.add(now, address(99), PeerSource::User);
    assert_eq!(next(&mut book, now), Some(address(99)));
}

#[test]
fn a_peer_that_refuses_is_tried_ever_less_and_then_forgotten() {
    // S-28
    let (mut now, mut book) = (Instant::now(), book());
    book.add(now, address(1), PeerSource::Tracker);
    let mut waits = Vec::new();
    while book.len() > 0 {
        assert_eq!(next(&mut book, now), Some(address(1)));
        book.failed(now, address(1), false);
        book.check_invariants();
        let Some(ready) = book.ready_at() else { break };
        assert_eq!(book.next(now, false), None);
        waits.push(ready - now);
        now = ready;
    }
    assert_eq!(waits, [5, 10, 20, 40].map(Duration::from_secs));
    book.add(now, address(2), PeerSource::User);
    for _ in 0..100 {
        now = book.ready_at().expect("the user's peer is never given up");
        book.next(now, false);
        book.failed(now, address(2), false);
    }
}

#[test]
fn bad_and_own_addresses_are_refused_and_counted() {
    let now = Instant::now();
    let mut filter = AddressFilter::new();
    filter.add_own(address(1));
    let mut book = PeerBook::new(filter);
    for bad in [address(1), SocketAddr::from(([1, 2, 3, 4], 0))] {
        assert!(!book.add(now, bad, PeerSource::Exchange));
    }
    assert_eq!(book.refused(), 2);
    assert_eq!(book.next(now, false), None);
}

#[test]
fn the_banned_stay_banned_in_either_direction() {
    let (now, mut book) = (Instant::now(), book());
    let id = PeerId::from_bytes([7; 20]);
    book.add(now, address(1), PeerSource::Tracker);
    book.add(now, SocketAddr::from(([192, 0, 2, 1], 9)), PeerSource::Tracker);
    book.ban(address(1), Some(id));
    assert!(book.is_banned(address(1)));
    assert!(!book.add(now, address(1), PeerSource::Tracker));
    assert_eq!(book.next(now, false), None);
    // Another port of the same host, but not another peer of this machine.
    assert!(book.is_banned(SocketAddr::from(([192, 0, 2, 1], 9))));
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    book.ban(local(1), Some(id));
    assert!(book.is_banned(local(1)) && !book.is_banned(local(2)));
    assert!(book.is_banned_name(local(2), id));
    book.check_invariants();
}

#[test]
fn the_book_has_an_end() {
    let (now, mut book) = (Instant::now(), book());
    for n in 0..20_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        book.add(now, SocketAddr::from(([9, a, b, c], 1)), PeerSource::Tracker);
    }
    assert_eq!(book.len(), MAX_ENTRIES);
    assert!(!book.add(now, address(1), PeerSource::Tracker));
    assert!(book.add(now, address(1), PeerSource::User), "there is always room for the user's");
    assert_eq!(book.len(), MAX_ENTRIES + 1);
}

#[test]
fn what_peers_tell_leaves_room_for_the_tracker_and_waits_for_it() {
    let (now, mut book) = (Instant::now(), book());
    (1..=10).for_each(|n| _ = book.add(now, address(n), PeerSource::Exchange));
    for n in 0..20_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        book.add(now, SocketAddr::from(([9, a, b, c], 1)), PeerSource::Exchange);
    }
    let later = now + Duration::from_secs(1);
    for n in 1..=50 {
        // Be it that peers have told of it before.
        let is_news = n > 10;
        assert_eq!(book.add(later, address(n), PeerSource::Tracker), is_news);
    }
    book.check_invariants();
    let tried: BTreeSet<_> = std::iter::from_fn(|| next(&mut book, later)).take(50).collect();
    assert_eq!(tried, (1..=50).map(address).collect());
}

#[test]
fn the_banned_take_no_room_from_others() {
    // S-28
    let (now, mut book) = (Instant::now(), book());
    for n in 0..20_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        book.ban(SocketAddr::from(([9, a, b, c], 1)), None);
    }
    assert!(book.add(now, address(1), PeerSource::Tracker));
    book.check_invariants();
}

#[test]
fn addresses_come_by_canonical_priority_once_our_own_is_known() {
    // BEP 40; without an address of our own the order is one that nobody can foresee.
    let (now, mut book) = (Instant::now(), book());
    let own = SocketAddr::from(([198, 51, 100, 7], 6881));
    book.set_own(own);
    let addresses = (1..=50).map(|n| SocketAddr::from(([192, 0, n, 2], 6881)));
    addresses.for_each(|address| _ = book.add(now, address, PeerSource::Tracker));
    let order: Vec<_> = std::iter::from_fn(|| next(&mut book, now)).collect();
    let priorities: Vec<_> = order.iter().map(|&peer| priority(own, peer)).collect();
    assert!(priorities.is_sorted_by(|a, b| a >= b) && order.len() == 50);
    book.check_invariants();
}

#[test]
fn a_network_with_many_addresses_holds_up_no_other() {
    // S-28
    for is_own_known in [false, true] {
        let (now, mut book) = (Instant::now(), book());
        if is_own_known {
            book.set_own(SocketAddr::from(([198, 51, 100, 7], 6881)));
        }
        let of_one = (1..=200).map(|n| SocketAddr::from(([20, 1, 1, n], 6881)));
        of_one.for_each(|address| _ = book.add(now, address, PeerSource::Tracker));
        book.add(now, address(1), PeerSource::Tracker);
        let order: Vec<_> = std::iter::from_fn(|| next(&mut book, now)).collect();
        let place = order.iter().position(|&next| next == address(1));
        assert!(place <= Some(usize::from(FIRST)), "{place:?}");
        book.check_invariants();
    }
}

#[test]
fn the_hash_that_a_peer_knows_is_remembered() {
    let (now, mut book) = (Instant::now(), book());
    let hash = WireInfoHash::from_bytes([7; 20]);
    book.add(now, address(1), PeerSource::Tracker);
    assert_eq!(book.next(now, false).and_then(|candidate| candidate.known_as), None);
    book.greeted(address(1), hash, Transport::Tcp);
    book.left(now, address(1), false);
    let later = now + Duration::from_secs(60);
    assert_eq!(book.next(later, false).and_then(|candidate| candidate.known_as), Some(hash));
}

#[test]
fn seeds_that_are_not_needed_are_put_aside_and_come_back_when_they_are() {
    let (now, mut book) = (Instant::now(), book());
    let second = Duration::from_secs(1);
    book.add(now, address(1), PeerSource::Tracker);
    book.add(now, address(2), PeerSource::Tracker);
    for n in [1, 2] {
        book.take(address(n));
        book.left(now, address(n), true);
    }
    // One of them has refused since.
    book.take(address(2));
    book.failed(now, address(2), false);
    let later = now + 100 * second;
    assert_eq!(book.next(later, true), None, "nothing is wanted");
    assert_eq!(book.len(), 2);
    assert_eq!(book.next(later + 100 * second, true), None);
    assert_eq!(next(&mut book, later + 100 * second), None, "they are not due");
    book.recall_seeds(later);
    assert_eq!(next(&mut book, later), Some(address(1)));
    assert_eq!(next(&mut book, later), None);
    assert_eq!(next(&mut book, later + 10 * second), Some(address(2)), "as after its failures");
    book.check_invariants();
}

#[test]
fn seeds_that_nobody_needs_for_long_are_forgotten_but_not_those_of_the_user() {
    let (now, mut book) = (Instant::now(), book());
    let sources = [PeerSource::Tracker, PeerSource::User, PeerSource::Magnet, PeerSource::Dht];
    for (n, source) in (1..).zip(sources) {
        book.add(now, address(n), source);
        book.take(address(n));
        book.left(now, address(n), true);
    }
    let soon = now + Duration::from_secs(60);
    assert_eq!((book.next(soon, true), book.len()), (None, 4));
    // Something is wanted for a moment, and then they have a quarter of an hour anew.
    book.recall_seeds(soon);
    assert_eq!((book.next(soon, true), book.len()), (None, 4));
    let before = soon + ASIDE - Duration::from_secs(1);
    assert_eq!((book.next(before, true), book.len()), (None, 4));
    assert_eq!((book.next(soon + ASIDE, true), book.len()), (None, 2));
    assert_eq!((book.next(soon + 9 * ASIDE, true), book.len()), (None, 2));
    book.recall_seeds(soon + 9 * ASIDE);
    let kept = [(); 2].map(|()| next(&mut book, soon + 9 * ASIDE));
    assert_eq!(kept, [Some(address(2)), Some(address(3))]);
    book.check_invariants();
}

#[test]
fn networks_have_their_first_addresses_tried_before_the_next_of_any() {
    let (now, mut book) = (Instant::now(), book());
    let of = |network: u8, host: u8| SocketAddr::from(([network, 1, 1, host], 6881));
    let (first, many) = (FIRST as u8, 5 * FIRST as u8);
    (0..many).for_each(|host| _ = book.add(now, of(20, host), PeerSource::Tracker));
    (0..first).for_each(|host| _ = book.add(now, of(30, host), PeerSource::Tracker));
    let tried: Vec<_> = (0..2 * first).filter_map(|_| next(&mut book, now)).collect();
    let of_few = tried.iter().filter(|address| address.ip() >= of(30, 0).ip()).count();
    assert_eq!((tried.len(), of_few), (2 * usize::from(first), usize::from(first)));
}

#[test]
fn whoever_told_of_an_address_is_asked_for_an_introduction_once() {
    let (now, mut book) = (Instant::now(), book());
    let (other, introducer) = (PeerKey::new(2, 0), PeerKey::new(1, 0));
    book.note_introducer(address(1), introducer);
    assert_eq!(book.introducer(address(1)), None, "an address that nobody knows");
    book.add(now, address(1), PeerSource::Exchange);
    book.note_asked(address(1));
    assert_eq!(book.introducer(address(1)), None);
    book.note_introducer(address(1), introducer);
    assert_eq!(book.introducer(address(1)), Some(introducer));
    book.note_introducer(address(1), other);
    assert_eq!(book.introducer(address(1)), Some(other), "the last one is still there most likely");
    book.note_asked(address(1));
    assert_eq!(book.introducer(address(1)), None);
}
