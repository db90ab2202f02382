//! Trackers that peers tell of, and those that they are told of (BEP 28).
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::time::Duration;

use play::Play;
use tinytorrent_swarm::{Action, AnnounceOutcome, Input, PeerKey, SwarmConfig};
use tinytorrent_tracker::{AnnounceResponse, Failure};
use tinytorrent_types::PeerId;
use tinytorrent_wire::extension::{ExtendedHandshake, Extension, OurExtensions, TexMessage};
use tinytorrent_wire::{Extended, Feature, Message};

const MINUTE: Duration = Duration::from_secs(60);

/// The number of `lt_tex` in the handshakes of the peers.
const THEIRS: u8 = 9;

fn url(host: &str) -> String {
    format!("http://{host}.example/announce")
}

/// A torrent that names a tracker, to which the user has added another.
fn play(tune: impl FnOnce(&mut SwarmConfig)) -> Play {
    Play::new(false, |config| {
        let tiers = ["own", "secret"].map(|host| vec![url(host)]);
        config.trackers(tiers.to_vec()).tracker_exchange(Some(vec![url("own")]));
        tune(config);
    })
}

/// A peer on the internet that speaks of trackers, and has the list of this hash.
fn join(play: &mut Play, host: u8, list: Option<[u8; 20]>) -> PeerKey {
    let (address, id) = (([20, 0, host, 1], 5_000).into(), PeerId::from_bytes([100 + host; 20]));
    let peer = play.join_from(address, id, &[Feature::Extended]);
    let mut handshake = ExtendedHandshake::default();
    handshake.extensions = vec![(b"lt_tex".to_vec(), THEIRS)];
    handshake.tracker_list = list;
    play.say(peer, handshake.to_message().into());
    peer
}

/// Time passes, in which these peers stay.
fn wait(play: &mut Play, peers: &[PeerKey], minutes: u32) {
    for _ in 0..minutes {
        play.wait(MINUTE);
        for &peer in peers {
            play.say(peer, Message::KeepAlive);
        }
    }
}

/// The handshake that we sent, and trackers that we told of.
fn told(play: &mut Play, peer: PeerKey) -> (Vec<ExtendedHandshake>, Vec<Vec<String>>) {
    let (mut handshakes, mut told) = (Vec::new(), Vec::new());
    for message in play.heard(peer) {
        match message {
            Message::Extended(Extended { id: 0, payload }) => {
                handshakes.push(ExtendedHandshake::parse(&payload).unwrap());
            }
            Message::Extended(Extended { id: THEIRS, payload }) => {
                told.push(TexMessage::parse(&payload).unwrap().added);
            }
            _ => {}
        }
    }
    (handshakes, told)
}

/// A peer tells us of trackers.
fn tell(play: &mut Play, peer: PeerKey, urls: &[String]) {
    let (handshakes, _) = told(play, peer);
    let number = handshakes.iter().flat_map(|handshake| &handshake.extensions);
    let (_, number) = number.rev().find(|(name, _)| name == b"lt_tex").expect("we speak it");
    say(play, peer, *number, urls);
}

fn say(play: &mut Play, peer: PeerKey, number: u8, urls: &[String]) {
    let any = OurExtensions::new([Extension::TrackerExchange]);
    let mut theirs = tinytorrent_wire::extension::TheirExtensions::default();
    theirs.update(&ExtendedHandshake::new(&any));
    let to = theirs.id(Extension::TrackerExchange).unwrap();
    let mut message = TexMessage { added: urls.to_vec() }.to_message(to);
    message.id = number;
    play.say(peer, message.into());
}

fn trackers(play: &Play) -> Vec<String> {
    play.swarm.trackers().map(|tracker| tracker.url.to_string()).collect()
}

/// Answers or fails announces for this time. Returns the trackers that were asked.
fn run(
    play: &mut Play,
    peers: &[PeerKey],
    time: Duration,
    answers: impl Fn(&str) -> bool,
) -> Vec<String> {
    let (end, mut asked) = (play.now + time, Vec::new());
    while play.now < end {
        for &peer in peers {
            play.say(peer, Message::KeepAlive);
        }
        let tasks: Vec<_> = std::mem::take(&mut play.actions)
            .into_iter()
            .filter_map(|action| match action {
                Action::Announce(task) => Some(task),
                other => {
                    play.actions.push(other);
                    None
                }
            })
            .collect();
        for task in tasks {
            let to = task.url.to_string();
            let result = match answers(&to) {
                true => Ok(AnnounceResponse::default()),
                false => Err(Failure::Failed("down".into())),
            };
            asked.push(to);
            play.tell(Input::Announced(AnnounceOutcome { id: task.id, result }));
        }
        play.wait(Duration::from_secs(1));
    }
    asked
}

#[test]
fn peers_are_told_of_the_trackers_of_the_torrent_once_and_of_none_of_the_user() {
    let mut play = play(|_| {});
    let peer = join(&mut play, 1, None);
    wait(&mut play, &[peer], 3);
    let (handshakes, lists) = told(&mut play, peer);
    assert_eq!(lists, [[url("own")]]);
    let ours = handshakes[0].tracker_list;
    assert_eq!(ours, Some(tinytorrent_hash::sha1(url("own").as_bytes())));
    wait(&mut play, &[peer], 10);
    assert_eq!(told(&mut play, peer).1, Vec::<Vec<String>>::new());
    let same = join(&mut play, 2, ours);
    wait(&mut play, &[same], 3);
    assert_eq!(told(&mut play, same).1, Vec::<Vec<String>>::new(), "it knows them");
}

#[test]
fn a_learned_tracker_is_told_of_only_after_it_has_answered() {
    let mut play = play(|_| {});
    let [first, second] = [1, 2].map(|host| join(&mut play, host, None));
    wait(&mut play, &[first, second], 3);
    tell(&mut play, first, &[url("new"), url("own"), "no url".into(), String::new()]);
    assert_eq!(trackers(&play), ["own", "secret", "new"].map(url), "behind all others");
    told(&mut play, second);
    // All are down.
    while !run(&mut play, &[second], Duration::from_secs(1), |_| false).contains(&url("new")) {}
    assert_eq!(told(&mut play, second).1, Vec::<Vec<String>>::new());
    let asked = run(&mut play, &[second], 120 * MINUTE, |to| to.contains("new"));
    assert!(asked.contains(&url("new")));
    assert_eq!(told(&mut play, second).1, [[url("new")]]);
    let late = join(&mut play, 3, None);
    wait(&mut play, &[late], 3);
    assert_eq!(told(&mut play, late).1, [[url("own"), url("new")]]);
}

#[test]
fn a_learned_tracker_that_never_answers_is_forgotten() {
    let mut play = play(|_| {});
    let peer = join(&mut play, 1, None);
    tell(&mut play, peer, &[url("new")]);
    let asked = run(&mut play, &[], 24 * 60 * MINUTE, |_| false);
    assert_eq!(asked.iter().filter(|to| **to == url("new")).count(), 3);
    assert_eq!(trackers(&play), ["own", "secret"].map(url));
}

#[test]
fn a_flood_of_trackers_is_bounded() {
    let mut play = play(|config| _ = config.max_peers(1_000));
    for host in 1..30 {
        let peer = join(&mut play, host, None);
        for message in 0..20 {
            let many: Vec<_> = (0..64).map(|it| url(&format!("t{host}-{message}-{it}"))).collect();
            tell_again(&mut play, peer, &many);
        }
        assert!(trackers(&play).len() <= 2 + 4 * usize::from(host));
    }
    assert_eq!(trackers(&play).len(), 2 + 16);
}

/// As [`tell`], by the number that we have always had.
fn tell_again(play: &mut Play, peer: PeerKey, urls: &[String]) {
    let ours = OurExtensions::new([
        Extension::Metadata,
        Extension::DontHave,
        Extension::UploadOnly,
        Extension::PeerExchange,
        Extension::TrackerExchange,
    ]);
    say(play, peer, ours.id(Extension::TrackerExchange).unwrap().get(), urls);
}

#[test]
fn strangers_name_no_tracker_in_our_network() {
    let mut play = play(|_| {});
    let local: Vec<_> = ["http://10.0.0.1/announce", "http://[::1]/announce", "http://router/x"]
        .map(str::to_owned)
        .into();
    let stranger = join(&mut play, 1, None);
    tell(&mut play, stranger, &local);
    assert_eq!(trackers(&play).len(), 2);
    let address = ([10, 0, 0, 9], 5_000).into();
    let neighbour = play.join_from(address, PeerId::from_bytes([99; 20]), &[Feature::Extended]);
    tell_again(&mut play, neighbour, &local);
    assert_eq!(trackers(&play).len(), 5);
}

#[test]
fn a_private_torrent_learns_and_tells_nothing() {
    let mut play = Play::without_content(|config| {
        let own = vec![url("own")];
        config.trackers(vec![own.clone()]).tracker_exchange(Some(own)).needs_metadata(true);
    });
    let peer = join(&mut play, 1, None);
    tell(&mut play, peer, &[url("new")]);
    assert_eq!(trackers(&play), [url("own")], "not before it is known that it is not private");
    play.open(false);
    tell_again(&mut play, peer, &[url("new")]);
    assert_eq!(trackers(&play).len(), 2);
    play.swarm.set_private(play.now);
    assert_eq!(trackers(&play), [url("own")]);
    let late = join(&mut play, 2, None);
    wait(&mut play, &[late], 3);
    let (handshakes, lists) = told(&mut play, late);
    assert!(lists.is_empty() && handshakes[0].tracker_list.is_none());
    assert!(handshakes[0].extensions.contains(&(b"lt_tex".to_vec(), 0)));
}
