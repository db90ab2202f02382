//! Incoming connections that have not named a torrent, and which of them goes if there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::{Crowd, Host};

/// The strangers of a client, and their use of the processor.
///
/// If there is no room for one more, the slowest of the greediest goes: of the network with the most
/// connections, its host with the most, and of those the connection that has sent nothing for longest.
/// A flood from one network thus displaces itself, and a host with a single connection stays.
#[derive(Debug)]
pub(crate) struct Strangers {
    limit: usize,
    next: u64,
    all: HashMap<u64, Stranger>,
    crowd: Crowd,
    keys: KeyBudget,
}

#[derive(Debug)]
struct Stranger {
    address: IpAddr,
    last_progress: Instant,
}

impl Strangers {
    pub(crate) fn new(now: Instant, limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            next: 0,
            all: HashMap::new(),
            crowd: Crowd::new(),
            keys: KeyBudget::new(now),
        }
    }

    /// Adds a connection. Returns its number, and the number of one that has to go for it, which may be
    /// its own.
    pub(crate) fn add(&mut self, now: Instant, address: IpAddr) -> (u64, Option<u64>) {
        let number = self.next;
        self.next += 1;
        self.all.insert(number, Stranger { address, last_progress: now });
        self.crowd.add(address);
        let is_over = self.all.len() > self.limit;
        (number, is_over.then(|| self.evict()).flatten())
    }

    /// Notes that a connection has sent something.
    pub(crate) fn note_progress(&mut self, now: Instant, number: u64) {
        if let Some(stranger) = self.all.get_mut(&number) {
            stranger.last_progress = now;
        }
    }

    /// Removes a connection that has ended, or has named a torrent.
    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(Stranger { address, .. }) = self.all.remove(&number) {
            self.crowd.remove(address);
        }
    }

    /// Removes the slowest connection of the greediest host. Returns its number.
    pub(crate) fn evict(&mut self) -> Option<u64> {
        let greediest = self.crowd.greediest();
        let is_of_them =
            |stranger: &Stranger| greediest.binary_search(&Host::of(stranger.address)).is_ok();
        let of_them = self.all.iter().filter(|(_, stranger)| is_of_them(stranger));
        let slowest = of_them.min_by_key(|(number, stranger)| (stranger.last_progress, **number));
        let (&number, _) = slowest?;
        self.remove(number);
        Some(number)
    }

    /// Takes the work of one key exchange for a connection from this address. Returns the time to wait
    /// before the next try, if it would be too much.
    pub(crate) fn take_key_exchange(&mut self, now: Instant, address: IpAddr) -> Option<Duration> {
        self.keys.take(now, Host::of(address))
    }
}

/// Key exchanges (MSE) of strangers: each costs about a millisecond of the processor, which anybody can
/// ask for with 96 bytes.
#[derive(Debug)]
struct KeyBudget {
    all: Bucket,
    hosts: HashMap<Host, Bucket>,
}

/// Key exchanges of one host: many clients behind one address may come at once, and then a client and
/// its friends every second.
const OF_HOST: Rate = Rate { burst: 128.0, per_second: 16.0 };

/// Key exchanges of all hosts: a fifth of one processor.
const OF_ALL: Rate = Rate { burst: 512.0, per_second: 128.0 };

/// Number of hosts that are remembered. Their buckets are full again after some seconds.
const MAX_HOSTS: usize = 4096;

/// Wait of a connection whose host is over its budget.
const KEY_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: f64,
    per_second: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl KeyBudget {
    fn new(now: Instant) -> Self {
        Self { all: Bucket { left: OF_ALL.burst, at: now }, hosts: HashMap::new() }
    }

    fn take(&mut self, now: Instant, host: Host) -> Option<Duration> {
        if self.hosts.len() >= MAX_HOSTS {
            // A full bucket says nothing.
            self.hosts.retain(|_, bucket| bucket.fill(now, OF_HOST) < OF_HOST.burst);
        }
        let full = Bucket { left: OF_HOST.burst, at: now };
        let mut of_host = self.hosts.get(&host).copied().unwrap_or(full);
        let is_allowed = of_host.fill(now, OF_HOST) >= 1.0 && self.all.fill(now, OF_ALL) >= 1.0;
        if !is_allowed {
            return Some(KEY_PAUSE);
        }
        of_host.left -= 1.0;
        self.all.left -= 1.0;
        if self.hosts.len() < MAX_HOSTS || self.hosts.contains_key(&host) {
            self.hosts.insert(host, of_host);
        }
        None
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant, rate: Rate) -> f64 {
        let time = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + time * rate.per_second).min(rate.burst);
        self.at = self.at.max(now);
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    // S-28
    #[test]
    fn a_flood_of_one_host_displaces_itself() {
        let start = Instant::now();
        let mut strangers = Strangers::new(start, 100);
        let (honest, none) = strangers.add(start, ip("10.0.0.1"));
        assert_eq!(none, None);
        let neighbour = strangers.add(start, ip("192.0.2.2")).0;
        // 2,000 connections a second, for ten seconds.
        for n in 0..20_000 {
            let now = start + Duration::from_micros(500) * n;
            let (number, gone) = strangers.add(now, ip("192.0.2.7"));
            assert!(gone != Some(honest) && gone != Some(neighbour));
            // The oldest of the flood, and not the one that has just come.
            assert_eq!(gone.map(|gone| gone + 98), (n >= 98).then_some(number));
        }
        let (number, gone) = strangers.add(start + Duration::from_secs(11), ip("10.0.0.3"));
        assert!(gone.is_some_and(|gone| gone != number && gone != honest));
    }

    #[test]
    fn hosts_of_one_network_share_its_part() {
        let now = Instant::now();
        let mut strangers = Strangers::new(now, 50);
        let honest: Vec<_> =
            (0..10).map(|n| strangers.add(now, ip(&format!("10.0.{n}.1"))).0).collect();
        for n in 0..2_000_u32 {
            // One host a connection, in a /24, and in the /64s of a /48.
            let v4 = format!("192.0.2.{}", n % 256);
            let v6 = format!("2001:db8:7:{n:x}::{n:x}");
            for address in [v4, v6] {
                let gone = strangers.add(now, ip(&address)).1;
                assert!(!gone.is_some_and(|gone| honest.contains(&gone)));
            }
        }
    }

    #[test]
    fn of_a_host_the_connection_without_progress_goes_first() {
        let now = Instant::now();
        let mut strangers = Strangers::new(now, 3);
        let [first, second, third] = [(); 3].map(|()| strangers.add(now, ip("10.0.0.1")).0);
        let later = now + Duration::from_secs(1);
        strangers.note_progress(later, first);
        assert_eq!(strangers.add(later, ip("10.0.0.1")).1, Some(second));
        strangers.remove(third);
        assert_eq!(strangers.add(later, ip("10.0.0.1")).1, None);
        assert_eq!(strangers.evict(), Some(first));
        while strangers.evict().is_some() {}
        assert!(strangers.crowd.is_empty());
    }

    #[test]
    fn of_equals_the_one_that_was_silent_for_longest_goes_first() {
        let start = Instant::now();
        let mut strangers = Strangers::new(start, 100);
        let mut gone = Vec::new();
        for n in 0..200_u8 {
            // A network of its own for each, in no order.
            let address = IpAddr::V4([20, n.wrapping_mul(77), 1, 1].into());
            gone.extend(strangers.add(start + Duration::from_millis(n.into()), address).1);
        }
        assert_eq!(gone, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn key_exchanges_of_a_flood_are_few_and_leave_some_for_others() {
        let start = Instant::now();
        let mut strangers = Strangers::new(start, 10);
        let mut count = 0;
        for n in 0..20_000 {
            let now = start + Duration::from_micros(500) * n;
            count += u32::from(strangers.take_key_exchange(now, ip("192.0.2.7")).is_none());
            if n % 2_000 == 0 {
                assert_eq!(strangers.take_key_exchange(now, ip("192.0.2.8")), None);
            }
        }
        assert!((280..300).contains(&count), "{count} in ten seconds");
        // From many hosts, the sum is bounded.
        let many = (0..20_000_u32).filter(|n| {
            let host = IpAddr::V4((0x0a00_0000 + n).into());
            strangers.take_key_exchange(start + Duration::from_secs(60), host).is_none()
        });
        assert_eq!(many.count(), 512);
        assert!(strangers.keys.hosts.len() <= MAX_HOSTS);
    }
}
