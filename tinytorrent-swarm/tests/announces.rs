//! Announces to trackers, and the peers in their answers, as the engine takes them.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use play::{Play, request};
use tinytorrent_swarm::{
    Action, AnnounceOutcome, AnnounceTask, Content, Input, LeaveReason, PeerKey, PeerSource,
    SwarmConfig,
};
use tinytorrent_tracker::{AnnounceEvent, AnnounceResponse, Failure, Peer};
use tinytorrent_types::{Bitfield, Geometry, PeerId};
use tinytorrent_wire::extension::ExtendedHandshake;
use tinytorrent_wire::{Extended, Feature, Message};

const HOUR: Duration = Duration::from_secs(3_600);

const OURS: PeerId = PeerId::from_bytes([1; 20]);

/// The announces since the last look.
fn announces(play: &mut Play) -> Vec<AnnounceTask> {
    let (mut announces, mut others) = (Vec::new(), Vec::new());
    for action in play.actions.drain(..) {
        match action {
            Action::Announce(task) => announces.push(task),
            other => others.push(other),
        }
    }
    play.actions = others;
    announces
}

fn answer(play: &mut Play, task: &AnnounceTask, response: AnnounceResponse) {
    play.tell(Input::Announced(AnnounceOutcome { id: task.id, result: Ok(response) }));
}

fn fail(play: &mut Play, task: &AnnounceTask) {
    let failure = Failure::Failed("no answer".into());
    play.tell(Input::Announced(AnnounceOutcome { id: task.id, result: Err(failure) }));
}

fn dialed(play: &Play) -> Vec<SocketAddr> {
    let dialed = play.actions.iter().filter_map(|action| match action {
        Action::Connect { address, .. } => Some(*address),
        _ => None,
    });
    dialed.collect()
}

fn tiers(hosts: &[&str]) -> Vec<Vec<String>> {
    hosts.iter().map(|host| vec![format!("http://{host}.example/announce")]).collect()
}

fn peer(id: Option<PeerId>, address: SocketAddr) -> Peer {
    Peer { id, address }
}

#[test]
fn a_torrent_that_was_paused_before_its_content_was_known_announces_when_it_goes_on() {
    let mut play = Play::without_content(|config| _ = config.trackers(tiers(&["a", "b"])));
    play.swarm.pause(play.now);
    play.open(false);
    play.wait(HOUR);
    assert!(announces(&mut play).is_empty());
    let shown: Vec<_> =
        play.swarm.trackers().map(|tracker| (tracker.tier, tracker.url.to_string())).collect();
    assert_eq!(shown.len(), 2, "trackers are shown before they are used");
    play.swarm.resume(play.now);
    play.tell(Input::BlocksWritten { bytes: 0 });
    let events: Vec<_> = announces(&mut play).iter().map(|task| task.request.event).collect();
    assert_eq!(events.first(), Some(&AnnounceEvent::Started));
}

#[test]
fn of_the_peers_of_a_tracker_neither_ourselves_nor_impossible_ones_are_dialed() {
    // T-13, U-25
    let mut play = Play::new(false, |config| _ = config.listen_port(6_881).trackers(tiers(&["a"])));
    let task = announces(&mut play).remove(0);
    let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
    let peers = vec![
        peer(Some(OURS), at("20.0.0.1:6881")),
        peer(None, at("20.0.0.2:6881")),
        peer(None, at("20.0.0.3:0")),
        peer(None, at("0.0.0.0:1")),
        peer(None, at("224.0.0.1:1")),
        peer(Some(PeerId::from_bytes([5; 20])), at("20.0.0.4:6881")),
    ];
    let mut response = AnnounceResponse::default();
    response.peers = peers;
    response.external_ip = Some(at("20.0.0.2:0").ip());
    answer(&mut play, &task, response);
    // Nor is a tracker believed that says where we are: it could keep us from anybody.
    let mut dialed = dialed(&play);
    dialed.sort_unstable();
    assert_eq!(dialed, [at("20.0.0.2:6881"), at("20.0.0.4:6881")]);
}

/// The hosts that are dialed after a tracker at this address has named them all.
fn dialed_for(reached_at: Option<&str>, tune: impl FnOnce(&mut SwarmConfig)) -> Vec<IpAddr> {
    let mut play = Play::new(false, |config| {
        config.trackers(tiers(&["a"]));
        tune(config);
    });
    let task = announces(&mut play).remove(0);
    let mut response = AnnounceResponse::default();
    let local = LOCAL.iter().map(|host| SocketAddr::new(host.parse().unwrap(), 80));
    let far = [SocketAddr::from(([20, 0, 0, 1], 80))];
    response.peers = local.chain(far).map(|address| peer(None, address)).collect();
    response.reached_at = reached_at.map(|address| address.parse().unwrap());
    answer(&mut play, &task, response);
    // Long enough for all of them to have been tried.
    play.wait(HOUR);
    dialed(&play).iter().map(SocketAddr::ip).collect()
}

const LOCAL: [&str; 7] =
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "fe80::1", "::ffff:192.168.0.1"];

#[test]
fn a_tracker_on_the_internet_tells_of_nobody_in_our_network() {
    // U-25
    for reached_at in [Some("20.0.0.9"), Some("2606:4700::9"), Some("::ffff:8.8.8.8"), None] {
        let dialed = dialed_for(reached_at, |_| {});
        assert!(dialed.iter().all(|ip| *ip == IpAddr::from([20, 0, 0, 1])), "{dialed:?}");
        assert!(!dialed.is_empty());
    }
}

#[test]
fn a_tracker_in_our_network_may_tell_of_those_there() {
    for reached_at in ["127.0.0.1", "::1", "192.168.0.9", "fe80::9", "fd00::9", "100.64.0.1"] {
        let dialed: BTreeSet<_> = dialed_for(Some(reached_at), |_| {}).into_iter().collect();
        assert_eq!(dialed.len(), LOCAL.len() + 1, "{reached_at}");
    }
}

#[test]
fn the_rule_of_local_peers_can_be_lifted() {
    let dialed = dialed_for(Some("20.0.0.9"), |config| _ = config.local_peers(true));
    assert_eq!(dialed.into_iter().collect::<BTreeSet<_>>().len(), LOCAL.len() + 1);
}

/// Two pieces, of which the first is wanted, and is there or not.
fn content(play: &Play, is_there: bool, is_private: bool) -> Content {
    let mut first = Bitfield::new(2);
    first.insert(play.geometry.piece(0).unwrap());
    Content {
        geometry: play.geometry.clone(),
        have: if is_there { first.clone() } else { Bitfield::new(2) },
        wanted: first,
        partial: Vec::new(),
        info: Default::default(),
        is_private,
    }
}

fn two_pieces(tune: impl FnOnce(&mut tinytorrent_swarm::SwarmConfig)) -> Play {
    let mut play = Play::without_content(tune);
    play.geometry = Geometry::new(2 << 14, 1 << 14).unwrap();
    play
}

#[test]
fn a_part_that_becomes_complete_is_announced_as_paused() {
    // H-24, BEP 21, "Tracker Announce"
    let mut play = two_pieces(|config| _ = config.trackers(tiers(&["a"])));
    let content = content(&play, false, false);
    play.tell(Input::ContentReady(content));
    let started = announces(&mut play).remove(0);
    assert_eq!(started.request.event, AnnounceEvent::Started);
    assert_eq!(started.request.left, Some(2 << 14), "the whole torrent counts");
    answer(&mut play, &started, AnnounceResponse::default());
    let seed = play.join(&[]);
    play.say(seed, Message::Bitfield(vec![0b1100_0000].into()));
    play.say(seed, Message::Unchoke);
    play.block(seed, request(0, 0));
    let piece = play.geometry.piece(0).unwrap();
    play.tell(Input::PieceVerified { piece, digests: Vec::new() });
    play.wait(HOUR);
    let later = announces(&mut play).remove(0);
    assert_eq!((later.request.event, later.request.left), (AnnounceEvent::Paused, Some(1 << 14)));
}

#[test]
fn a_part_that_is_complete_from_the_start_is_announced_as_paused() {
    // H-24, BEP 21, "Tracker Announce"
    let mut play = two_pieces(|config| _ = config.trackers(tiers(&["a"])));
    let content = content(&play, true, false);
    play.tell(Input::ContentReady(content));
    let started = announces(&mut play).remove(0);
    answer(&mut play, &started, AnnounceResponse::default());
    play.wait(HOUR);
    let later = announces(&mut play).remove(0);
    assert_eq!((later.request.event, later.request.left), (AnnounceEvent::Paused, Some(1 << 14)));
}

#[test]
fn a_private_torrent_leaves_its_peers_when_the_tracker_changes() {
    // T-05, BEP 27
    let mut play = two_pieces(|config| _ = config.trackers(tiers(&["a", "b"])));
    let content = content(&play, false, true);
    play.tell(Input::ContentReady(content));
    let first = announces(&mut play).remove(0);
    answer(&mut play, &first, AnnounceResponse::default());
    let mut backup = None;
    while backup.is_none() {
        play.wait(HOUR);
        for task in announces(&mut play) {
            if task.url == first.url {
                fail(&mut play, &task);
            } else {
                backup = Some(task);
            }
        }
    }
    let peer = play.join(&[]);
    answer(&mut play, &backup.unwrap(), AnnounceResponse::default());
    assert!(play.left(peer).is_some(), "BEP 27: all peers of before");
}

#[test]
fn a_private_torrent_leaves_its_peers_when_its_tracker_is_removed() {
    // T-05, BEP 27
    for is_private in [true, false] {
        let mut play = two_pieces(|config| _ = config.trackers(tiers(&["a"])));
        let content = content(&play, false, is_private);
        play.tell(Input::ContentReady(content));
        let first = announces(&mut play).remove(0);
        answer(&mut play, &first, AnnounceResponse::default());
        let peer = play.join(&[]);
        play.swarm.set_trackers(play.now, &tiers(&["b", "a"]));
        drain(&mut play);
        assert_eq!(play.left(peer), None, "the one in use is still there");
        play.swarm.set_trackers(play.now, &tiers(&["b"]));
        drain(&mut play);
        assert_eq!(play.left(peer).is_some(), is_private);
        let events: Vec<_> = announces(&mut play)
            .iter()
            .map(|task| (task.url.host().to_owned(), task.request.event))
            .collect();
        let host = |name: &str| format!("{name}.example");
        assert_eq!(
            events,
            [(host("a"), AnnounceEvent::Stopped), (host("b"), AnnounceEvent::Started),]
        );
    }
}

#[test]
fn the_peers_of_a_tracker_that_was_removed_are_not_used() {
    // T-05, BEP 27
    let mut play = two_pieces(|config| _ = config.trackers(tiers(&["a"])));
    let content = content(&play, false, true);
    play.tell(Input::ContentReady(content));
    let first = announces(&mut play).remove(0);
    play.swarm.set_trackers(play.now, &tiers(&["b"]));
    let mut response = AnnounceResponse::default();
    response.peers = vec![peer(None, SocketAddr::from(([20, 0, 0, 1], 6881)))];
    answer(&mut play, &first, response);
    assert_eq!(dialed(&play), []);
}

/// BEP 27: whom the link and other peers told of is left as soon as the metadata is known, be its hashes
/// known or not.
#[test]
fn a_link_that_turns_out_private_leaves_those_whom_no_tracker_told_of() {
    // S-29
    let mut play = Play::without_content(|config| _ = config.needs_metadata(true));
    let at = |host| SocketAddr::from(([20, 0, host, 1], 6_881));
    let sources = [(PeerSource::Tracker, 1), (PeerSource::Magnet, 2), (PeerSource::Exchange, 3)];
    for (source, host) in sources {
        play.tell(Input::PeersFound { source, addresses: vec![at(host)] });
    }
    let peers: Vec<PeerKey> = play
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Connect { peer, .. } => Some(*peer),
            _ => None,
        })
        .collect();
    for (&peer, id) in peers.iter().zip(50..) {
        play.greet(peer, PeerId::from_bytes([id; 20]), &[]);
    }
    play.swarm.set_private(play.now);
    play.tell(Input::HashesNeeded(Vec::new()));
    for (source, host) in &sources[1..] {
        play.tell(Input::PeersFound { source: *source, addresses: vec![at(*host)] });
    }
    play.wait(Duration::from_secs(60));
    assert_eq!(play.left(peers[0]), None);
    for &peer in &peers[1..] {
        assert_eq!(play.left(peer), Some(&LeaveReason::NotOfTracker));
    }
    assert_eq!(dialed(&play).len(), 3);
}

#[test]
fn a_link_that_turns_out_private_has_one_tracker() {
    // T-05, BEP 27
    let mut play = two_pieces(|config| {
        config.needs_metadata(true).trackers(tiers(&["a", "b"]));
    });
    play.wait(Duration::from_secs(1));
    assert_eq!(announces(&mut play).len(), 1);
    let content = content(&play, false, true);
    play.tell(Input::ContentReady(content));
    play.wait(Duration::from_secs(40));
    assert_eq!(announces(&mut play).len(), 0, "the first one has not failed yet");
}

/// Takes the actions after a command.
fn drain(play: &mut Play) {
    play.tell(Input::PeersFound { source: PeerSource::Tracker, addresses: Vec::new() });
}

#[test]
fn figures_begin_anew_with_each_started() {
    // S-27, H-22
    let mut play = two_pieces(|config| _ = config.trackers(tiers(&["a"])));
    let content = content(&play, false, false);
    play.tell(Input::ContentReady(content));
    let started = announces(&mut play).remove(0);
    answer(&mut play, &started, AnnounceResponse::default());
    let seed = play.join(&[]);
    play.say(seed, Message::Bitfield(vec![0b1100_0000].into()));
    play.say(seed, Message::Unchoke);
    play.block(seed, request(0, 0));
    play.swarm.pause(play.now);
    drain(&mut play);
    let stopped = announces(&mut play).remove(0);
    assert_eq!(
        (stopped.request.event, stopped.request.downloaded),
        (AnnounceEvent::Stopped, 1 << 14)
    );
    answer(&mut play, &stopped, AnnounceResponse::default());
    play.swarm.resume(play.now);
    drain(&mut play);
    let again = announces(&mut play).remove(0);
    assert_eq!((again.request.event, again.request.downloaded), (AnnounceEvent::Started, 0));
}

#[test]
fn trackers_that_know_nobody_do_not_silence_the_next_tiers() {
    let mut play =
        Play::new(false, |config| _ = config.listen_port(6_881).trackers(tiers(&["a", "b", "c"])));
    let mut nobody = AnnounceResponse::default();
    nobody.min_interval = Some(24 * HOUR);
    // Only ourselves are nobody, too.
    let mut alone = AnnounceResponse::default();
    alone.peers = vec![peer(Some(OURS), "20.0.0.1:6881".parse().unwrap())];
    for (host, response) in [("a", nobody.clone()), ("b", alone), ("c", nobody)] {
        let task = announces(&mut play).remove(0);
        assert_eq!(task.url.host(), format!("{host}.example"));
        answer(&mut play, &task, response);
    }
    play.wait(HOUR);
    assert!(!announces(&mut play).is_empty(), "a `min interval` of a day for nobody");
}

#[test]
fn metadata_that_nobody_has_proven_keeps_us_from_no_tracker() {
    let mut play = Play::without_content(|config| {
        config.needs_metadata(true).trackers(tiers(&["a", "b"]));
    });
    play.wait(Duration::ZERO);
    let task = announces(&mut play).remove(0);
    let mut response = AnnounceResponse::default();
    response.peers = vec![peer(None, SocketAddr::from(([20, 0, 0, 1], 6881)))];
    answer(&mut play, &task, response);
    let liar = play.join(&[Feature::Extended]);
    play.say_extended(liar, b"d1:md11:ut_metadatai1ee13:metadata_sizei1000000ee");
    let block = |at: usize| {
        let head = format!("d8:msg_typei1e5:piecei{at}e10:total_sizei1000000ee");
        let payload = [head.as_bytes(), &[7; 16_384]].concat().into();
        Message::Extended(Extended { id: 1, payload })
    };
    let mut asked = Vec::new();
    for at in 0..5 {
        play.say(liar, block(at));
        play.wait(Duration::from_secs(1));
        asked.extend(announces(&mut play).into_iter().map(|task| task.url.to_string()));
    }
    assert_eq!(asked, ["http://b.example/announce"]);
}

// N-05
#[test]
fn trackers_are_told_of_another_port_soon() {
    let tracker = vec![vec!["http://20.0.0.9/announce".to_owned()]];
    let mut play = Play::new(false, |config| _ = config.trackers(tracker).listen_port(6881));
    let task = announces(&mut play).remove(0);
    assert_eq!(task.request.port, 6881);
    let mut response = AnnounceResponse::default();
    (response.interval, response.min_interval) = (Some(HOUR), Some(HOUR / 60));
    answer(&mut play, &task, response);
    play.swarm.set_listen_port(play.now, Some(6881));
    play.wait(Duration::from_secs(1));
    assert!(announces(&mut play).is_empty(), "it is the same port");
    play.swarm.set_listen_port(play.now, Some(7000));
    // It wants nobody sooner than after a minute.
    play.wait(Duration::from_secs(61));
    let ports: Vec<u16> = announces(&mut play).iter().map(|task| task.request.port).collect();
    assert_eq!(ports, [7000]);
}

// N-05
#[test]
fn a_peer_is_told_of_another_port_when_it_connects() {
    let mut play = Play::new(false, |config| _ = config.listen_port(6881));
    play.swarm.set_listen_port(play.now, Some(7000));
    let peer = play.join(&[Feature::Extended]);
    let said = play.heard(peer).into_iter().find_map(|message| match message {
        Message::Extended(extended) => Some(extended.payload),
        _ => None,
    });
    let handshake = ExtendedHandshake::parse(&said.expect("it is the first message")).unwrap();
    assert_eq!(handshake.listen_port, Some(7000));
}

/// A tracker wants a port of whoever asks for peers, and many refuse 0.
#[test]
fn who_accepts_nobody_tells_a_port_that_trackers_take() {
    let tracker = vec![vec!["http://20.0.0.9/announce".to_owned()]];
    let mut play = Play::new(false, |config| _ = config.trackers(tracker));
    let ports: Vec<u16> = announces(&mut play).iter().map(|task| task.request.port).collect();
    assert_eq!(ports, [1]);
}
