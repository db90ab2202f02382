use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tinytorrent_swarm::MetadataDemand;

/// The division of the memory for metadata among the torrents that fetch theirs.
///
/// While there is enough, each torrent has what it can use. Otherwise each has an equal part, and at least as
/// much as the metadata takes that its peers announce: part of it is of no use. If there is not enough for
/// that, torrents have turns. A turn ends when another torrent waits and the time is up, or when too little
/// comes for others to wait for. Each turn of a torrent is twice as long as the one before, so that large
/// metadata over a slow line is complete in the end.
#[derive(Debug)]
pub(super) struct Turns {
    /// Bytes in all.
    limit: u64,
    /// Number of the next torrent.
    next: u64,
    torrents: HashMap<u64, Torrent>,
    /// Torrents that wait, and since when.
    line: VecDeque<(u64, Instant)>,
}

/// A torrent that has memory, or a use for some.
#[derive(Debug, Default)]
struct Torrent {
    granted: u64,
    /// The turn that it has.
    turn: Option<Turn>,
    /// Turns that it had before.
    turns: u32,
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    since: Instant,
    /// Bytes of metadata that had come before.
    stored: u64,
}

impl Turns {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, next: 0, torrents: HashMap::new(), line: VecDeque::new() }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The number of a torrent that is new.
    pub(super) fn add(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Removes a torrent that has its metadata, or has ended.
    pub(super) fn remove(&mut self, torrent: u64) {
        self.torrents.remove(&torrent);
        self.leave_line(torrent);
    }

    /// Bytes of all torrents.
    pub(super) fn granted(&self) -> u64 {
        self.torrents.values().map(|torrent| torrent.granted).sum()
    }

    /// Returns `true` if the torrent waits for its turn.
    pub(super) fn is_waiting(&self, torrent: u64) -> bool {
        self.line.iter().any(|(waiting, _)| *waiting == torrent)
    }

    /// Looks at the demand of a torrent. Returns the bytes that it has from now on.
    pub(super) fn update(&mut self, now: Instant, torrent: u64, demand: MetadataDemand) -> u64 {
        let least = demand.checking + demand.least;
        if least == 0 {
            // Nobody has told of the metadata, or those who did are gone.
            self.remove(torrent);
            return 0;
        }
        let known = self.torrents.entry(torrent).or_default();
        let is_wanted_by_others = self.line.iter().any(|(waiting, _)| *waiting != torrent);
        if is_wanted_by_others && known.ends_turn(now, demand.stored) {
            // What is being checked stays, and is over soon.
            known.granted = demand.checking;
            self.leave_line(torrent);
            self.line.push_back((torrent, now));
            return demand.checking;
        }
        let part = self.limit / self.torrents.len() as u64;
        let wanted = demand.most.min(part.max(least)).min(self.limit);
        let granted = self.granted_to(torrent);
        if wanted <= granted {
            if is_wanted_by_others {
                self.grant(torrent, wanted.max(demand.checking));
            }
        } else if self.may_take(now, torrent, least.min(self.limit) - granted.min(least)) {
            let free = self.limit.saturating_sub(self.granted());
            self.leave_line(torrent);
            self.begin_turn(now, torrent, demand.stored);
            self.grant(torrent, wanted.min(granted + free));
        } else if granted < least && !self.is_waiting(torrent) {
            self.line.push_back((torrent, now));
        }
        self.granted_to(torrent)
    }

    /// Returns `true` if so many bytes are free and it is this torrent's turn to take them. Those who need
    /// little need not wait for those who need much, for a while.
    fn may_take(&self, now: Instant, torrent: u64, bytes: u64) -> bool {
        let is_free = self.granted() + bytes <= self.limit;
        let is_next = match self.line.front() {
            None => true,
            Some((first, since)) => *first == torrent || now < *since + OVERTAKING,
        };
        is_free && is_next
    }

    fn granted_to(&self, torrent: u64) -> u64 {
        self.torrents.get(&torrent).map_or(0, |known| known.granted)
    }

    fn grant(&mut self, torrent: u64, bytes: u64) {
        if let Some(known) = self.torrents.get_mut(&torrent) {
            known.granted = bytes;
        }
    }

    fn begin_turn(&mut self, now: Instant, torrent: u64, stored: u64) {
        if let Some(known) = self.torrents.get_mut(&torrent) {
            known.turn.get_or_insert(Turn { since: now, stored });
        }
    }

    fn leave_line(&mut self, torrent: u64) {
        self.line.retain(|(waiting, _)| *waiting != torrent);
    }
}

impl Torrent {
    /// Ends the turn, if there is one and it has lasted long enough for another torrent that waits.
    fn ends_turn(&mut self, now: Instant, stored: u64) -> bool {
        let Some(turn) = self.turn else { return false };
        let age = now.saturating_duration_since(turn.since);
        let came = stored - turn.stored;
        let is_slow = age >= START && came < age.as_secs() * LEAST_RATE;
        let is_over = is_slow || age >= TURN * 2_u32.pow(self.turns.min(MOST_DOUBLINGS));
        if is_over {
            self.turn = None;
            self.turns += 1;
        }
        is_over
    }
}

/// The first turn: ordinary metadata comes in a few seconds.
const TURN: Duration = Duration::from_secs(30);

/// Times that a turn is doubled at most: the longest has 8 min.
const MOST_DOUBLINGS: u32 = 4;

/// Time in which the first blocks of a turn have to come.
const START: Duration = Duration::from_secs(10);

/// Bytes a second that have to come while others wait: half a block.
const LEAST_RATE: u64 = 8 << 10;

/// Time for which others may be served before the first in line.
const OVERTAKING: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The demand of a torrent whose peers announce these sizes, the first of which comes first.
    fn demand(sizes: &[u64]) -> MetadataDemand {
        let mut demand = MetadataDemand::default();
        (demand.least, demand.most) = (sizes[0], sizes.iter().sum());
        demand
    }

    #[test]
    fn while_there_is_enough_each_has_what_it_can_use() {
        let (mut turns, now) = (Turns::new(1000), Instant::now());
        let (one, other) = (turns.add(), turns.add());
        assert_eq!(turns.update(now, one, MetadataDemand::default()), 0);
        assert_eq!(turns.update(now, one, demand(&[100, 200, 300])), 600);
        assert_eq!(turns.update(now, one, demand(&[100, 200, 300, 900])), 1000);
        assert_eq!(turns.update(now, other, demand(&[100])), 0);
        assert!(turns.is_waiting(other));
        assert_eq!(turns.update(now, one, demand(&[100, 200, 300, 900])), 500, "an equal part");
        assert_eq!(turns.update(now, other, demand(&[100])), 100);
        assert!(!turns.is_waiting(other));
        turns.remove(other);
        assert_eq!(turns.update(now, one, demand(&[100, 200, 300, 900])), 1000);
        turns.remove(one);
        assert_eq!(turns.granted(), 0);
    }

    #[test]
    fn torrents_that_take_more_than_a_part_have_turns() {
        let (mut turns, mut now) = (Turns::new(1000), Instant::now());
        let torrents: Vec<_> = (0..5).map(|_| turns.add()).collect();
        let mut had = [0_u32; 5];
        for _ in 0..100 {
            now += SECOND;
            for (&torrent, had) in torrents.iter().zip(&mut had) {
                // Nothing comes to any of them.
                *had += u32::from(turns.update(now, torrent, demand(&[800])) >= 800);
                assert!(turns.granted() <= 1000);
            }
        }
        assert!(had.iter().all(|had| (15..25).contains(had)), "{had:?}");
    }

    #[test]
    fn a_turn_lasts_as_long_as_something_comes_and_the_next_one_longer() {
        let (mut turns, mut now) = (Turns::new(1000), Instant::now());
        let (slow, other) = (turns.add(), turns.add());
        let mut wanted = demand(&[900]);
        let mut had = vec![0];
        for _ in 0..200 {
            now += SECOND;
            wanted.stored += LEAST_RATE + 1;
            match turns.update(now, slow, wanted) {
                900 => *had.last_mut().unwrap() += 1,
                _ => had.push(0),
            }
            turns.update(now, other, demand(&[900]));
        }
        had.retain(|had| *had > 0);
        assert_eq!(had[..2], [30, 60]);
    }

    #[test]
    fn those_who_need_little_overtake_for_a_while() {
        let (mut turns, now) = (Turns::new(1000), Instant::now());
        let (first, second, small) = (turns.add(), turns.add(), turns.add());
        assert_eq!(turns.update(now, first, demand(&[700])), 700);
        assert_eq!(turns.update(now, second, demand(&[700])), 0);
        assert_eq!(turns.update(now, small, demand(&[50])), 50);
        turns.remove(small);
        let small = turns.add();
        let later = now + OVERTAKING;
        assert_eq!(turns.update(later, small, demand(&[50])), 0, "the other has waited long");
        assert_eq!(turns.update(later, first, demand(&[700])), 0);
        assert_eq!(turns.update(later, second, demand(&[700])), 700);
        assert_eq!(turns.update(later, small, demand(&[50])), 50);
    }

    #[test]
    fn what_is_being_checked_is_not_taken_away() {
        let (mut turns, now) = (Turns::new(1000), Instant::now());
        let (one, other) = (turns.add(), turns.add());
        let mut checking = demand(&[300]);
        (checking.checking, checking.used, checking.most) = (600, 600, 900);
        assert_eq!(turns.update(now, one, checking), 900);
        assert_eq!(turns.update(now, other, demand(&[700])), 0);
        assert_eq!(turns.update(now + TURN, one, checking), 600);
        assert_eq!(turns.update(now + TURN, other, demand(&[700])), 0);
    }
}
