use std::time::Duration;

use tinytorrent_types::{InfoHashV1, InfoHashV2};

use super::*;
use crate::contract::{Action, Transport};
use crate::peer::testing::peer;

const SECOND: Duration = Duration::from_secs(1);

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 6881))
}

fn hybrid() -> InfoHashes {
    InfoHashes::from_both(InfoHashV1::from_bytes([1; 20]), InfoHashV2::from_bytes([2; 32]))
}

fn roster(hashes: InfoHashes, tune: impl FnOnce(&mut SwarmConfig)) -> Roster {
    let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([50; 20]), 1);
    tune(&mut config);
    Roster::new(Instant::now(), &config)
}

fn dialed(out: &mut Outbox) -> Vec<(SocketAddr, WireInfoHash)> {
    let dialed = out.take_actions().into_iter().filter_map(|action| match action {
        Action::Connect { address, info_hash, .. } => Some((address, info_hash)),
        _ => None,
    });
    dialed.collect()
}

#[test]
fn dials_have_a_limit_that_strangers_do_not_use_up() {
    // S-28
    let now = Instant::now();
    let (mut peers, mut out) = (Peers::new(), Outbox::default());
    let mut roster = roster(hybrid(), |config| {
        config.max_connecting(3);
    });
    for n in 100..110 {
        roster.accept(now, &mut peers, &mut out, address(n));
    }
    roster.add(now, PeerSource::Tracker.into(), &[1, 2, 3, 4, 5].map(address), false);
    roster.dial(now, &mut peers, &mut out, Some(Need::Gifts));
    assert_eq!(dialed(&mut out).len(), 3);
    let next = roster.ready_at(&peers, Some(Need::Gifts));
    assert_eq!(next, Some(now + 3 * SECOND), "no more until one of them is through, or slow");
}

#[test]
fn a_hybrid_is_named_by_turns_until_a_peer_knows_one_of_its_names() {
    // BEP 52, "upgrade path"
    let mut now = Instant::now();
    let (mut peers, mut out) = (Peers::new(), Outbox::default());
    let mut roster = roster(hybrid(), |_| {});
    roster.add(now, PeerSource::User.into(), &[address(1)], false);
    let mut names = Vec::new();
    for _ in 0..3 {
        roster.dial(now, &mut peers, &mut out, Some(Need::Gifts));
        names.extend(dialed(&mut out).into_iter().map(|(_, name)| name));
        let key = peers.keys().next().unwrap();
        let gone = peers.remove(key).unwrap();
        roster.left(now, key, &gone, &LeaveReason::WrongTorrent);
        now += 600 * SECOND;
    }
    let [v1, v2]: [WireInfoHash; 2] =
        hybrid().wire_hashes().collect::<Vec<_>>()[..].try_into().unwrap();
    assert_eq!(names, [v1, v2, v1]);
    roster.book.greeted(address(1), v2, Transport::Tcp);
    roster.dial(now, &mut peers, &mut out, Some(Need::Gifts));
    assert_eq!(dialed(&mut out), [(address(1), v2)]);
}

#[test]
fn private_torrents_take_no_peers_of_peers_and_links() {
    // S-29
    let mut roster = roster(hybrid(), |_| {});
    let now = Instant::now();
    for source in [PeerSource::Exchange, PeerSource::Lsd, PeerSource::Magnet] {
        assert!(!roster.add(now, source.into(), &[address(1)], true));
    }
    assert_eq!(roster.known(), 0);
    assert!(roster.add(now, PeerSource::Tracker.into(), &[address(1)], true));
}

#[test]
fn strangers_tell_of_nobody_in_our_network() {
    // G-18
    let local = SocketAddr::from(([192, 168, 0, 1], 80));
    let known = |teller: Teller, tune: fn(&mut SwarmConfig)| {
        let mut roster = roster(hybrid(), tune);
        assert!(roster.add(Instant::now(), teller, &[local, address(1)], false));
        assert_eq!(roster.book.refused() as usize + roster.known(), 2);
        roster.known()
    };
    let tellers = [
        (PeerSource::User.into(), 2),
        (PeerSource::LocalTracker.into(), 2),
        (Teller::peer([10, 0, 0, 1].into()), 2),
        (PeerSource::Tracker.into(), 1),
        (PeerSource::Magnet.into(), 1),
        (Teller::peer([20, 0, 0, 1].into()), 1),
    ];
    for (teller, count) in tellers {
        assert_eq!(known(teller, |_| {}), count, "{teller:?}");
        assert_eq!(known(teller, |config| _ = config.local_peers(true)), 2, "{teller:?}");
    }
}

#[test]
fn a_liar_is_banned_though_it_has_left() {
    let now = Instant::now();
    let mut roster = roster(hybrid(), |_| {});
    let mut peers = Peers::of([peer(now, 1)]);
    let key = peers.keys().next().unwrap();
    let liar = peers.contact(key).unwrap().address;
    let gone = peers.remove(key).unwrap();
    roster.left(now, key, &gone, &LeaveReason::Useless);
    assert!(!roster.is_banned(liar));
    assert_eq!(roster.ban(&peers, key), Some(liar));
    assert!(roster.is_banned(liar));
    assert_eq!(roster.ban(&peers, key), None, "it is no news");
}

#[test]
fn we_do_not_talk_to_ourselves_and_a_name_is_a_claim() {
    // W-04, W-56
    let now = Instant::now();
    let mut roster = roster(hybrid(), |_| {});
    let there = peer(now, 1);
    let (contact, id) = (there.contact.clone(), there.id);
    assert_eq!(roster.objection(&contact, id), None);
    let ourselves = roster.objection(&contact, PeerId::from_bytes([50; 20]));
    assert_eq!(ourselves, Some(LeaveReason::OurselvesFound));
    roster.add(now, PeerSource::Tracker.into(), &[contact.address], false);
    assert_eq!(roster.known(), 0, "nobody else is there");
}

#[test]
fn a_claim_to_listen_somewhere_is_believed_for_a_while() {
    //
    let start = Instant::now();
    let mut claiming = peer(start, 1);
    claiming.contact = Contact::incoming(SocketAddr::new(address(1).ip(), 50_000));
    claiming.contact.note_listens_at(address(1).port());
    let mut peers = Peers::of([claiming]);
    for is_hungry in [true, false] {
        let (mut now, mut out) = (start, Outbox::default());
        let mut roster = roster(hybrid(), |_| {});
        roster.add(now, PeerSource::Tracker.into(), &[address(1)], false);
        let end = start + 3 * SECOND;
        while now < end {
            now = roster.ready_at(&peers, Some(Need::Gifts)).unwrap().max(now);
            if !is_hungry {
                roster.note_gift(now);
            }
            let has_dialed = now >= end;
            roster.dial(now, &mut peers, &mut out, Some(Need::Gifts));
            assert_eq!(!dialed(&mut out).is_empty(), has_dialed);
        }
        peers = Peers::of(peers.remove(PeerKey::new(0, 0)).map(|gone| match gone {
            Gone::Live(peer) => *peer,
            Gone::Pending(_) => panic!("it has shaken hands"),
        }));
    }
}

#[test]
fn hosts_and_networks_get_their_share_of_dials() {
    // S-28
    let (now, mut out) = (Instant::now(), Outbox::default());
    let mut peers = Peers::new();
    let mut roster = roster(hybrid(), |config| _ = config.max_peers(8));
    let told = |hosts: std::ops::Range<u8>, port: u16| -> Vec<SocketAddr> {
        hosts.map(|host| SocketAddr::from(([20, 1, 1, host], port))).collect()
    };
    for port in 1..9 {
        roster.add(now, PeerSource::Exchange.into(), &told(1..9, port), false);
    }
    roster.add(now, PeerSource::Exchange.into(), &["[2606:4700::1]:1".parse().unwrap()], false);
    roster.dial(now, &mut peers, &mut out, Some(Need::Gifts));
    let dialed = dialed(&mut out);
    let (greedy, others): (Vec<_>, Vec<_>) =
        dialed.into_iter().map(|(address, _)| address).partition(SocketAddr::is_ipv4);
    assert_eq!((greedy.len(), others.len()), (4, 1));
    let of_host = |host| greedy.iter().filter(|a| a.ip() == IpAddr::from([20, 1, 1, host])).count();
    assert!((1..9).all(|host| of_host(host) <= 2));
}

#[test]
fn dials_leave_places_to_those_who_come() {
    // S-28
    let (now, mut out, mut peers) = (Instant::now(), Outbox::default(), Peers::new());
    let mut roster = roster(hybrid(), |config| _ = config.max_peers(8));
    let told: Vec<_> = (1..=9).map(|n| SocketAddr::from(([20, n, 1, 1], 6881))).collect();
    roster.add(now, PeerSource::Tracker.into(), &told, false);
    roster.dial(now, &mut peers, &mut out, Some(Need::Gifts));
    assert_eq!(dialed(&mut out).len(), 7);
    let stranger = SocketAddr::from(([30, 1, 1, 1], 6881));
    let admission = roster.admit(now, &peers, stranger, Some(Need::Gifts), true);
    assert_eq!(admission, Admission::Free);
    assert!(
        roster.ready_at(&peers, Some(Need::Gifts)) > Some(now),
        "there is nothing to do until then"
    );
}

#[test]
fn an_address_that_finds_no_place_is_not_put_off_until_others_had_theirs() {
    // S-28
    let (start, mut out) = (Instant::now(), Outbox::default());
    let mut roster = roster(hybrid(), |config| _ = config.max_peers(1));
    let mut peers = Peers::of([peer(start, 1)]);
    roster.add(start, PeerSource::Tracker.into(), &[address(1)], false);
    let mut now = start;
    let yielding = loop {
        now = roster.ready_at(&peers, Some(Need::Gifts)).unwrap().max(now);
        assert!(now < start + 20 * SECOND);
        if let Some((yielding, _)) = roster.dial(now, &mut peers, &mut out, Some(Need::Gifts)) {
            break yielding;
        }
    };
    assert!(now < start + 9 * SECOND, "eight seconds, and a look each second: {:?}", now - start);
    peers.remove(yielding);
    roster.dial(now, &mut peers, &mut out, Some(Need::Gifts));
    assert_eq!(dialed(&mut out).len(), 1);
}

#[test]
fn those_we_only_heard_of_have_no_part_in_a_private_torrent() {
    // BEP 27
    let (now, mut out, mut peers) = (Instant::now(), Outbox::default(), Peers::new());
    let mut roster = roster(hybrid(), |_| {});
    for (source, n) in
        [(PeerSource::Magnet, 1), (PeerSource::Exchange, 2), (PeerSource::Tracker, 3)]
    {
        roster.add(now, source.into(), &[address(n), address(10 + n)], false);
    }
    roster.dial(now, &mut peers, &mut out, None);
    let hearsay = roster.forget_hearsay(&peers);
    let hosts = hearsay.iter().map(|&key| peers.contact(key).unwrap().address);
    assert!(hosts.collect::<Vec<_>>().iter().all(|at| ![address(3), address(13)].contains(at)));
    assert_eq!((hearsay.len(), roster.known()), (4, 2));
}

/// U-25
#[test]
fn bogons_are_refused_if_that_is_wanted_but_for_those_of_the_user() {
    let now = Instant::now();
    let known = |source, refuses: bool| {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut roster =
            roster(hashes, |config| _ = config.local_peers(true).refuse_bogons(refuses));
        let addresses = ["10.0.0.1:1", "192.0.2.1:1", "127.0.0.1:1", "20.0.0.1:1"];
        let addresses = addresses.map(|address| address.parse().unwrap());
        roster.add(now, Teller::from(source), &addresses, false);
        roster.known()
    };
    assert_eq!(known(PeerSource::Tracker, true), 1);
    assert_eq!(known(PeerSource::Tracker, false), 4);
    assert_eq!(known(PeerSource::User, true), 4);
}
