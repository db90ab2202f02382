use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The neighbours that have announced a torrent of late.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    address: SocketAddr,
    heard: Instant,
    passed_on: Instant,
}

/// The judgement of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// The first one of this neighbour.
    First,
    /// One to pass on again, as the engine may have forgotten the address.
    Again,
    /// One that was passed on a moment ago, or one too many.
    Nothing,
}

/// Neighbours of one torrent at most (L-10). More peers than a torrent has places for would be of no use.
const MOST: usize = 64;

/// Ports of one host at most, so that it cannot keep others out. Several clients may run on a host.
const MOST_OF_HOST: usize = 4;

/// Time from one announcement that is passed on to the next. Some clients say everything three times.
const PASS_ON: Duration = Duration::from_secs(60);

/// Time after which a neighbour is forgotten: it has missed three announcements.
const FORGET: Duration = Duration::from_secs(15 * 60 + 30);

impl Heard {
    pub(crate) fn note(&mut self, now: Instant, address: SocketAddr) -> News {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.address == address) {
            entry.heard = now;
            if now < entry.passed_on + PASS_ON {
                return News::Nothing;
            }
            entry.passed_on = now;
            return News::Again;
        }
        self.entries.retain(|entry| now < entry.heard + FORGET);
        let of_host = self.entries.iter().filter(|entry| entry.address.ip() == address.ip());
        if self.entries.len() >= MOST || of_host.count() >= MOST_OF_HOST {
            return News::Nothing;
        }
        self.entries.push(Entry { address, heard: now, passed_on: now });
        News::First
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    fn at(host: u8, port: u16) -> SocketAddr {
        ([10, 0, 0, host], port).into()
    }

    #[test]
    fn an_announcement_is_passed_on_once_a_minute() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut heard = Heard::default();
        assert_eq!(heard.note(start, at(1, 1)), News::First);
        assert_eq!(heard.note(after(2), at(1, 1)), News::Nothing);
        assert_eq!(heard.note(after(60), at(1, 1)), News::Again);
        assert_eq!(heard.note(after(60), at(1, 2)), News::First, "another port is another client");
        assert_eq!(heard.note(after(360), at(1, 1)), News::Again);
        assert_eq!(heard.note(after(361), at(2, 1)), News::First);
        assert_eq!(heard.entries.len(), 3);
    }

    // L-10
    #[test]
    fn neighbours_of_a_torrent_are_limited_and_one_host_has_few() {
        let start = Instant::now();
        let mut heard = Heard::default();
        for port in 1..2_000 {
            heard.note(start, at(1, port));
        }
        assert_eq!(heard.entries.len(), MOST_OF_HOST);
        assert_eq!(heard.note(start, at(2, 1)), News::First, "others are heard");
        for n in 0..10_000u32 {
            heard.note(start, ((n + (11 << 24)).to_be_bytes(), 1).into());
        }
        assert_eq!(heard.entries.len(), MOST);
        assert_eq!(heard.note(start, at(3, 1)), News::Nothing);
        assert_eq!(heard.note(start + FORGET, at(3, 1)), News::First, "the others were forgotten");
        assert_eq!(heard.entries.len(), 1);
    }
}
