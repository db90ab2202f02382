use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_types::{WireInfoHash, canonical};

use crate::Link;
use crate::heard::{Heard, News};
use crate::message::{self, Announcement, MessageError};

/// Local discovery for all torrents of a client, without sockets: it decides when to announce which of them where, and
/// what announcements of others are to be believed.
///
/// The rule of use: after each call that takes `now`, drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_found`](Self::poll_found), then sleep until [`poll_timeout`](Self::poll_timeout).
///
/// ```
/// use std::time::Instant;
/// use tinytorrent_lsd::{Family, Found, Link, LinkId, Lsd, Net};
///
/// let link = |last, port| {
///     let nets = vec![Net { address: [10, 0, 0, last].into(), prefix: 24 }];
///     (LinkId(0), Link { family: Family::V4, interface: 2, port, nets })
/// };
/// let hash = "c9e15763f722f23e98a29decdfae341b98d53056".parse()?;
/// let now = Instant::now();
/// let (mut ours, mut theirs) = (Lsd::new(now, [1; 32]), Lsd::new(now, [2; 32])); // random in earnest
/// ours.set_links(now, vec![link(1, 6881)]);
/// theirs.set_links(now, vec![link(2, 6882)]);
/// ours.insert(now, hash);
/// theirs.insert(now, hash);
///
/// let now = ours.poll_timeout().unwrap();
/// ours.handle_timeout(now);
/// let transmit = ours.poll_transmit().unwrap();
/// theirs.handle_datagram(now, transmit.link, "10.0.0.1:6771".parse()?, &transmit.datagram);
/// assert_eq!(theirs.poll_found(), Some(Found { hash, address: "10.0.0.1:6881".parse()? }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Lsd {
    rng: StdRng,
    /// The mark of our own announcements, which come back to us.
    cookie: String,
    links: Vec<(LinkId, Link)>,
    torrents: HashMap<WireInfoHash, Torrent>,
    /// The announcements that are to come, in their order.
    due: BTreeSet<(Instant, WireInfoHash)>,
    /// Torrents that were removed less than a minute after their announcement, in the order of removal.
    gone: VecDeque<(Instant, WireInfoHash)>,
    /// The next datagram goes not before this.
    paced_until: Instant,
    transmits: VecDeque<Transmit>,
    found: VecDeque<Found>,
}

/// A link, as the driver calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// A datagram to be sent to the [group](message::group) of a link. One that cannot be sent is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The link.
    pub link: LinkId,
    /// At most [`MAX_LENGTH`](message::MAX_LENGTH) bytes.
    pub datagram: Vec<u8>,
}

/// A peer of a torrent of ours in our network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The torrent.
    pub hash: WireInfoHash,
    /// The sender of the announcement, at the port that it names. A link-local address of IPv6 has the scope of the
    /// interface.
    pub address: SocketAddr,
}

#[derive(Debug, Default)]
struct Torrent {
    /// The next announcement; `None` if the torrent was removed.
    due: Option<Instant>,
    last: Option<Instant>,
    heard: Heard,
}

/// Time from one announcement of a torrent to the next (BEP 14, "usage").
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The same at least, whatever happens (BEP 14, "usage").
const LEAST_INTERVAL: Duration = Duration::from_secs(60);

/// Announcements that are due within this time go together. Each is late by a random part of it, so that each torrent
/// is at times the first in its datagram: old clients read no others.
const TOGETHER: Duration = Duration::from_secs(10);

/// Time from an event to the announcement that it causes. What happens at a time is announced in one datagram.
const SETTLE: Duration = Duration::from_millis(200);

/// The same after the first announcement of a neighbour, at most: all that have the torrent hear it at a time.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// Time from one datagram of a link to the next. Multicast is slow in wireless networks.
const PACE: Duration = Duration::from_millis(100);

/// Torrents of a datagram at most: as many as fit with the longest port and group, so that all links have the same.
const TORRENTS_OF_DATAGRAM: usize = 25;

/// Peers that wait to be taken; a driver that obeys the rule of use has those of one datagram.
const MOST_FOUND: usize = 256;

impl Lsd {
    /// A machine without links and torrents. The seed has to be random, so that no other client has our cookie.
    pub fn new(now: Instant, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let cookie = format!("{:016x}", rng.random::<u64>());
        Self {
            rng,
            cookie,
            links: Vec::new(),
            torrents: HashMap::new(),
            due: BTreeSet::new(),
            gone: VecDeque::new(),
            paced_until: now,
            transmits: VecDeque::new(),
            found: VecDeque::new(),
        }
    }

    /// Replaces the links. If there are new ones, all torrents are announced again, each at least a minute after its last
    /// announcement.
    pub fn set_links(&mut self, now: Instant, links: Vec<(LinkId, Link)>) {
        let has_new = links.iter().any(|(_, link)| self.links.iter().all(|(_, old)| old != link));
        self.links = links;
        if has_new {
            let hashes: Vec<_> = self.due.iter().map(|(_, hash)| *hash).collect();
            hashes.into_iter().for_each(|hash| self.hasten(now + SETTLE, hash));
        }
    }

    /// Adds a torrent, which is announced soon. One that is there stays as it is.
    pub fn insert(&mut self, now: Instant, hash: WireInfoHash) {
        self.forget_gone(now);
        let torrent = self.torrents.entry(hash).or_default();
        if torrent.due.is_none() {
            let first = now + SETTLE;
            let due = torrent.last.map_or(first, |last| first.max(last + LEAST_INTERVAL));
            torrent.due = Some(due);
            self.due.insert((due, hash));
        }
    }

    /// Removes a torrent. It is neither announced nor found from now on.
    pub fn remove(&mut self, now: Instant, hash: WireInfoHash) {
        self.forget_gone(now);
        let Some(torrent) = self.torrents.get_mut(&hash) else { return };
        let Some(due) = torrent.due.take() else { return };
        self.due.remove(&(due, hash));
        self.found.retain(|found| found.hash != hash);
        torrent.heard = Heard::default();
        // The next one to come under this hash is not announced too early.
        self.gone.push_back((now, hash));
    }

    /// Number of torrents that are announced.
    pub fn torrents(&self) -> usize {
        self.due.len()
    }

    /// Takes in a datagram that came by a link. Only the peers of our own torrents in it are found.
    ///
    /// # Errors
    /// It is no announcement. Announcements of ourselves, of hosts elsewhere and of other torrents are no error.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        link: LinkId,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), MessageError> {
        let Some((_, link)) = self.links.iter().find(|(id, _)| *id == link) else { return Ok(()) };
        // L-06: whoever is elsewhere could name any address as its own.
        if !link.is_neighbour(from) {
            return Ok(());
        }
        let announcement = Announcement::parse(datagram)?;
        // L-12
        if announcement.cookie == Some(self.cookie.as_bytes()) {
            return Ok(());
        }
        let mut address = canonical(from);
        address.set_port(announcement.port);
        for hash in announcement.hashes() {
            self.hear(now, hash, address);
        }
        Ok(())
    }

    fn hear(&mut self, now: Instant, hash: WireInfoHash, address: SocketAddr) {
        // L-11
        let Some(torrent) = self.torrents.get_mut(&hash) else { return };
        if torrent.due.is_none() || self.found.len() >= MOST_FOUND {
            return;
        }
        let news = torrent.heard.note(now, address);
        if news != News::Nothing {
            self.found.push_back(Found { hash, address });
        }
        if news == News::First {
            let pause = self.rng.random_range(SETTLE..LONGEST_ANSWER);
            self.hasten(now + pause, hash);
        }
    }

    /// Announces a torrent at this time at the latest, but not more than once a minute.
    fn hasten(&mut self, at: Instant, hash: WireInfoHash) {
        let Some(torrent) = self.torrents.get_mut(&hash) else { return };
        let Some(due) = &mut torrent.due else { return };
        let at = torrent.last.map_or(at, |last| at.max(last + LEAST_INTERVAL));
        if at < *due {
            self.due.remove(&(*due, hash));
            *due = at;
            self.due.insert((at, hash));
        }
    }

    /// Makes the next announcements, if they are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.forget_gone(now);
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        let last_minute = |last: Instant| now < last + LEAST_INTERVAL;
        let torrents = &self.torrents;
        let may_go = |hash: &WireInfoHash| {
            torrents.get(hash).is_some_and(|torrent| !torrent.last.is_some_and(last_minute))
        };
        let soon = self.due.iter().take_while(|(due, _)| *due <= now + TOGETHER);
        let hashes = soon.map(|(_, hash)| *hash).filter(may_go);
        let hashes: Vec<_> = hashes.take(TORRENTS_OF_DATAGRAM).collect();
        for (id, link) in &self.links {
            let mut datagram = Vec::with_capacity(message::MAX_LENGTH);
            message::write(&mut datagram, link.family, link.port, &self.cookie, &hashes);
            self.transmits.push_back(Transmit { link: *id, datagram });
        }
        for hash in &hashes {
            let Some(torrent) = self.torrents.get_mut(hash) else { continue };
            let due = now + INTERVAL + self.rng.random_range(Duration::ZERO..TOGETHER);
            if let Some(old) = torrent.due.replace(due) {
                self.due.remove(&(old, *hash));
            }
            torrent.last = Some(now);
            self.due.insert((due, *hash));
        }
        self.paced_until = now + PACE;
    }

    /// Forgets the removed torrents whose last announcement was more than a minute ago.
    fn forget_gone(&mut self, now: Instant) {
        while let Some(&(_, hash)) = self.gone.front().filter(|(at, _)| now >= *at + LEAST_INTERVAL)
        {
            self.gone.pop_front();
            if self.torrents.get(&hash).is_some_and(|torrent| torrent.due.is_none()) {
                self.torrents.remove(&hash);
            }
        }
    }

    /// The next datagram to send. Calls of [`handle_timeout`](Self::handle_timeout) can make some.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next peer. Calls of [`handle_datagram`](Self::handle_datagram) can find some.
    pub fn poll_found(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    /// The time of the next [`handle_timeout`](Self::handle_timeout); `None` without links or torrents. Every call
    /// that takes `now` can change it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (due, _) = self.due.first().filter(|_| !self.links.is_empty())?;
        Some((*due).max(self.paced_until))
    }

    /// Checks that the parts agree, for tests.
    ///
    /// # Panics
    /// They do not.
    pub fn check_invariants(&self) {
        for (due, hash) in &self.due {
            assert_eq!(self.torrents[hash].due, Some(*due));
        }
        let with_due = self.torrents.values().filter(|torrent| torrent.due.is_some());
        assert_eq!(with_due.count(), self.due.len());
        for (hash, _) in self.torrents.iter().filter(|(_, torrent)| torrent.due.is_none()) {
            assert!(self.gone.iter().any(|(_, gone)| gone == hash));
        }
        assert!(self.found.len() <= MOST_FOUND);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
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
        assert_eq!(world.lsd.torrents.len(), 1, "the removed one is forgotten");
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
        let of_new: Vec<_> =
            of_new.filter(|found| (10..2_000).any(|n| hash(n) == *found)).collect();
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
        assert_eq!(world.lsd.torrents.len(), 1, "no other torrent is remembered");
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
            assert_eq!(
                world.hear("10.0.0.1:6771", &other).len(),
                usize::from(transmit.link.0 == 0)
            );
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
        assert_eq!(world.lsd.torrents.len(), 10);
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
}
