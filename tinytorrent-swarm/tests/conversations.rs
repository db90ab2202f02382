//! One swarm and peers played by the test: we say this, it must say that.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use play::{BLOCK, Play, request, requests};
use tinytorrent_swarm::{
    Action, BlockVerdict, ConnectionError, Content, Event, Input, LeaveReason, PeerKey, PeerSource,
    Swarm, SwarmConfig,
};
use tinytorrent_types::{Bitfield, BlockDigest, Geometry, InfoHashV1, InfoHashes, PeerId};
use tinytorrent_wire::{Extended, Feature, Message, Request, Reserved};

/// libtorrent closes the connection when the v2 bit comes with a v1 torrent; the DHT bit asks for a
/// port message (W-46).
#[test]
fn handshake_announces_only_what_is_spoken() {
    let reserved = Play::new(false, |_| {}).swarm.handshake().reserved;
    assert_eq!(reserved, Reserved::empty().with(Feature::Extended).with(Feature::Fast));
}

#[test]
fn the_first_words_fit_the_features_of_the_peer() {
    // W-40, W-08, W-16
    let mut seed = Play::new(true, |_| {});
    let (fast, plain) = (seed.join(&[Feature::Fast]), seed.join(&[]));
    assert_eq!(seed.heard(fast), [Message::HaveAll]);
    assert_eq!(seed.heard(plain), [Message::Bitfield(vec![0xff].into())]);
    let mut leech = Play::new(false, |_| {});
    let (fast, plain) = (leech.join(&[Feature::Fast]), leech.join(&[]));
    assert_eq!(leech.heard(fast), [Message::HaveNone]);
    assert_eq!(leech.heard(plain), []);
    let extended = leech.join(&[Feature::Extended]);
    assert!(matches!(leech.heard(extended)[..], [Message::Extended(_)]));
}

#[test]
fn a_choke_rejects_what_waits_and_every_request_has_one_answer() {
    // W-34, W-35
    let mut play = Play::new(true, |config| {
        config.upload_slots(1);
    });
    let first = play.join(&[Feature::Fast]);
    play.say(first, Message::Interested);
    assert_eq!(play.heard(first), [Message::HaveAll, Message::Unchoke]);
    let asked: Vec<_> = (0..4).flat_map(|p| (0..32).map(move |n| request(p, n))).collect();
    for request in &asked {
        play.say(first, Message::Request(*request));
    }
    let served = play.served();
    assert!(served > 0 && served < asked.len(), "the driver is handed a window: {served}");
    let second = play.join(&[Feature::Fast]);
    play.say(second, Message::Interested);
    // It reads nothing for half a minute, and another waits.
    play.wait(Duration::from_secs(35));
    let heard = play.heard(first);
    assert_eq!(heard[0], Message::Choke);
    let rejects: Vec<_> = asked[served..].iter().map(|r| Message::Reject(*r)).collect();
    assert_eq!(heard[1..], rejects);
    assert_eq!(play.served(), served);
    assert!(play.heard(second).contains(&Message::Unchoke));
}

#[test]
fn a_choke_without_the_fast_extension_voids_in_silence() {
    // W-32
    let mut play = Play::new(true, |config| {
        config.upload_slots(1);
    });
    let first = play.join(&[]);
    play.say(first, Message::Interested);
    for number in 0..128 {
        play.say(first, Message::Request(request(number / 32, number % 32)));
    }
    let second = play.join(&[]);
    play.say(second, Message::Interested);
    play.heard(first);
    // It reads nothing for half a minute, and another waits.
    play.wait(Duration::from_secs(35));
    assert_eq!(play.heard(first), [Message::Choke]);
}

#[test]
fn a_cancelled_request_is_rejected_and_an_unknown_cancel_ignored() {
    // W-36
    let mut play = Play::new(true, |_| {});
    let peer = play.join(&[Feature::Fast]);
    play.say(peer, Message::Interested);
    for number in 0..128 {
        play.say(peer, Message::Request(request(number / 32, number % 32)));
    }
    play.heard(peer);
    play.say(peer, Message::Cancel(request(3, 31)));
    play.say(peer, Message::Cancel(request(7, 0)));
    assert_eq!(play.heard(peer), [Message::Reject(request(3, 31))]);
}

#[test]
fn odd_ranges_are_served_and_impossible_ones_refused() {
    // W-26, W-27, W-28, W-29
    let mut play = Play::new(true, |_| {});
    let peer = play.join(&[Feature::Fast]);
    play.say(peer, Message::Interested);
    play.heard(peer);
    let odd = Request { index: 1, begin: 5, length: 7_000 };
    let long = Request { index: 1, begin: 0, length: 128 * 1024 };
    for fine in [odd, long] {
        play.say(peer, Message::Request(fine));
    }
    assert_eq!(play.served(), 2);
    let bad = [
        Request { index: 1, begin: 0, length: 128 * 1024 + 1 },
        Request { index: 1, begin: 0, length: 0 },
        Request { index: 1, begin: (1 << 19) - 1, length: 2 },
        Request { index: 8, begin: 0, length: BLOCK },
        Request { index: u32::MAX, begin: u32::MAX, length: u32::MAX },
    ];
    for refused in bad {
        play.say(peer, Message::Request(refused));
        assert_eq!(play.heard(peer), [Message::Reject(refused)]);
    }
    assert_eq!((play.served(), play.left(peer)), (2, None));
}

#[test]
fn endless_bad_requests_end_in_a_disconnect() {
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[Feature::Fast]);
    for _ in 0..400 {
        play.say(peer, Message::Request(request(0, 0)));
    }
    assert!(matches!(play.left(peer), Some(LeaveReason::Violation(_))));
}

#[test]
fn fast_messages_without_the_bit_end_the_connection() {
    // W-39, BEP 6
    let (r, have) = (request(0, 0), 3);
    let fast = [
        Message::HaveAll,
        Message::HaveNone,
        Message::Suggest(have),
        Message::AllowedFast(have),
        Message::Reject(r),
    ];
    for message in fast {
        let mut play = Play::new(false, |_| {});
        let peer = play.join(&[]);
        play.say(peer, message);
        assert!(matches!(play.left(peer), Some(LeaveReason::Violation(_))));
    }
}

#[test]
fn a_piece_that_does_not_exist_ends_the_connection() {
    // W-22
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[Feature::Fast]);
    play.say(peer, Message::Have(8));
    assert!(matches!(play.left(peer), Some(LeaveReason::Violation(_))));
}

#[test]
fn a_bitfield_of_another_length_ends_the_connection_and_spare_bits_do_not() {
    // W-17, W-19
    let mut play = Play::new(false, |_| {});
    let (short, long) = (play.join(&[]), play.join(&[]));
    play.say(short, Message::Bitfield(vec![].into()));
    play.say(long, Message::Bitfield(vec![0xff, 0].into()));
    for peer in [short, long] {
        assert!(matches!(play.left(peer), Some(LeaveReason::Violation(_))));
    }
}

#[test]
fn a_second_bitfield_is_not_counted_twice() {
    // W-20; the invariants are checked after every step
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[]);
    play.say(peer, Message::Bitfield(vec![0b1010_0000].into()));
    play.say(peer, Message::Bitfield(vec![0b1010_0000].into()));
    play.say(peer, Message::Have(0));
    assert_eq!(play.left(peer), None);
}

#[test]
fn interest_is_kept_up_while_choked() {
    // W-24, W-25
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[]);
    play.say(peer, Message::Have(2));
    assert_eq!(play.heard(peer), [Message::Interested]);
    play.say(peer, Message::Have(3));
    assert_eq!(play.heard(peer), []);
}

/// A leech and an unchoking seed with these features; gives what the seed was asked.
fn leech_and_seed(features: &[Feature]) -> (Play, PeerKey, Vec<Request>) {
    let mut play = Play::new(false, |_| {});
    let peer = play.join(features);
    play.say(peer, Message::Bitfield(vec![0xff].into()));
    play.say(peer, Message::Unchoke);
    let asked = requests(&play.heard(peer));
    assert!(asked.len() >= 4);
    (play, peer, asked)
}

#[test]
fn a_block_that_nobody_asked_for_is_never_stored() {
    // W-37: closes under the fast extension, is ignored without it.
    let (mut play, peer, _) = leech_and_seed(&[]);
    assert_eq!(play.block(peer, Request { index: 0, begin: 1, length: 9 }), BlockVerdict::Discard);
    assert_eq!(play.left(peer), None);
    let (mut play, peer, _) = leech_and_seed(&[Feature::Fast]);
    assert_eq!(play.block(peer, Request { index: 0, begin: 1, length: 9 }), BlockVerdict::Discard);
    assert!(matches!(play.left(peer), Some(LeaveReason::Violation(_))));
}

#[test]
fn a_flood_of_blocks_that_nobody_asked_for_ends() {
    let (mut play, peer, _) = leech_and_seed(&[]);
    for _ in 0..3_000 {
        play.block(peer, Request { index: 0, begin: 1, length: 9 });
    }
    assert!(matches!(play.left(peer), Some(LeaveReason::Violation(_))));
}

#[test]
fn metadata_that_is_not_complete_is_rejected() {
    //
    let mut play = Play::without_content(|config| {
        config.needs_metadata(true);
    });
    let peer = play.join(&[Feature::Extended]);
    play.say_extended(peer, b"d1:md11:ut_metadatai3ee13:metadata_sizei40000ee");
    let heard = play.heard(peer);
    let requests = b"d8:msg_typei0e";
    let is_request = |message: &Message| match message {
        Message::Extended(extended) => extended.payload.starts_with(requests),
        _ => false,
    };
    assert!(heard.iter().any(is_request), "it wants the metadata itself: {heard:?}");
    // All of it comes, but nobody has hashed it yet.
    let info = tinytorrent_sim::info();
    for (block, data) in info.chunks(16_384).enumerate() {
        let head = format!("d8:msg_typei1e5:piecei{block}e10:total_sizei40000ee");
        let payload = [head.as_bytes(), data].concat().into();
        play.say(peer, Message::Extended(Extended { id: 1, payload }));
    }
    assert!(matches!(play.actions.last(), Some(Action::CheckMetadata { .. })));
    let ask = |play: &mut Play, block: u32| {
        play.heard(peer);
        let payload = format!("d8:msg_typei0e5:piecei{block}ee").into();
        play.say(peer, Message::Extended(Extended { id: 1, payload }));
        play.heard(peer)
    };
    for block in [0, 2, 7] {
        let payload = format!("d8:msg_typei2e5:piecei{block}ee").into();
        assert_eq!(ask(&mut play, block), [Message::Extended(Extended { id: 3, payload })]);
    }
    // Once it has proved right it is served.
    play.open(false);
    let answer = ask(&mut play, 2);
    let [Message::Extended(data)] = &answer[..] else { panic!("{answer:?}") };
    assert!(data.payload.ends_with(&info[2 * 16_384..]));
}

#[test]
fn metadata_is_served_whole_and_not_for_ever() {
    //
    let mut play = Play::new(true, |_| {});
    let peer = play.join(&[Feature::Extended]);
    let handshake = Bytes::from_static(b"d1:md11:ut_metadatai3eee");
    play.say(peer, Message::Extended(Extended { id: 0, payload: handshake }));
    play.heard(peer);
    let mut answers = Vec::new();
    for _ in 0..100 {
        let payload = Bytes::from_static(b"d8:msg_typei0e5:piecei2ee");
        play.say(peer, Message::Extended(Extended { id: 1, payload }));
        answers.extend(play.heard(peer));
    }
    let is_data = |message: &&Message| match message {
        Message::Extended(extended) => {
            assert_eq!(extended.id, 3, "under the number that the peer announced");
            extended.payload.starts_with(b"d8:msg_typei1e")
        }
        _ => false,
    };
    let Message::Extended(first) = &answers[0] else { panic!("an extended message") };
    assert!(first.payload.ends_with(&tinytorrent_sim::info()[2 * 16_384..]));
    assert_eq!(answers.len(), 100);
    let served = answers.iter().filter(is_data).count();
    assert!((8..60).contains(&served), "{served}");
}

#[test]
fn a_block_counts_once() {
    let (mut play, peer, asked) = leech_and_seed(&[]);
    assert!(matches!(play.block(peer, asked[0]), BlockVerdict::Store(_)));
    assert_eq!(play.block(peer, asked[0]), BlockVerdict::Discard);
    assert_eq!(play.swarm.stats(play.now).wasted, u64::from(BLOCK));
}

#[test]
fn a_choke_voids_requests_without_fast_and_keeps_them_with_it() {
    // W-32, W-33
    let (mut play, peer, asked) = leech_and_seed(&[]);
    play.say(peer, Message::Choke);
    // Late, but on its way when the choke was sent.
    assert!(matches!(play.block(peer, asked[0]), BlockVerdict::Store(_)));
    play.say(peer, Message::Unchoke);
    assert!(requests(&play.heard(peer)).contains(&asked[1]));
    let (mut play, peer, asked) = leech_and_seed(&[Feature::Fast]);
    play.say(peer, Message::Choke);
    play.say(peer, Message::Unchoke);
    assert!(!requests(&play.heard(peer)).contains(&asked[1]));
    play.say(peer, Message::Reject(asked[1]));
    assert!(requests(&play.heard(peer)).contains(&asked[1]));
}

#[test]
fn what_one_peer_rejects_goes_to_another_first() {
    // S-07
    let (mut play, first, asked) = leech_and_seed(&[Feature::Fast]);
    let second = play.join(&[Feature::Fast]);
    play.say(second, Message::HaveAll);
    play.say(second, Message::Unchoke);
    let second_asked = requests(&play.heard(second));
    for request in &asked {
        play.say(first, Message::Reject(*request));
    }
    assert_eq!(requests(&play.heard(first)), []);
    // The other has its hands full, and takes them as soon as it can.
    let (mut taken, mut waiting) = (Vec::new(), second_asked);
    while let Some(request) = waiting.pop() {
        taken.push(request);
        play.block(second, request);
        waiting.extend(requests(&play.heard(second)));
    }
    assert!(asked.iter().all(|request| taken.contains(request)));
}

#[test]
fn a_peer_that_rejects_all_is_asked_ever_less() {
    let (mut play, peer, asked) = leech_and_seed(&[Feature::Fast]);
    let mut waiting = asked;
    let mut count = 0;
    for _ in 0..3_600 {
        for request in std::mem::take(&mut waiting) {
            play.say(peer, Message::Reject(request));
            count += 1;
        }
        play.wait(Duration::from_secs(1));
        waiting = requests(&play.heard(peer));
    }
    assert!((60..150).contains(&count), "{count} requests in an hour");
    assert_eq!(play.left(peer), None);
}

#[test]
fn a_reject_of_what_was_not_asked_ends_the_connection() {
    // W-39
    let (mut play, peer, asked) = leech_and_seed(&[Feature::Fast]);
    let other = asked.iter().map(|r| (r.index + 1) % 8).next().unwrap();
    play.say(peer, Message::Reject(request(other, 31)));
    assert!(matches!(play.left(peer), Some(LeaveReason::Violation(_))));
}

#[test]
fn allowed_fast_pieces_are_asked_while_choked() {
    // W-42
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[Feature::Fast]);
    play.say(peer, Message::HaveAll);
    play.heard(peer);
    play.say(peer, Message::AllowedFast(99));
    assert_eq!(play.heard(peer), []);
    play.say(peer, Message::AllowedFast(5));
    let asked = requests(&play.heard(peer));
    assert!(!asked.is_empty() && asked.iter().all(|request| request.index == 5));
}

#[test]
fn requests_stay_within_the_peers_queue() {
    // W-31: 250 when it does not say.
    let (mut play, peer, mut asked) = leech_and_seed(&[]);
    let mut most = asked.len();
    for _ in 0..200 {
        play.now += Duration::from_millis(1);
        let Some(next) = asked.pop() else { break };
        play.block(peer, next);
        asked.extend(requests(&play.heard(peer)));
        most = most.max(asked.len());
    }
    assert!(most > 16 && most <= 250, "{most}");
}

#[test]
fn a_full_disk_queue_stops_the_asking_until_it_drains() {
    let mut play = Play::new(false, |config| {
        config.store_budget(u64::from(4 * BLOCK));
    });
    let peer = play.join(&[]);
    play.say(peer, Message::Bitfield(vec![0xff].into()));
    play.say(peer, Message::Unchoke);
    let asked = requests(&play.heard(peer));
    for request in &asked[..4] {
        play.block(peer, *request);
    }
    play.heard(peer);
    for request in &asked[4..] {
        assert!(matches!(play.block(peer, *request), BlockVerdict::Store(_)));
    }
    assert_eq!(play.heard(peer), []);
    play.tell(Input::BlocksWritten { bytes: asked.len() as u64 * u64::from(BLOCK) });
    assert!(!requests(&play.heard(peer)).is_empty());
}

#[test]
fn banned_peers_are_refused_when_they_come_back() {
    let (mut play, peer, asked) = leech_and_seed(&[]);
    let mut asked = asked;
    let piece = play.geometry.piece(asked[0].index).unwrap();
    while !matches!(play.block(peer, asked.remove(0)), BlockVerdict::StoreLast { .. }) {
        asked.extend(requests(&play.heard(peer)));
    }
    let digests = vec![BlockDigest::from_bytes([9; 20]); 32];
    play.tell(Input::PieceFailed { piece, digests });
    assert_eq!(play.left(peer), Some(&LeaveReason::Banned));
    assert_eq!(play.swarm.accept(play.now, SocketAddr::from(([10, 0, 0, 1], 5_001))), None);
}

#[test]
fn peers_by_exchange_are_refused_in_private_torrents() {
    // BEP 27, X-24, S-29
    let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    let now = Instant::now();
    let mut swarm = Swarm::new(now, SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 42));
    let content = Content {
        geometry: Geometry::new(10, 10).unwrap(),
        have: Bitfield::new(1),
        wanted: Bitfield::full(1),
        partial: Vec::new(),
        info: Default::default(),
        is_private: true,
    };
    swarm.handle_input(now, Input::ContentReady(content));
    let addresses = vec!["192.0.2.1:1".parse().unwrap()];
    for source in [PeerSource::Exchange, PeerSource::Magnet] {
        swarm.handle_input(now, Input::PeersFound { source, addresses: addresses.clone() });
        assert_eq!(swarm.poll_action(), None);
    }
    swarm.handle_input(now, Input::PeersFound { source: PeerSource::Tracker, addresses });
    assert!(matches!(swarm.poll_action(), Some(Action::Connect { .. })));
}

#[test]
fn a_failed_connection_is_told_and_not_repeated_at_once() {
    // S-28
    let mut play = Play::new(false, |_| {});
    let addresses = vec!["192.0.2.1:1".parse().unwrap()];
    play.tell(Input::PeersFound { source: PeerSource::Tracker, addresses });
    let Some(Action::Connect { peer, .. }) = play.actions.pop() else { panic!("it connects") };
    play.swarm
        .handle_input(play.now, Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
    let told = std::iter::from_fn(|| play.swarm.poll_event());
    assert_eq!(told.filter(|event| matches!(event, Event::PeerLeft { .. })).count(), 1);
    assert_eq!(play.swarm.poll_action(), None);
    play.wait(Duration::from_secs(4));
    assert!(play.actions.is_empty());
    play.wait(Duration::from_secs(2));
    assert!(matches!(play.actions[..], [Action::Connect { .. }]));
}

#[test]
fn a_flood_of_exchange_does_not_begin_anew_with_each_handshake() {
    //
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[Feature::Extended]);
    for _ in 0..10 {
        play.say_extended(peer, b"d1:md6:ut_pexi0eee");
        play.say_extended(peer, b"d1:md6:ut_pexi9eee");
        let payload = Bytes::from_static(b"d5:added6:\x0a\x09\x08\x07\x00\x09e");
        play.say(peer, Message::Extended(Extended { id: 4, payload }));
    }
    assert!(matches!(play.left(peer), Some(LeaveReason::Violation(_))));
}

#[test]
fn a_peer_on_the_internet_tells_of_nobody_in_our_network() {
    for (from, is_believed) in [([20, 0, 0, 1], false), ([10, 0, 0, 1], true)] {
        let mut play = Play::new(false, |_| {});
        let id = PeerId::from_bytes([5; 20]);
        let peer = play.join_from(SocketAddr::from((from, 6881)), id, &[Feature::Extended]);
        play.say_extended(peer, b"d1:md6:ut_pexi9eee");
        // 192.168.0.1:80 and 20.0.0.9:80.
        let payload =
            Bytes::from_static(b"d5:added12:\xc0\xa8\x00\x01\x00\x50\x14\x00\x00\x09\x00\x50e");
        play.say(peer, Message::Extended(Extended { id: 4, payload }));
        play.wait(Duration::from_secs(60));
        let dials = |to: [u8; 4]| {
            play.actions.iter().any(|action| {
                matches!(action, Action::Connect { address, .. } if address.ip() == IpAddr::from(to))
            })
        };
        assert_eq!((dials([20, 0, 0, 9]), dials([192, 168, 0, 1])), (true, is_believed));
    }
}

#[test]
fn metadata_is_served_in_portions_that_memory_can_bear() {
    //
    let mut play = Play::without_content(|_| {});
    let count = play.geometry.piece_count();
    play.tell(Input::ContentReady(Content {
        geometry: play.geometry.clone(),
        have: Bitfield::full(count),
        wanted: Bitfield::full(count),
        partial: Vec::new(),
        info: Bytes::from(vec![0; 30 << 20]),
        is_private: false,
    }));
    let peer = play.join(&[Feature::Extended]);
    play.say_extended(peer, b"d1:md11:ut_metadatai3eee");
    play.heard(peer);
    let mut ask = || -> usize {
        for block in 0..1_000 {
            let payload = format!("d8:msg_typei0e5:piecei{block}ee").into();
            play.say(peer, Message::Extended(Extended { id: 1, payload }));
        }
        let heard = play.heard(peer);
        assert_eq!(heard.len(), 1_000, "every request is answered");
        play.wait(Duration::from_millis(1));
        heard
            .iter()
            .filter(|m| matches!(m, Message::Extended(e) if e.payload.len() > 16_384))
            .count()
    };
    assert_eq!([ask(), ask()], [512, 512]);
}

#[test]
fn a_peer_that_reads_nothing_of_what_it_asked_for_is_left_and_a_slow_one_is_not() {
    let minutes = |reads: bool| {
        let mut play = Play::new(true, |_| {});
        let peer = play.join(&[]);
        play.say(peer, Message::Interested);
        (0..20).for_each(|number| play.say(peer, Message::Request(request(0, number))));
        (1..=15).find(|minute| {
            play.wait(Duration::from_secs(60));
            play.say(peer, Message::KeepAlive);
            if reads && minute % 2 == 0 {
                let block = play.geometry.block(0, (minute / 2 - 1) * BLOCK, BLOCK).unwrap();
                play.tell(Input::BlockServed { peer, block, sent: true });
            }
            play.left(peer).is_some()
        })
    };
    assert!((4..=8).contains(&minutes(false).unwrap()));
    assert_eq!(minutes(true), None);
}
