//! Figures that applications are shown of a swarm.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::net::SocketAddr;
use std::time::Duration;

use play::{BLOCK, Play, request, requests};
use tinytorrent_swarm::{ChokeReason, Input, PeerKey, PeerSource, PeerView, Transport};
use tinytorrent_types::PeerId;
use tinytorrent_wire::{Feature, Message};

const SECOND: Duration = Duration::from_secs(1);

fn view(play: &mut Play, peer: PeerKey) -> PeerView {
    let views = play.swarm.peers(play.now);
    views.into_iter().find(|view| view.key == peer).expect("the peer is here")
}

#[test]
fn a_seed_is_shown_as_the_conversation_has_it() {
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[Feature::Fast, Feature::Extended]);
    play.say_extended(peer, b"d1:mde1:pi7000e1:v5:Other1:pi7000ee");
    play.wait(3 * SECOND);
    let shown = view(&mut play, peer);
    assert_eq!((shown.pieces, shown.is_seed, shown.connected), (0, false, 3 * SECOND));
    play.say(peer, Message::HaveAll);
    let shown = view(&mut play, peer);
    assert_eq!((shown.pieces, shown.is_seed), (8, true));
    assert_eq!((shown.address, shown.is_incoming), (([10, 0, 0, 1], 5_000).into(), true));
    assert_eq!((shown.transport, shown.source), (Transport::Tcp, PeerSource::Incoming));
    assert_eq!(shown.id, PeerId::from_bytes([101; 20]));
    assert!(shown.flow.we_are_interested && shown.flow.peer_chokes);
    assert!(!shown.flow.peer_is_interested && !shown.flow.peer_is_snubbing);
    assert_eq!((shown.flow.our_requests, shown.flow.peer_requests), (0, 0));
    assert_eq!(shown.flow.we_choke, Some(ChokeReason::NotInterested));

    play.heard(peer);
    play.say(peer, Message::Unchoke);
    let asked = requests(&play.heard(peer));
    assert!(!asked.is_empty());
    let shown = view(&mut play, peer);
    assert!(!shown.flow.peer_chokes);
    assert_eq!(shown.flow.our_requests, asked.len() as u32);
    for request in &asked[..2] {
        play.block(peer, *request);
    }
    play.wait(SECOND);
    let shown = view(&mut play, peer);
    assert_eq!((shown.downloaded, shown.uploaded), (2 * u64::from(BLOCK), 0));
    assert!(shown.download_rate > 0 && shown.upload_rate == 0);
    let stats = play.swarm.stats(play.now);
    assert_eq!((stats.download_rate, stats.upload_rate), (shown.download_rate, 0));
    assert_eq!((stats.peers, stats.seeds), (1, 1));
    assert_eq!((play.swarm.downloaded(), play.swarm.uploaded()), (2 * u64::from(BLOCK), 0));
    assert_eq!((play.swarm.wasted(), play.swarm.have_bytes()), (0, 0));
    // Nobody had asked for it.
    let twice = play.block(peer, asked[0]);
    assert_eq!((twice.block(), play.swarm.wasted()), (None, BLOCK.into()));
}

#[test]
fn a_leech_is_shown_as_the_conversation_has_it() {
    let mut play = Play::new(true, |_| {});
    let peer = play.join(&[Feature::Fast]);
    play.say(peer, Message::HaveNone);
    play.say(peer, Message::Have(1));
    assert_eq!((view(&mut play, peer).pieces, play.swarm.interested()), (1, 0));
    play.say(peer, Message::Interested);
    assert_eq!(play.swarm.interested(), 1);
    let shown = view(&mut play, peer);
    assert!(shown.flow.peer_is_interested && !shown.flow.we_are_interested);
    play.wait(SECOND);
    assert_eq!(view(&mut play, peer).flow.we_choke, None);
    for number in 0..3 {
        play.say(peer, Message::Request(request(0, number)));
    }
    assert_eq!(view(&mut play, peer).flow.peer_requests, 3);
    let block = play.geometry.blocks(play.geometry.piece(0).unwrap()).next().unwrap();
    play.tell(Input::BlockServed { peer, block, sent: true });
    play.wait(SECOND);
    let shown = view(&mut play, peer);
    assert_eq!((shown.uploaded, shown.downloaded), (BLOCK.into(), 0));
    assert!(shown.upload_rate > 0 && shown.download_rate == 0);
    let stats = play.swarm.stats(play.now);
    assert_eq!((stats.upload_rate, stats.download_rate), (shown.upload_rate, 0));
    assert_eq!((stats.peers, stats.seeds), (1, 0));
    assert_eq!((play.swarm.uploaded(), play.swarm.have_bytes()), (BLOCK.into(), 8 << 19));
}

#[test]
fn connections_that_are_made_are_counted_and_cost_credit() {
    let mut play = Play::new(false, |_| {});
    assert_eq!((play.swarm.connecting(), play.swarm.dial_credit()), (0, None));
    play.swarm.set_dial_credit(play.now, Some(3));
    let address = |n: u8| SocketAddr::from(([20, n, 0, 1], 6881));
    let peer = play.dial(address(1));
    assert_eq!((play.swarm.connecting(), play.swarm.dial_credit()), (1, Some(2)));
    let addresses = (2..8).map(address).collect();
    play.tell(Input::PeersFound { source: PeerSource::LocalTracker, addresses });
    assert_eq!((play.swarm.connecting(), play.swarm.dial_credit()), (3, Some(0)));
    let (dials, more) = play.swarm.dials(play.now);
    assert!(dials == 3 && more >= 4, "four wait for credit, of {more}");
    play.greet(peer, PeerId::from_bytes([9; 20]), &[]);
    assert_eq!((play.swarm.connecting(), play.swarm.dials(play.now).0), (2, 2));
    let shown = view(&mut play, peer);
    assert_eq!((shown.address, shown.is_incoming), (address(1), false));
    assert_eq!(shown.source, PeerSource::Tracker);
    play.swarm.pause(play.now);
    assert_eq!(play.swarm.dials(play.now).1, 0, "a paused torrent begins none");
}

#[test]
fn metadata_has_a_demand_as_long_as_it_is_fetched() {
    let mut play = Play::without_content(|config| _ = config.needs_metadata(true));
    assert!(play.swarm.metadata_demand().is_some());
    assert_eq!((play.swarm.have_bytes(), play.swarm.availability()), (0, None));
    assert!(play.swarm.wanted().is_none());
    play.open(false);
    assert_eq!(play.swarm.metadata_demand(), None);
    assert_eq!(play.swarm.availability(), Some(vec![0; 8]));
    assert_eq!(play.swarm.wanted().map(|wanted| wanted.count()), Some(8));
}
