#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use proptest::prelude::*;

use super::*;
use crate::{Family, Net};

const MINUTE: Duration = Duration::from_secs(60);

fn hash(n: u32) -> WireInfoHash {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    WireInfoHash::from_bytes(bytes)
}

fn link(n: u32, family: Family) -> (LinkId, Link) {
    let nets = match family {
        Family::V4 => vec![Net { address: [10, 0, n as u8, 1].into(), prefix: 24 }],
        Family::V6 => vec![Net { address: "fe80::1".parse().unwrap(), prefix: 64 }],
    };
    (LinkId(n), Link { family, interface: n, port: 6881, nets })
}

/// A machine with one link and a clock.
struct World {
    start: Instant,
    now: Instant,
    lsd: Lsd,
}

impl World {
    fn new(links: Vec<(LinkId, Link)>) -> Self {
        let now = Instant::now();
        let mut lsd = Lsd::new(now, [7; 32]);
        lsd.set_links(now, links);
        Self { start: now, now, lsd }
    }

    /// Lets this time pass. Returns what was sent, with the seconds since the start.
    fn run(&mut self, time: Duration) -> Vec<(f64, Transmit)> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some(at) = self.lsd.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now || sent.is_empty(), "time does not go back");
            self.now = self.now.max(at);
            self.lsd.handle_timeout(self.now);
            let seconds = (self.now - self.start).as_secs_f64();
            while let Some(transmit) = self.lsd.poll_transmit() {
                sent.push((seconds, transmit));
            }
            self.lsd.check_invariants();
        }
        self.now = end;
        sent
    }

    fn hear(&mut self, from: &str, text: &str) -> Vec<Found> {
        let from = from.parse().unwrap();
        let _ = self.lsd.handle_datagram(self.now, LinkId(0), from, text.as_bytes());
        self.lsd.check_invariants();
        std::iter::from_fn(|| self.lsd.poll_found()).collect()
    }
}

fn announcement(port: u16, hashes: &[WireInfoHash]) -> String {
    let mut datagram = Vec::new();
    message::write(&mut datagram, Family::V4, port, "theirs", hashes);
    String::from_utf8(datagram).unwrap()
}

fn hashes(transmit: &Transmit) -> Vec<WireInfoHash> {
    Announcement::parse(&transmit.datagram).unwrap().hashes().collect()
}

// L-09
#[test]
fn a_torrent_is_announced_at_once_and_then_each_five_minutes() {
    let mut world = World::new(vec![link(0, Family::V4)]);
    world.lsd.insert(world.now, hash(1));
    let at: Vec<_> = world.run(MINUTE * 60).into_iter().map(|(at, _)| at).collect();
    assert!(at[0] < 1.0, "{at:?}");
    assert!(at.windows(2).all(|pair| (300.0..310.1).contains(&(pair[1] - pair[0]))), "{at:?}");
    assert!(at.len() >= 11);
}

// L-02, L-09
#[test]
fn each_link_has_the_same_announcement_and_a_new_one_has_it_after_a_minute_at_most() {
    let mut world = World::new(vec![link(0, Family::V4), link(1, Family::V6)]);
    world.lsd.insert(world.now, hash(1));
    let sent = world.run(MINUTE / 2);
    let links: Vec<_> = sent.iter().map(|(_, transmit)| transmit.link.0).collect();
    assert_eq!(links, [0, 1]);
    assert!(sent.iter().all(|(_, transmit)| hashes(transmit) == [hash(1)]));
    // The same links are no news, nor is it that one has gone.
    world.lsd.set_links(world.now, vec![link(0, Family::V4), link(1, Family::V6)]);
    world.lsd.set_links(world.now, vec![link(0, Family::V4)]);
    assert_eq!(world.run(MINUTE), []);
    world.lsd.set_links(world.now, vec![link(0, Family::V4), link(2, Family::V4)]);
    let links: Vec<_> = world.run(MINUTE / 60).iter().map(|(_, sent)| sent.link.0).collect();
    assert_eq!(links, [0, 2]);
    world.lsd.set_links(world.now, vec![link(3, Family::V4)]);
    let sent = world.run(MINUTE * 2);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].0 > 150.0, "it was announced a moment ago: {}", sent[0].0);
}

// S-30
#[test]
fn nothing_makes_a_torrent_announced_more_than_once_a_minute() {
    let mut world = World::new(vec![link(0, Family::V4)]);
    let mut at = Vec::new();
    for n in 0..600u32 {
        world.lsd.insert(world.now, hash(1));
        world.lsd.set_links(world.now, vec![link(0, Family::V4), link(1 + n % 2, Family::V4)]);
        let from = format!("10.0.0.{}:6771", 2 + n % 200);
        world.hear(&from, &announcement(7, &[hash(1)]));
        let sent = world.run(Duration::from_secs(1));
        at.extend(sent.iter().filter(|(_, sent)| sent.link == LinkId(0)).map(|(at, _)| *at));
        world.lsd.remove(world.now, hash(1));
    }
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] > 59.99), "{at:?}");
    assert!((9..=10).contains(&at.len()), "{}", at.len());
    world.run(MINUTE);
    world.lsd.insert(world.now, hash(2));
    assert_eq!(world.lsd.schedule.known(), 1, "the removed one is forgotten");
}

// S-30, L-10
#[test]
fn many_torrents_share_datagrams_and_each_is_the_first_at_times() {
    let mut world = World::new(vec![link(0, Family::V4)]);
    for n in 0..10 {
        world.lsd.insert(world.now, hash(n));
    }
    let sent = world.run(MINUTE * 60);
    let of_first: Vec<_> = sent.iter().map(|(_, transmit)| hashes(transmit)[0]).collect();
    assert!(sent.len() < 10 * 6, "{} datagrams for 12 rounds", sent.len());
    let all: std::collections::HashSet<_> = of_first.into_iter().collect();
    assert!(all.len() >= 6, "{} of 10 were the first of a datagram", all.len());
    for n in 10..2_000 {
        world.lsd.insert(world.now, hash(n));
    }
    let sent = world.run(MINUTE);
    let of_new = sent.iter().flat_map(|(_, transmit)| hashes(transmit));
    let of_new: Vec<_> = of_new.filter(|found| (10..2_000).any(|n| hash(n) == *found)).collect();
    assert_eq!(of_new.len(), 1_990, "each once");
    assert!(sent.len() <= 82 && sent.windows(2).all(|pair| pair[1].0 - pair[0].0 > 0.09));
    assert!(sent.iter().all(|(_, sent)| sent.datagram.len() <= message::MAX_LENGTH));
}

// L-03, L-06, L-11
#[test]
fn a_peer_is_the_neighbour_who_announces_a_torrent_of_ours() {
    let mut world = World::new(vec![link(0, Family::V4)]);
    world.lsd.insert(world.now, hash(1));
    let text = announcement(7, &[hash(2), hash(1)]);
    let due = Found { hash: hash(1), address: "10.0.0.2:7".parse().unwrap() };
    assert_eq!(world.hear("10.0.0.2:6771", &text), [due]);
    assert_eq!(world.hear("10.0.1.2:6771", &text), [], "it is in another network");
    assert_eq!(world.hear("20.0.0.2:6771", &text), []);
    assert_eq!(world.hear("[fe80::2]:6771", &text), []);
    assert_eq!(world.hear("10.0.0.3:6771", &announcement(7, &[hash(2)])), []);
    assert_eq!(world.hear("10.0.0.3:6771", "BT-SEARCH * HTTP/1.1\r\nPort: 0\r\n\r\n"), []);
    assert_eq!(world.lsd.schedule.known(), 1, "no other torrent is remembered");
    world.lsd.remove(world.now, hash(1));
    assert_eq!(world.hear("10.0.0.4:6771", &text), [], "it has gone");
    let other = announcement(7, &[hash(1)]);
    world.lsd.insert(world.now, hash(1));
    let from = "10.0.0.2:6771".parse().unwrap();
    world.lsd.handle_datagram(world.now, LinkId(9), from, other.as_bytes()).unwrap();
    assert_eq!(world.lsd.poll_found(), None, "that link is not there");
}

// L-03
#[test]
fn a_link_local_address_keeps_its_scope_and_no_other_does() {
    let mut spec = link(0, Family::V6);
    spec.1.interface = 3;
    spec.1.nets.push(Net { address: "fd00::1".parse().unwrap(), prefix: 64 });
    let mut world = World::new(vec![spec]);
    world.lsd.insert(world.now, hash(1));
    let text = announcement(7, &[hash(1)]);
    assert_eq!(world.hear("[fe80::2%3]:1", &text)[0].address, "[fe80::2%3]:7".parse().unwrap());
    assert_eq!(world.hear("[fe80::2%4]:1", &text), []);
    assert_eq!(world.hear("[fd00::2]:1", &text)[0].address, "[fd00::2]:7".parse().unwrap());
}

// S-30, L-12
#[test]
fn we_are_no_peers_of_ourselves_on_any_link() {
    let mut world = World::new(vec![link(0, Family::V4), link(1, Family::V6)]);
    world.lsd.insert(world.now, hash(1));
    for (_, transmit) in world.run(MINUTE) {
        let text = String::from_utf8(transmit.datagram).unwrap();
        assert_eq!(world.hear("10.0.0.1:6771", &text), []);
        let other = text.replace(&world.lsd.cookie, "0123456789abcdef");
        assert_eq!(world.hear("10.0.0.1:6771", &other).len(), usize::from(transmit.link.0 == 0));
    }
}

// L-10, L-11
#[test]
fn a_new_neighbour_is_answered_soon_and_others_are_not() {
    let mut world = World::new(vec![link(0, Family::V4)]);
    world.lsd.insert(world.now, hash(1));
    world.lsd.insert(world.now, hash(2));
    world.run(MINUTE);
    world.hear("10.0.0.2:6771", &announcement(7, &[hash(1), hash(9)]));
    let sent = world.run(MINUTE / 6);
    assert_eq!(sent.len(), 1);
    assert_eq!(hashes(&sent[0].1), [hash(1)], "it asked for this one alone");
    world.run(MINUTE);
    world.hear("10.0.0.2:6771", &announcement(7, &[hash(1), hash(9)]));
    assert_eq!(world.run(MINUTE), [], "it is known");
}

// L-10
#[test]
fn a_flood_finds_few_peers_and_sends_little() {
    let mut world = World::new(vec![link(0, Family::V4)]);
    let ours: Vec<_> = (0..10).map(hash).collect();
    ours.iter().for_each(|&hash| world.lsd.insert(world.now, hash));
    let (mut found, mut sent) = (0, 0);
    for n in 0..20_000u32 {
        let from = format!("10.0.0.{}:6771", 2 + n % 250);
        let foreign: Vec<_> = (0..10).map(|foreign| hash(1_000 + n * 10 + foreign)).collect();
        let text = announcement(1 + (n % 60_000) as u16, &[&ours[..], &foreign[..]].concat());
        found += world.hear(&from, &text).len();
        sent += world.run(Duration::from_millis(3)).len();
    }
    assert_eq!(world.lsd.schedule.known(), 10);
    assert!(found <= 10 * 64, "{found}");
    assert!(sent <= 40, "{sent} datagrams in a minute");
}

proptest! {
    #[test]
    fn any_datagrams_leave_the_parts_in_agreement(
        steps in prop::collection::vec((0..5u8, 0..6u32, 0..90u64), 0..80)
    ) {
        let mut world = World::new(vec![link(0, Family::V4)]);
        for (what, n, seconds) in steps {
            match what {
                0 => world.lsd.insert(world.now, hash(n)),
                1 => world.lsd.remove(world.now, hash(n)),
                2 => world.lsd.set_links(world.now, (0..n).map(|n| link(n, Family::V4)).collect()),
                3 => _ = world.hear("10.0.0.2:1", &announcement(n as u16 + 1, &[hash(n)])),
                _ => _ = world.run(Duration::from_secs(seconds)),
            }
            world.lsd.check_invariants();
        }
    }
}
