use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use super::turns::Seat;
use crate::PeerKey;
use crate::peer::Slot;

/// A peer that wants something of us, in figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applicant {
    pub(crate) key: PeerKey,
    /// Its host, whose connections take turns together.
    pub(super) seat: Seat,
    /// A connection of its host had a slot before.
    pub(super) is_known: bool,
    /// Bytes a second that it sends us.
    pub(crate) gives: u64,
    /// It has stopped sending us what we asked for.
    pub(crate) is_snubbing: bool,
    /// The slot that it has, or had.
    pub(crate) slot: Slot,
    /// It has a slot, and has made no use of it for a while.
    pub(crate) wastes_slot: bool,
    /// When it connected.
    pub(crate) joined: Instant,
}

/// Chooses the peers to serve in the coming round: the best for `slots - 1`, and one at random.
///
/// While we download, the best are those who give us most: tit for tat (BEP 3). Once we have
/// everything, the slots go round: who has been served for a while makes room for who has waited
/// longest. `optimistic` is kept unless `rotate`. Peers that make no use of their slot come last.
pub(crate) fn choose(
    now: Instant,
    mut applicants: Vec<Applicant>,
    slots: usize,
    is_seeding: bool,
    optimistic: Option<PeerKey>,
    rotate: bool,
    chance: &mut impl Rng,
) -> Choice {
    // Nobody has to be chosen, and nobody is there by luck.
    if applicants.len() <= slots {
        let unchoked = applicants.iter().map(|applicant| applicant.key).collect();
        return Choice { unchoked, optimistic: None };
    }
    if is_seeding {
        applicants.sort_by_key(|applicant| applicant.turn(now));
        let applicants = hosts_first(applicants);
        let unchoked = applicants.iter().take(slots).map(|applicant| applicant.key).collect();
        return Choice { unchoked, optimistic: None };
    }
    applicants.sort_by_key(|applicant| applicant.merit(now));
    let applicants = hosts_first(applicants);
    let regular = slots.saturating_sub(1);
    let mut unchoked: Vec<_> = applicants.iter().take(regular).map(|a| a.key).collect();
    // The optimistic one must not be one that has earned its slot.
    let rest = &applicants[regular.min(applicants.len())..];
    let is_kept = |a: &Applicant| Some(a.key) == optimistic && !a.is_idle();
    let kept = optimistic.filter(|_| !rotate && rest.iter().any(is_kept));
    let optimistic = kept.or_else(|| lottery(now, rest, optimistic, chance));
    if slots > 0 {
        unchoked.extend(optimistic);
    }
    Choice { unchoked, optimistic }
}

/// The choice of [`choose`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) unchoked: Vec<PeerKey>,
    pub(crate) optimistic: Option<PeerKey>,
}

/// The same, those first that are the first ones of their hosts.
fn hosts_first(applicants: Vec<Applicant>) -> Vec<Applicant> {
    let mut seen = HashSet::new();
    let (mut first, mut rest): (Vec<_>, Vec<_>) =
        applicants.into_iter().partition(|applicant| seen.insert(applicant.seat));
    first.append(&mut rest);
    first
}

/// One of the others at random, each host with the same chance; one that came lately has three tickets
/// (BEP 3), unless its host was here before. Those that made nothing of their last slot have none, while
/// there are others.
fn lottery(
    now: Instant,
    rest: &[Applicant],
    last: Option<PeerKey>,
    chance: &mut impl Rng,
) -> Option<PeerKey> {
    let all = || rest.iter().filter(|applicant| Some(applicant.key) != last);
    let is_for_all = all().all(Applicant::is_idle);
    let others = all().filter(|applicant| is_for_all || !applicant.is_idle());
    let mut hosts: BTreeMap<Seat, Vec<&Applicant>> = BTreeMap::new();
    others.for_each(|applicant| hosts.entry(applicant.seat).or_default().push(applicant));
    let is_new = |applicant: &&Applicant| {
        !applicant.is_known && now.saturating_duration_since(applicant.joined) < NEW
    };
    let tickets = |of: &Vec<&Applicant>| if of.iter().all(&is_new) { 3 } else { 1 };
    let tickets: Vec<_> =
        hosts.values().flat_map(|of| std::iter::repeat_n(of, tickets(of))).collect();
    // Nobody else waits: it may as well stay.
    if tickets.is_empty() {
        return last.filter(|key| rest.iter().any(|applicant| applicant.key == *key));
    }
    let drawn = tickets[chance.random_range(0..tickets.len())];
    Some(drawn[chance.random_range(0..drawn.len())].key)
}

/// How long a peer counts as new.
const NEW: Duration = Duration::from_secs(60);

/// How long a seed serves one peer before others have their turn.
const TURN: Duration = Duration::from_secs(60);

impl Applicant {
    /// Its place while we download: those that give most come first. Of equals, those that used
    /// their last slot come before those that did not, and each in its turn.
    fn merit(&self, now: Instant) -> impl Ord + use<> {
        let gives = Reverse(self.gives);
        (self.is_snubbing, self.wastes_slot, gives, self.slot.wasted_at(), self.turn(now))
    }

    /// `true` if it makes nothing of its slot, or made nothing of its last one.
    fn is_idle(&self) -> bool {
        self.wastes_slot || self.slot.wasted_at().is_some()
    }

    /// Its place in a seed's queue, or among equals: those in their turn, those that wait, the longest first, and
    /// last those whose turn is over.
    fn turn(&self, now: Instant) -> (u8, Option<Instant>, Instant, PeerKey) {
        match self.slot.held_since() {
            Some(since) if self.wastes_slot => (2, Some(since), self.joined, self.key),
            Some(since) if now.saturating_duration_since(since) < TURN => {
                (0, Some(since), self.joined, self.key)
            }
            Some(since) => (2, Some(since), self.joined, self.key),
            None => (1, self.slot.taken_at(), self.joined, self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::super::rounds::ROUND;
    use super::*;

    fn applicant(slot: u32, gives: u64, now: Instant) -> Applicant {
        Applicant {
            key: PeerKey::new(slot, 0),
            seat: Seat::Here(PeerKey::new(slot, 0)),
            is_known: false,
            gives,
            is_snubbing: false,
            slot: Slot::default(),
            wastes_slot: false,
            joined: now,
        }
    }

    fn slots_of(choice: &Choice) -> Vec<usize> {
        choice.unchoked.iter().map(|key| key.slot()).collect()
    }

    #[test]
    fn who_gives_most_is_served_and_who_snubs_is_not() {
        let (now, mut chance) = (Instant::now(), Xoshiro256PlusPlus::seed_from_u64(1));
        let mut applicants: Vec<_> = (0..6).map(|n| applicant(n, u64::from(n), now)).collect();
        applicants[5].is_snubbing = true;
        let choice = choose(now, applicants, 3, false, None, true, &mut chance);
        assert_eq!(slots_of(&choice)[..2], [4, 3]);
        assert_eq!(choice.unchoked.len(), 3);
        assert_eq!(choice.unchoked.last().copied(), choice.optimistic);
    }

    #[test]
    fn who_makes_nothing_of_a_slot_comes_last() {
        let (start, mut chance) = (Instant::now(), Xoshiro256PlusPlus::seed_from_u64(1));
        let now = start + ROUND;
        let mut applicants: Vec<_> = (0..6).map(|n| applicant(n, 0, start)).collect();
        applicants[0].slot.give(start);
        applicants[0].wastes_slot = true;
        for applicant in &mut applicants[1..4] {
            applicant.slot.give(start);
            applicant.slot.take(now);
        }
        for is_seeding in [false, true] {
            for optimistic in [None, Some(applicants[1].key)] {
                let applicants = applicants.clone();
                let choice = choose(now, applicants, 2, is_seeding, optimistic, false, &mut chance);
                let mut slots = slots_of(&choice);
                slots.sort_unstable();
                assert_eq!(slots, [4, 5]);
            }
        }
    }

    #[test]
    fn of_those_who_give_nothing_all_have_their_turn() {
        let (start, mut chance) = (Instant::now(), Xoshiro256PlusPlus::seed_from_u64(1));
        let mut peers: Vec<_> = (0..6).map(|n| applicant(n, 0, start)).collect();
        let mut served = std::collections::BTreeSet::new();
        for round in 0..30 {
            let now = start + ROUND * round;
            // Nobody is lucky: the turns alone have to do.
            let choice =
                choose(now, peers.clone(), 3, false, Some(peers[0].key), false, &mut chance);
            for peer in &mut peers {
                match (choice.unchoked[..2].contains(&peer.key), peer.slot.is_held()) {
                    (true, false) => peer.slot.give(now),
                    (false, true) => peer.slot.take(now),
                    _ => {}
                }
                peer.slot.note_use(now);
            }
            served.extend(choice.unchoked[..2].iter().copied());
        }
        assert_eq!(served.len(), 6);
    }

    #[test]
    fn all_are_served_where_there_is_room() {
        let (now, mut chance) = (Instant::now(), Xoshiro256PlusPlus::seed_from_u64(1));
        let applicants = (0..4).map(|n| applicant(n, 0, now)).collect();
        assert_eq!(choose(now, applicants, 4, false, None, true, &mut chance).unchoked.len(), 4);
    }

    #[test]
    fn the_optimistic_one_stays_until_it_is_time_and_then_changes() {
        let (now, mut chance) = (Instant::now(), Xoshiro256PlusPlus::seed_from_u64(1));
        let applicants: Vec<_> = (0..6).map(|n| applicant(n, 0, now)).collect();
        let first = choose(now, applicants.clone(), 2, false, None, true, &mut chance).optimistic;
        let kept = choose(now, applicants.clone(), 2, false, first, false, &mut chance).optimistic;
        let next = choose(now, applicants, 2, false, first, true, &mut chance).optimistic;
        assert_eq!(first, kept);
        assert_ne!(first, next);
    }

    #[test]
    fn new_peers_win_the_lottery_three_times_as_often() {
        let (now, mut chance) = (Instant::now(), Xoshiro256PlusPlus::seed_from_u64(7));
        let mut rest = vec![applicant(0, 0, now), applicant(1, 0, now)];
        let later = now + 2 * NEW;
        rest[1].joined = later;
        let mut wins = [0; 2];
        for _ in 0..4_000 {
            wins[lottery(later, &rest, None, &mut chance).unwrap().slot()] += 1;
        }
        let ratio = f64::from(wins[1]) / f64::from(wins[0]);
        assert!((2.7..3.3).contains(&ratio), "{ratio}");
    }

    /// Sixteen connections of one host, which are new at any time, and one of another.
    fn crowd_and_other(now: Instant) -> Vec<Applicant> {
        let mut all: Vec<_> = (0..17).map(|n| applicant(n, 0, now)).collect();
        for one in &mut all[..16] {
            one.seat = Seat::Host(tinytorrent_types::Host::of([9, 9, 9, 9].into()));
        }
        all
    }

    #[test]
    fn one_host_with_many_connections_leaves_the_others_their_turns() {
        let (now, mut chance) = (Instant::now(), Xoshiro256PlusPlus::seed_from_u64(1));
        let all = crowd_and_other(now);
        for is_seeding in [true, false] {
            let choice = choose(now, all.clone(), 4, is_seeding, None, true, &mut chance);
            assert!(choice.unchoked.contains(&all[16].key), "{choice:?}");
        }
        let wins =
            (0..1_000).filter(|_| lottery(now, &all, None, &mut chance) == Some(all[16].key));
        assert!((400..600).contains(&wins.count()), "each host has the same chance");
    }

    #[test]
    fn at_a_seed_nobody_waits_longer_than_the_queue_is() {
        let (start, mut chance) = (Instant::now(), Xoshiro256PlusPlus::seed_from_u64(1));
        let mut peers: Vec<_> = (0..10).map(|n| applicant(n, 0, start)).collect();
        let mut last_served: BTreeMap<PeerKey, Instant> = BTreeMap::new();
        // Ten peers, three slots: the fourth turn reaches everybody, ties cost one more.
        let longest = 5 * TURN;
        for round in 0..600 {
            let now = start + ROUND * round;
            let choice = choose(now, peers.clone(), 3, true, None, false, &mut chance);
            assert_eq!(choice.unchoked.len(), 3);
            for peer in &mut peers {
                if choice.unchoked.contains(&peer.key) {
                    if !peer.slot.is_held() {
                        peer.slot.give(now);
                    }
                    peer.slot.note_use(now);
                    last_served.insert(peer.key, now);
                } else if peer.slot.is_held() {
                    peer.slot.take(now);
                }
                let waited = now - last_served.get(&peer.key).copied().unwrap_or(start);
                assert!(waited <= longest, "{} waited {waited:?}", peer.key);
            }
        }
    }
}
