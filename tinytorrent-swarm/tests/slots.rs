//! The upload slots of a seed: who has them, and for how long.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::net::SocketAddr;
use std::time::Duration;

use play::{Play, request};
use tinytorrent_swarm::{Action, ChokeReason, ConnectionError, Input, PeerKey};
use tinytorrent_types::PeerId;
use tinytorrent_wire::{Feature, Message};

const SECOND: Duration = Duration::from_secs(1);

/// A peer that wants everything, and reads what it is sent.
struct Leech {
    key: PeerKey,
    is_unchoked: bool,
}

impl Leech {
    fn join(play: &mut Play, host: [u8; 4], port: u16) -> Self {
        let id = PeerId::from_bytes([port as u8; 20]);
        let key = play.join_from(SocketAddr::from((host, port)), id, &[]);
        play.say(key, Message::Interested);
        Self { key, is_unchoked: false }
    }

    fn leave(self, play: &mut Play) {
        let error = ConnectionError::Closed;
        play.tell(Input::ConnectionClosed { peer: self.key, error });
    }

    /// Hears what was said, and asks for a block if it may.
    fn act(&mut self, play: &mut Play) {
        for message in play.heard(self.key) {
            match message {
                Message::Unchoke => self.is_unchoked = true,
                Message::Choke => self.is_unchoked = false,
                _ => {}
            }
        }
        if self.is_unchoked {
            play.say(self.key, Message::Request(request(0, 0)));
        }
        let served: Vec<_> = play
            .actions
            .extract_if(
                ..,
                |action| matches!(action, Action::ServeBlock { peer, .. } if *peer == self.key),
            )
            .collect();
        for action in served {
            let Action::ServeBlock { peer, block } = action else { continue };
            play.tell(Input::BlockServed { peer, block, sent: true });
        }
    }
}

/// The part of ten minutes in which one peer has a slot, of four, beside sixteen connections of one host that
/// are made anew in each of these intervals.
fn share_beside_a_crowd(again: Duration) -> f64 {
    let mut play = Play::new(true, |config| _ = config.upload_slots(4));
    let crowd = |play: &mut Play, round: u16| -> Vec<Leech> {
        (0..16).map(|n| Leech::join(play, [20, 1, 1, 1], 1_000 + 16 * round + n)).collect()
    };
    let mut greedy = crowd(&mut play, 0);
    let mut modest = Leech::join(&mut play, [20, 2, 2, 2], 999);
    let (mut served, mut rounds, all) = (0, 0, 600);
    for second in 0..all {
        play.wait(SECOND);
        if second / again.as_secs() > rounds {
            rounds += 1;
            greedy.drain(..).for_each(|leech| leech.leave(&mut play));
            greedy = crowd(&mut play, (rounds % 4_000) as u16);
        }
        greedy.iter_mut().chain([&mut modest]).for_each(|leech| leech.act(&mut play));
        play.actions.clear();
        play.events.clear();
        served += u32::from(modest.is_unchoked);
    }
    f64::from(served) / all as f64
}

#[test]
fn who_connects_anew_does_not_come_before_who_waits() {
    // S-23
    for again in [3, 61, 4_000] {
        let share = share_beside_a_crowd(again * SECOND);
        assert!(share > 0.9, "{share} of the time, beside a crowd that comes anew each {again} s");
    }
}

#[test]
fn a_choked_peer_is_shown_with_the_reason() {
    let mut play = Play::new(true, |config| _ = config.upload_slots(1));
    let [idle, first, second] = [(); 3].map(|()| play.join(&[Feature::Fast]));
    play.say(first, Message::Interested);
    play.say(second, Message::Interested);
    play.wait(Duration::from_secs(1));
    let reason = |play: &mut Play, key: PeerKey| {
        let peers = play.swarm.peers(play.now);
        peers.iter().find(|peer| peer.key == key).expect("it is here").flow.we_choke
    };
    assert_eq!(reason(&mut play, idle), Some(ChokeReason::NotInterested));
    let reasons = [first, second].map(|peer| reason(&mut play, peer));
    assert!(reasons.contains(&None) && reasons.contains(&Some(ChokeReason::NoSlot)), "{reasons:?}");
    // Neither asks for anything, so that each loses its turn.
    play.wait(Duration::from_secs(30));
    let reasons = [first, second].map(|peer| reason(&mut play, peer));
    assert!(reasons.contains(&Some(ChokeReason::UnusedTurn)), "{reasons:?}");
}

/// The seconds that a peer which asks for blocks waits for a slot, when it comes after this time to a seed with
/// 30 peers that are interested and ask for nothing.
fn wait_beside_idle_peers(host: impl Fn(u8) -> [u8; 4], after: u32) -> u32 {
    let mut play = Play::new(true, |config| _ = config.upload_slots(8));
    for number in 0..30 {
        Leech::join(&mut play, host(number), 1_000 + u16::from(number));
    }
    for _ in 0..after {
        play.wait(SECOND);
    }
    let mut honest = Leech::join(&mut play, host(30), 2_000);
    for second in 0..600 {
        honest.act(&mut play);
        if honest.is_unchoked {
            return second;
        }
        play.wait(SECOND);
    }
    panic!("it never has a slot");
}

#[test]
fn those_that_ask_for_nothing_keep_nobody_waiting_for_longer_than_a_round() {
    // S-23
    for after in 0..60 {
        for (what, wait) in [
            ("hosts of their own", wait_beside_idle_peers(|number| [20, number, 1, 1], after)),
            ("this machine", wait_beside_idle_peers(|_| [127, 0, 0, 1], after)),
        ] {
            assert!(wait <= 10, "{wait} s, {after} s after peers of {what}");
        }
    }
}
