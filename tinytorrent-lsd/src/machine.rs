use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_types::{WireInfoHash, canonical};

use crate::Link;
use crate::heard::{Heard, News};
use crate::message::{self, Announcement, MessageError};
use crate::schedule::Schedule;

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
    /// The neighbours of each torrent.
    heard: HashMap<WireInfoHash, Heard>,
    schedule: Schedule,
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

/// Time from an event to the announcement that it causes. What happens at a time is announced in one datagram.
const SETTLE: Duration = Duration::from_millis(200);

/// The same after the first announcement of a neighbour, at most: all that have the torrent hear it at a time.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// Time from one datagram of a link to the next. Multicast is slow in wireless networks.
const PACE: Duration = Duration::from_millis(100);

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
            heard: HashMap::new(),
            schedule: Schedule::default(),
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
            self.schedule.hasten_all(now + SETTLE);
        }
    }

    /// Adds a torrent, which is announced soon. One that is there stays as it is.
    pub fn insert(&mut self, now: Instant, hash: WireInfoHash) {
        self.heard.entry(hash).or_default();
        self.schedule.insert(now, now + SETTLE, hash);
    }

    /// Removes a torrent. It is neither announced nor found from now on.
    pub fn remove(&mut self, now: Instant, hash: WireInfoHash) {
        self.heard.remove(&hash);
        self.schedule.remove(now, hash);
        self.found.retain(|found| found.hash != hash);
    }

    /// Number of torrents that are announced.
    pub fn torrents(&self) -> usize {
        self.heard.len()
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
        let Some(heard) = self.heard.get_mut(&hash) else { return };
        if self.found.len() >= MOST_FOUND {
            return;
        }
        let news = heard.note(now, address);
        if news != News::Nothing {
            self.found.push_back(Found { hash, address });
        }
        if news == News::First {
            let pause = self.rng.random_range(SETTLE..LONGEST_ANSWER);
            self.schedule.hasten(now + pause, hash);
        }
    }

    /// Makes the next announcements, if they are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        let hashes = self.schedule.take(now, |range| self.rng.random_range(range));
        for (id, link) in &self.links {
            let mut datagram = Vec::with_capacity(message::MAX_LENGTH);
            message::write(&mut datagram, link.family, link.port, &self.cookie, &hashes);
            self.transmits.push_back(Transmit { link: *id, datagram });
        }
        self.paced_until = now + PACE;
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
        let due = self.schedule.next().filter(|_| !self.links.is_empty())?;
        Some(due.max(self.paced_until))
    }

    /// Checks that the parts agree, for tests.
    ///
    /// # Panics
    /// They do not.
    pub fn check_invariants(&self) {
        self.schedule.check_invariants(self.heard.keys());
        assert!(self.found.len() <= MOST_FOUND);
    }
}

#[cfg(test)]
mod tests;
