//! Recordings without what is nobody's business.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tinytorrent_sim::{Behaviour, Tape, World, scramble};
use tinytorrent_swarm::record::{Call, MaskError, Masked, Recorded, Recording, mask, replay};
use tinytorrent_swarm::{
    Action, AnnounceOutcome, AnnounceResponse, DiskError, Failure, Handshake, Input, Message,
    PeerId, PeerKey, PeerSource, Transport, Transports,
};
use tinytorrent_types::{Geometry, IpRanges};
use tinytorrent_wire::extension::ExtendedHandshake;
use tinytorrent_wire::{Extended, Feature};

/// The address of a node on the internet.
fn address_of(node: usize) -> std::net::SocketAddr {
    ([100 + node as u8 / 2, 201, 202, 203 + node as u8], 6881).into()
}

/// Texts and bytes that nobody is to see.
fn secrets() -> Vec<Vec<u8>> {
    let mut secrets: Vec<Vec<u8>> = vec![
        b"user:secret".to_vec(),
        b"my.tracker.example".to_vec(),
        b"no such torrent of yours".to_vec(),
        // Of the info-hash, and of ids behind the name of the program.
        vec![7; 8],
        tinytorrent_sim::info()[64..96].to_vec(),
    ];
    secrets.extend((0..6).map(|node| match address_of(node).ip() {
        std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
        std::net::IpAddr::V6(_) => unreachable!("they are of IPv4"),
    }));
    secrets
}

/// A download by magnet link, from peers and a tracker on the internet, one of whom lies.
fn recording() -> Vec<u8> {
    let geometry = Geometry::new(32 * 65_536 - 20_000, 65_536).expect("a geometry");
    let mut world = World::new();
    let tape = Tape::default();
    world.record(0, tape.clone());
    let leech = world.add_unready(geometry.clone(), |config| {
        config.needs_metadata(true).transports(Transports::Both).dht(true);
        config.trackers(vec![vec!["http://user:secret@my.tracker.example/announce".into()]]);
        config.tracker_exchange(Some(vec!["udp://my.tracker.example:1/announce".into()]));
    });
    for node in 1..6 {
        world.add(geometry.clone(), if node < 4 { "all" } else { "none" }, |config| {
            config.transports(Transports::Both);
        });
    }
    for node in 0..6 {
        world.set_address(node, address_of(node));
    }
    world.nodes[1].behaviour = Behaviour::Corrupt(16);
    world.with(leech, |swarm, now| {
        let mut ranges = IpRanges::builder();
        ranges.add(address_of(5).ip(), address_of(5).ip()).expect("of one family");
        swarm.set_blocked(now, Some(std::sync::Arc::new(ranges.build())));
        swarm.accept(now, address_of(5));
    });
    world.introduce(leech, &[1, 2, 3, 4, 5]);
    world.introduce(4, &[0, 2, 3]);
    assert!(world.run(Duration::from_secs(600), |world| world.nodes[0].swarm.is_finished()));
    assert_eq!(world.nodes[0].banned(), [address_of(1)]);
    let task = world.nodes[0].announces[0].clone();
    let failure = Err(Failure::Failed("no such torrent of yours".into()));
    world.input(leech, Input::Announced(AnnounceOutcome { id: task.id, result: failure }));
    let mut response = AnnounceResponse::default();
    response.external_ip = Some(address_of(0).ip());
    response.warning = Some("user:secret".into());
    world.input(leech, Input::Announced(AnnounceOutcome { id: task.id, result: Ok(response) }));
    drop(world);
    tape.bytes()
}

fn masked(recording: &[u8]) -> Result<(Vec<u8>, Masked), MaskError> {
    let mut out = Vec::new();
    let masked = mask(Instant::now(), || Ok(recording), &[scramble], &mut out)?;
    Ok((out, masked))
}

fn contains(recording: &[u8], secret: &[u8]) -> bool {
    recording.windows(secret.len()).any(|window| window == secret)
}

#[test]
fn nothing_of_what_is_masked_is_left() {
    let real = recording();
    for secret in secrets() {
        assert!(contains(&real, &secret), "{secret:?} is in the recording");
    }
    let (masked, _) = masked(&real).expect("it can be masked");
    for secret in secrets() {
        assert!(!contains(&masked, &secret), "{secret:?}");
    }
}

#[test]
fn masked_recordings_replay_equal_and_say_that_they_are_masked() {
    let real = recording();
    let (bytes, told) = masked(&real).expect("it can be masked");
    let replayed = replay(Instant::now(), &bytes[..], &[scramble]).expect("it can be read");
    assert!(replayed.parting.is_none(), "{:#?}", replayed.parting);
    assert_eq!(replayed.calls, told.calls);
    let is_masked = |bytes| Recording::new(Instant::now(), bytes).expect("a recording").is_masked();
    assert!(is_masked(&bytes[..]) && !is_masked(&real[..]));
    // Masks are the same in each run, and of what is masked there is another one.
    assert_eq!(masked(&real).expect("it can be masked").0, bytes);
    masked(&bytes).expect("it can be masked again");
}

#[test]
fn the_engine_does_the_same_under_a_mask_as_far_as_addresses_do_not_matter() {
    let real = recording();
    let (bytes, told) = masked(&real).expect("it can be masked");
    assert_eq!(told.parts_at, None, "of {} calls", told.calls);
    let calls = |bytes| {
        let mut recording = Recording::new(Instant::now(), bytes).expect("a recording");
        let entries = std::iter::from_fn(|| recording.next_entry().expect("it can be read"));
        entries.map(|entry| (entry.at, entry.call)).collect::<Vec<_>>()
    };
    let (real, masked) = (calls(&real[..]), calls(&bytes[..]));
    assert_eq!(real.len(), masked.len());
    for ((at, real), (masked_at, masked)) in real.iter().zip(&masked) {
        assert_eq!(at, masked_at);
        assert_eq!(std::mem::discriminant(real), std::mem::discriminant(masked));
        // Requests, haves, blocks and times are the real ones.
        if let Call::HandleInput { input: Input::MessageReceived { message, .. } } = real
            && !matches!(message, Message::Extended(_))
        {
            assert_eq!(real, masked);
        }
        if let Call::HandleInput { input: Input::ContentReady(content) } = masked {
            assert_eq!(content.info, Bytes::from(vec![0; tinytorrent_sim::info().len()]));
        }
    }
    let blocked = masked.iter().find_map(|(_, call)| match call {
        Call::SetBlocked { ranges } => ranges.clone(),
        _ => None,
    });
    assert_eq!(blocked.expect("a list").len(), 1, "the addresses of the recording alone");
}

#[test]
fn what_does_not_replay_equal_is_not_masked() {
    let mut altered = recording();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let error = masked(&altered).expect_err("the last answer is another one");
    assert!(matches!(error, MaskError::Parted(_)), "{error}");
    assert!(masked(b"").is_err());
}

#[test]
fn worlds_with_attackers_can_be_masked() {
    for behaviour in Behaviour::ATTACKS {
        let recording = super::worlds::leech_beside(behaviour);
        let (bytes, told) = masked(&recording).expect("it can be masked");
        let replayed = replay(Instant::now(), &bytes[..], &[scramble]).expect("it can be read");
        assert!(replayed.parting.is_none(), "{:#?}", replayed.parting);
        assert!(told.calls > 100);
    }
}

/// The first of many addresses to be tried follows from our own and theirs (BEP 40).
#[test]
fn a_mask_that_changes_what_the_engine_does_is_told() {
    let (now, tape) = (Instant::now(), Tape::default());
    let mut config = super::config();
    config.listen_port(6_881).max_connecting(1);
    let mut swarm = Recorded::with_recording(now, config, tape.clone());
    // We know our own address once enough peers have told it.
    for host in 1..9 {
        let peer = swarm.accept(now, ([60 + host, 1, 1, 1], 9).into()).expect("there is room");
        let (peer_id, info_hash) = (PeerId::from_bytes([host; 20]), swarm.handshake().info_hash);
        let reserved = [Feature::Extended].into_iter().collect();
        let handshake = Handshake { reserved, info_hash, peer_id };
        let transport = Transport::Tcp;
        swarm.handle_input(now, Input::HandshakeCompleted { peer, transport, handshake });
        let payload = Bytes::from_static(b"d1:mde6:yourip4:\x7b\xd5\x20\x0ae");
        let message = Message::Extended(Extended { id: 0, payload });
        swarm.handle_input(now, Input::MessageReceived { peer, message });
    }
    let told = |n: u8| ([50 + n, 7, 7, 7], 6881).into();
    let addresses = (0..100).map(told).collect();
    swarm.handle_input(now, Input::PeersFound { source: PeerSource::Tracker, addresses });
    while swarm.poll_action().is_some() {}
    drop(swarm);
    let (_, told) = masked(&tape.bytes()).expect("it can be masked");
    // The connection is to one of a hundred, and the same one by chance alone.
    assert!(told.parts_at.is_some(), "of {} calls", told.calls);
}

/// A peer of a swarm that is driven by the test, and the numbers under which it may send messages of extensions.
struct Talk {
    swarm: Recorded,
    now: Instant,
    peer: PeerKey,
    numbers: Vec<(Vec<u8>, u8)>,
}

impl Talk {
    fn new(tape: &Tape, peer_id: PeerId) -> Self {
        let now = Instant::now();
        let mut config = super::config();
        config.transports(Transports::Both).tracker_exchange(Some(Vec::new()));
        let mut swarm = Recorded::with_recording(now, config, tape.clone());
        let peer = swarm.accept(now, ([61, 1, 1, 1], 9).into()).expect("there is room");
        let reserved = [Feature::Extended].into_iter().collect();
        let info_hash = swarm.handshake().info_hash;
        let handshake = Handshake { reserved, info_hash, peer_id };
        let transport = Transport::Utp;
        swarm.handle_input(now, Input::HandshakeCompleted { peer, transport, handshake });
        let actions = std::iter::from_fn(|| swarm.poll_action());
        let ours = actions.filter_map(|action| match action {
            Action::Send { message: Message::Extended(Extended { id: 0, payload }), .. } => {
                ExtendedHandshake::parse(&payload).ok()
            }
            _ => None,
        });
        let numbers = ours.last().expect("we say which we speak").extensions;
        Self { swarm, now, peer, numbers }
    }

    fn say(&mut self, extension: &str, payload: &[u8]) {
        let number = self.numbers.iter().find(|(name, _)| name == extension.as_bytes());
        let id = if extension.is_empty() { 0 } else { number.expect("we speak it").1 };
        let message = Message::Extended(Extended { id, payload: Bytes::copy_from_slice(payload) });
        self.swarm.handle_input(self.now, Input::MessageReceived { peer: self.peer, message });
    }
}

#[test]
fn messages_of_extensions_are_masked_in_what_they_say() {
    let tape = Tape::default();
    let mut talk = Talk::new(&tape, PeerId::from_bytes(*b"-TR4060-secretsecret"));
    let address = b"\x5d\x5e\x5f\x60";
    let with = |before: &[u8], after: &[u8]| [before, address, after].concat();
    talk.say("", &with(b"d6:yourip4:", b"e"));
    talk.say("", &with(b"d4:ipv44:", b"6:secret6:secrete"));
    talk.say(
        "ut_pex",
        &with(b"d5:added6:", b"\x01\x017:added.f1:\x007:dropped6:\x5d\x5e\x5f\x60\x01\x01e"),
    );
    for kind in 0..3 {
        talk.say("ut_holepunch", &with(&[kind, 0], b"\x01\x01\x00\x00\x00\x01"));
    }
    talk.say("lt_tex", b"d5:addedl24:http://secret/announce-xee");
    talk.say("ut_metadata", b"d8:msg_typei1e5:piecei0e10:total_sizei6eesecret");
    talk.say("ut_metadata", b"secret, and nothing that can be read");
    let unknown = Message::Unknown { id: 77, payload: Bytes::from_static(b"secret") };
    let input = Input::MessageReceived { peer: talk.peer, message: unknown };
    talk.swarm.handle_input(talk.now, input);
    let error = DiskError { kind: std::io::ErrorKind::StorageFull, message: "secret".into() };
    talk.swarm.handle_input(talk.now, Input::DiskFailed { piece: None, error });
    drop(talk);
    let real = tape.bytes();
    let count = |bytes: &[u8], secret: &[u8]| {
        bytes.windows(secret.len()).filter(|window| *window == secret).count()
    };
    assert!(count(&real, address) >= 4 && count(&real, b"secret") >= 8);
    let (masked, _) = masked(&real).expect("it can be masked");
    assert_eq!((count(&masked, address), count(&masked, b"secret")), (0, 0));
    // The name of the program says what a peer is able to.
    assert!(count(&masked, b"-TR4060-") > 0);
    let told = |bytes: &[u8]| {
        let mut recording = Recording::new(Instant::now(), bytes).expect("a recording");
        let entries = std::iter::from_fn(|| recording.next_entry().expect("it can be read"));
        let messages = entries.filter_map(|entry| match entry.call {
            Call::HandleInput { input: Input::MessageReceived { message, .. } } => Some(message),
            _ => None,
        });
        messages.collect::<Vec<_>>()
    };
    let lengths = |messages: Vec<Message>| {
        messages
            .iter()
            .map(|message| match message {
                Message::Extended(extended) => {
                    (extended.id, ExtendedHandshake::parse(&extended.payload).is_ok())
                }
                _ => (0, false),
            })
            .collect::<Vec<_>>()
    };
    // What was a dictionary is one, and under the same number.
    assert_eq!(lengths(told(&real)), lengths(told(&masked)));
}
