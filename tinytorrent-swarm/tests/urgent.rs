//! Pieces that somebody waits for come first (S-25).
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::time::Duration;

use play::{Play, request, requests};
use tinytorrent_swarm::{Input, PeerKey};
use tinytorrent_types::BlockDigest;
use tinytorrent_wire::{Feature, Message, Request};

/// A peer that has everything, and what it was asked for so far.
struct Seed {
    key: PeerKey,
    asked: Vec<Request>,
    sent: usize,
}

impl Seed {
    fn join(play: &mut Play) -> Self {
        let key = play.join(&[Feature::Fast]);
        play.say(key, Message::HaveAll);
        play.say(key, Message::Unchoke);
        let mut seed = Self { key, asked: Vec::new(), sent: 0 };
        seed.listen(play);
        seed
    }

    /// What it was asked for since it last listened. What is cancelled is not sent.
    fn listen(&mut self, play: &mut Play) -> Vec<Request> {
        let heard = play.heard(self.key);
        for message in &heard {
            match message {
                Message::Request(request) => self.asked.push(*request),
                Message::Cancel(request) => {
                    let sent = self.sent;
                    let mut at = 0..;
                    self.asked.retain(|asked| at.next() < Some(sent) || asked != request);
                }
                _ => {}
            }
        }
        requests(&heard)
    }

    /// Sends so many blocks, one each 20 ms. Answers what it is asked for meanwhile.
    fn send(&mut self, play: &mut Play, count: usize) -> Vec<Request> {
        let mut news = self.listen(play);
        for _ in 0..count {
            let next = self.asked[self.sent];
            self.sent += 1;
            play.now += Duration::from_millis(20);
            if let Some(block) = play.block(self.key, next).block() {
                play.tell(Input::BlocksWritten { bytes: block.length().into() });
            }
            news.extend(self.listen(play));
        }
        news
    }
}

fn urgent(play: &mut Play, pieces: &[u32]) {
    play.swarm.set_urgent(play.now, pieces.iter().copied());
    play.tell(Input::BlocksWritten { bytes: 0 });
}

/// All 32 blocks of a piece.
fn blocks(piece: u32) -> Vec<Request> {
    (0..32).map(|number| request(piece, number)).collect()
}

#[test]
fn urgent_pieces_come_first_and_in_their_order() {
    let mut play = Play::without_content(|_| {});
    urgent(&mut play, &[6, 99, 1]);
    play.open(false);
    let mut seed = Seed::join(&mut play);
    seed.send(&mut play, 64);
    assert_eq!(seed.asked[..64], [blocks(6), blocks(1)].concat());
    assert!(seed.asked.len() > 64, "then one of the others");
}

#[test]
fn all_peers_share_in_an_urgent_piece() {
    let mut play = Play::new(false, |_| {});
    urgent(&mut play, &[3]);
    let mut asked = [Seed::join(&mut play).asked, Seed::join(&mut play).asked].concat();
    asked.sort_by_key(|request| request.begin);
    assert_eq!(asked, blocks(3));
}

#[test]
fn a_jump_makes_other_pieces_urgent() {
    let mut play = Play::new(false, |_| {});
    urgent(&mut play, &[7, 6]);
    let mut seed = Seed::join(&mut play);
    urgent(&mut play, &[2]);
    let news = seed.send(&mut play, 31);
    assert_eq!(seed.asked, news, "all that it was asked for before is cancelled");
    assert_eq!(news[..31], blocks(2)[..31]);
    urgent(&mut play, &[]);
    assert!(seed.send(&mut play, 8).iter().all(|request| request.index != 2));
}

#[test]
fn an_urgent_block_is_not_left_to_a_peer_that_is_slow() {
    let mut play = Play::new(false, |_| {});
    urgent(&mut play, &[4]);
    let mut slow = Seed::join(&mut play);
    let late = slow.asked.clone();
    assert!(late.iter().all(|request| request.index == 4));
    let mut quick = Seed::join(&mut play);
    let news = quick.send(&mut play, 20);
    assert!(late.iter().all(|request| !news.contains(request)), "it may turn out quick as well");
    let news = quick.send(&mut play, 130);
    assert!(late.iter().all(|request| news.contains(request)), "{late:?} in {news:?}");
    let heard = play.heard(slow.key);
    assert!(late.iter().all(|request| heard.contains(&Message::Cancel(*request))));
    assert_eq!(slow.listen(&mut play), []);
}

#[test]
fn a_piece_that_was_wrong_is_urgent_still() {
    let mut play = Play::new(false, |_| {});
    urgent(&mut play, &[5]);
    let mut seeds = [Seed::join(&mut play), Seed::join(&mut play), Seed::join(&mut play)];
    for suspect in &mut seeds[..2] {
        suspect.send(&mut play, 16);
        play.say(suspect.key, Message::Choke);
    }
    let piece = play.geometry.piece(5).unwrap();
    play.tell(Input::PieceFailed { piece, digests: vec![BlockDigest::from_bytes([0; 20]); 32] });
    let news = seeds[2].send(&mut play, 32);
    assert_eq!(news[..32], blocks(5));
}
