use std::time::Instant;

use super::counts::deal;
use crate::ClientLimits;

/// The connections that torrents may begin, which are given out by and by.
#[derive(Debug)]
pub(crate) struct DialCredit {
    /// Connections that may be begun by the number for a second.
    tokens: f64,
    /// The time up to which tokens were counted.
    counted: Instant,
    /// The torrent that is given the first one.
    first: usize,
}

/// The connections of one torrent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TorrentDials {
    /// Those that are being made.
    pub(crate) dials: usize,
    /// Those that it could begin.
    pub(crate) wish: usize,
    /// Those that it was allowed to begin, and has not begun.
    pub(crate) unspent: u32,
}

impl DialCredit {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tokens: 0.0, counted: now, first: 0 }
    }

    /// The number of connections that each torrent may begin from now on.
    pub(crate) fn give(
        &mut self,
        now: Instant,
        limits: ClientLimits,
        torrents: &[TorrentDials],
    ) -> Vec<u32> {
        let unspent: f64 = torrents.iter().map(|torrent| f64::from(torrent.unspent)).sum();
        let by_rate = limits.dials_per_second.map(|rate| {
            let came = f64::from(rate) * now.saturating_duration_since(self.counted).as_secs_f64();
            // What was saved up for a second at most, and at least for one connection.
            self.tokens = (self.tokens + unspent + came).min(f64::from(rate).max(1.0));
            self.tokens as usize
        });
        self.counted = now;
        let made = torrents.iter().map(|torrent| torrent.dials).sum();
        let by_count = limits.half_open.map(|most| most.saturating_sub(made));
        let count = by_rate.into_iter().chain(by_count).min().unwrap_or(usize::MAX);
        let wishes: Vec<_> = torrents.iter().map(|torrent| torrent.wish).collect();
        let dealt = deal(count, &wishes, self.first);
        // Each has its turn if there is never enough for all.
        self.first = (self.first + 1) % torrents.len().max(1);
        if limits.dials_per_second.is_some() {
            self.tokens -= dealt.iter().sum::<usize>() as f64;
        }
        dealt.into_iter().map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn dialing(dials: usize, wish: usize) -> TorrentDials {
        TorrentDials { dials, wish, unspent: 0 }
    }

    /// S-28
    #[test]
    fn no_more_are_made_than_the_limit_and_each_has_its_turn() {
        let (now, mut credit) = (Instant::now(), DialCredit::new(Instant::now()));
        let limits = ClientLimits { half_open: Some(5), ..ClientLimits::default() };
        assert_eq!(credit.give(now, limits, &[dialing(3, 9), dialing(0, 9)]), [1, 1]);
        assert_eq!(credit.give(now, limits, &[dialing(4, 9), dialing(1, 9)]), [0, 0]);
        let firsts: Vec<_> =
            (0..2).map(|_| credit.give(now, limits, &[dialing(4, 9), dialing(0, 9)])).collect();
        assert!(firsts.contains(&vec![1, 0]) && firsts.contains(&vec![0, 1]));
    }

    /// S-28
    #[test]
    fn in_a_second_no_more_are_begun_than_the_limit() {
        let (start, mut credit) = (Instant::now(), DialCredit::new(Instant::now()));
        let limits = ClientLimits { dials_per_second: Some(8), ..ClientLimits::default() };
        let mut begun = Vec::new();
        for step in 1..=40 {
            let now = start + Duration::from_millis(250 * step);
            let given: u32 =
                credit.give(now, limits, &[dialing(0, 30), dialing(9, 30)]).iter().sum();
            begun.push(given);
        }
        assert!(begun.windows(4).all(|second| second.iter().sum::<u32>() <= 8), "{begun:?}");
        assert!(begun.iter().sum::<u32>() >= 79, "{begun:?}");
        // What is not used is not lost, and not saved up for ever.
        let late = start + Duration::from_secs(100);
        assert_eq!(credit.give(late, limits, &[dialing(0, 30)]), [8]);
        let unspent = TorrentDials { dials: 0, wish: 30, unspent: 8 };
        assert_eq!(credit.give(late, limits, &[unspent]), [8]);
    }
}
