use std::time::Duration;

use tinytorrent_types::{InfoHashV1, InfoHashV2};

use super::*;
use crate::peer::testing::peer;

const SECOND: Duration = Duration::from_secs(1);

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 6881))
}

fn hybrid() -> InfoHashes {
    InfoHashes::from_both(InfoHashV1::from_bytes([1; 20]), InfoHashV2::from_bytes([2; 32]))
}

fn roster(hashes: InfoHashes, tune: impl FnOnce(&mut Config)) -> Roster {
    let mut config = Config::new(hashes, PeerId::from_bytes([50; 20]), 1);
    tune(&mut config);
    Roster::new(&config)
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
    roster.add(now, PeerSource::Tracker, &[1, 2, 3, 4, 5].map(address), false);
    roster.dial(now, &mut peers, &mut out, false);
    assert_eq!(dialed(&mut out).len(), 3);
    assert_eq!(roster.ready_at(&peers), None, "no more until one of them is through");
}

#[test]
fn a_hybrid_is_named_by_turns_until_a_peer_knows_one_of_its_names() {
    // BEP 52, "upgrade path"
    let mut now = Instant::now();
    let (mut peers, mut out) = (Peers::new(), Outbox::default());
    let mut roster = roster(hybrid(), |_| {});
    roster.add(now, PeerSource::User, &[address(1)], false);
    let mut names = Vec::new();
    for _ in 0..3 {
        roster.dial(now, &mut peers, &mut out, false);
        names.extend(dialed(&mut out).into_iter().map(|(_, name)| name));
        let key = peers.keys().next().unwrap();
        let gone = peers.remove(key).unwrap();
        roster.left(now, key, &gone, &LeaveReason::WrongTorrent);
        now += 600 * SECOND;
    }
    let [v1, v2]: [WireInfoHash; 2] =
        hybrid().wire_hashes().collect::<Vec<_>>()[..].try_into().unwrap();
    assert_eq!(names, [v1, v2, v1]);
    roster.book.greeted(address(1), v2);
    roster.dial(now, &mut peers, &mut out, false);
    assert_eq!(dialed(&mut out), [(address(1), v2)]);
}

#[test]
fn private_torrents_take_no_peers_of_peers_and_links() {
    // S-29
    let mut roster = roster(hybrid(), |_| {});
    let now = Instant::now();
    for source in [PeerSource::Exchange, PeerSource::Magnet] {
        assert!(!roster.add(now, source, &[address(1)], true));
    }
    assert_eq!(roster.known(), 0);
    assert!(roster.add(now, PeerSource::Tracker, &[address(1)], true));
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
    assert!(roster.admits(&peers, liar));
    assert_eq!(roster.ban(&peers, key), Some(liar));
    assert!(!roster.admits(&peers, liar));
    assert_eq!(roster.ban(&peers, key), None, "it is no news");
}

#[test]
fn we_do_not_talk_to_ourselves_nor_twice_to_a_peer() {
    // W-04, W-56
    let now = Instant::now();
    let mut roster = roster(hybrid(), |_| {});
    let there = peer(now, 1);
    let (contact, id) = (there.contact.clone(), there.id);
    let peers = Peers::of([there]);
    let objection = roster.objection(&peers, &contact, id);
    assert_eq!(objection, Some(LeaveReason::Duplicate));
    let ourselves = roster.objection(&peers, &contact, PeerId::from_bytes([50; 20]));
    assert_eq!(ourselves, Some(LeaveReason::OurselvesFound));
    roster.add(now, PeerSource::Tracker, &[contact.address], false);
    assert_eq!(roster.known(), 0, "nobody else is there");
    let elsewhere = Contact::outgoing(address(9), hybrid().to_wire());
    assert_eq!(roster.objection(&peers, &elsewhere, id), None, "an id is a claim");
}
