//! Introductions of peers that cannot reach each other (BEP 55).
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

mod hostile;
#[path = "../play/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod play;
mod roles;
mod worlds;

use std::net::SocketAddr;

use play::Play;
use tinytorrent_swarm::{
    Action, ConnectionError, Input, PeerKey, Route, SwarmConfig, Transport, Transports,
};
use tinytorrent_types::PeerId;
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, Holepunch, OurExtensions, PexFlags, PexMessage, PexPeer,
    TheirExtensions,
};
use tinytorrent_wire::{Extended, Feature, Message};

/// Numbers of the peers' own for the extensions.
const THEIR_PEX: u8 = 1;
const THEIR_HOLEPUNCH: u8 = 2;

/// Our numbers, in the order in which we announce them.
const OUR_PEX: u8 = 4;
const OUR_HOLEPUNCH: u8 = 5;

fn utp(config: &mut SwarmConfig) {
    config.transports(Transports::Both);
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([20, host, 0, 1], 6_881))
}

/// A peer comes by uTP from this address, and speaks `ut_holepunch` if it is able to.
fn join_from(play: &mut Play, from: SocketAddr, is_able: bool) -> PeerKey {
    let peer = play.swarm.accept(play.now, from).expect("there is room");
    let name = from.ip().to_string().bytes().fold(2, u8::wrapping_add).max(2);
    play.greet_by(Transport::Utp, peer, PeerId::from_bytes([name; 20]), &[Feature::Extended]);
    let able: &[u8] = b"d1:md12:ut_holepunchi2e6:ut_pexi1eee";
    play.say_extended(peer, if is_able { able } else { b"d1:md6:ut_pexi1eee" });
    play.heard(peer);
    peer
}

fn join(play: &mut Play, host: u8) -> PeerKey {
    join_from(play, address(host), true)
}

/// A peer says something of introductions.
fn say(play: &mut Play, peer: PeerKey, message: Holepunch) {
    let mut payload = Vec::new();
    message.encode(&mut payload);
    play.say(peer, Message::Extended(Extended { id: OUR_HOLEPUNCH, payload: payload.into() }));
}

/// The words about introductions that a peer heard since the last look.
fn heard(play: &mut Play, by: PeerKey) -> Vec<Holepunch> {
    let heard = play.heard(by).into_iter().filter_map(|message| match message {
        Message::Extended(Extended { id: THEIR_HOLEPUNCH, payload }) => {
            Some(Holepunch::parse(&payload).unwrap())
        }
        _ => None,
    });
    heard.collect()
}

/// A peer tells of another one by the exchange.
fn tell(play: &mut Play, peer: PeerKey, address: SocketAddr, flags: PexFlags) {
    let mut theirs = TheirExtensions::default();
    theirs.update(&ExtendedHandshake::new(&OurExtensions::new([Extension::PeerExchange])));
    let id = theirs.id(Extension::PeerExchange).unwrap();
    let added = vec![PexPeer { address, flags }];
    let message = PexMessage { added, dropped: Vec::new() }.to_message(id);
    play.say(peer, Message::Extended(Extended { id: OUR_PEX, payload: message.payload }));
}

/// The dials since the last look.
fn dials(play: &mut Play) -> Vec<(PeerKey, SocketAddr, Route)> {
    let mut dials = Vec::new();
    play.actions.retain(|action| match action {
        Action::Connect { peer, address, route, .. } => {
            dials.push((*peer, *address, *route));
            false
        }
        _ => true,
    });
    dials
}

/// A peer tells of another one that cannot be reached; we have found that out.
fn learn_of_unreachable(play: &mut Play, teller: PeerKey, target: SocketAddr) {
    tell(play, teller, target, PexFlags::SUPPORTS_HOLEPUNCH);
    let dial = dials(play).into_iter().find(|(_, address, _)| *address == target);
    let (peer, ..) = dial.expect("it is tried by itself first");
    play.tell(Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
}
