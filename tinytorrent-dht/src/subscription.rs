use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::search::{Owner, Task};
use crate::{Item, NodeId, SearchReport};

/// A mutable item to follow (BEP 44, BEP 46): its key, and how often nodes are asked for it.
///
/// # Defaults
/// - Any sequence number counts.
/// - Nodes are asked each 5 minutes, which is some ten bytes a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    pub(crate) owner: Owner,
    pub(crate) newer_than: Option<i64>,
    pub(crate) interval: Duration,
}

impl Follow {
    /// The item of a public key, and of a salt, which is empty if there is none.
    pub fn new(key: [u8; 32], salt: &[u8]) -> Self {
        let owner = Owner { key, salt: salt.into() };
        Self { owner, newer_than: None, interval: Duration::from_secs(5 * 60) }
    }

    /// The sequence number that is known already: of an earlier run, say. Only higher ones are found, so that
    /// nobody can hand out an old item to one who starts anew.
    pub fn newer_than(&mut self, seq: Option<i64>) -> &mut Self {
        self.newer_than = seq;
        self
    }

    /// The time from one look-up to the next. Default: 5 minutes; at least one, at most a day. Less finds
    /// changes earlier, and costs others as much as us.
    pub fn interval(&mut self, interval: Duration) -> &mut Self {
        self.interval = interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        self
    }
}

const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The time after which an item is put again (BEP 44, "Expiration": items leave after two hours).
const PUT_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The time to the next look-up after one that nobody answered. It doubles each time.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(10 * 60);

/// The items that are followed and published, each in rounds of one look-up.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    open: BTreeMap<u64, Subscription>,
    /// The next round of each that has none running.
    due: BTreeSet<(Instant, u64)>,
}

/// An item that is asked for and put again until it is cancelled.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// `None` if it is immutable, and only put.
    owner: Option<Owner>,
    newer_than: Option<i64>,
    /// `None` if it is only asked for when it is put.
    interval: Option<Duration>,
    /// The newest item, which is put.
    item: Option<Item>,
    cas: Option<i64>,
    /// It was stored by somebody, so that it is put again only if few have it.
    is_stored: bool,
    next_ask: Option<Instant>,
    next_put: Option<Instant>,
    retry: Duration,
    /// A round runs.
    is_asking: bool,
}

impl Subscription {
    /// An item that others put.
    pub(crate) fn follow(now: Instant, follow: Follow) -> Self {
        let Follow { owner, newer_than, interval } = follow;
        let (owner, interval, next_ask) = (Some(owner), Some(interval), Some(now));
        Self { owner, newer_than, interval, next_ask, ..Self::idle() }
    }

    /// An item of ours. A newer one of the same key takes its place, as others may have the secret key too.
    pub(crate) fn publish(now: Instant, item: Item, cas: Option<i64>) -> Self {
        let owner = item.mutable_part().map(Owner::of);
        let newer_than = item.seq();
        Self { owner, newer_than, item: Some(item), cas, next_put: Some(now), ..Self::idle() }
    }

    fn idle() -> Self {
        Self {
            owner: None,
            newer_than: None,
            interval: None,
            item: None,
            cas: None,
            is_stored: false,
            next_ask: None,
            next_put: None,
            retry: FIRST_RETRY,
            is_asking: false,
        }
    }

    /// The look-up of the next round, and its target.
    fn begin(&mut self, now: Instant) -> Option<(NodeId, Task)> {
        let put = self.item.as_ref().filter(|_| self.next_put.is_some_and(|at| at <= now));
        let begun = match put {
            Some(item) => {
                let (cas, if_few) = (self.cas, self.is_stored);
                (item.target(), Task::Put { item: item.clone(), cas, if_few })
            }
            None => {
                let owner = self.owner.clone()?;
                let target = Item::target_of(&owner.key, &owner.salt);
                (target, Task::Get { owner: Some(owner), newer_than: self.newer_than })
            }
        };
        self.is_asking = true;
        Some(begun)
    }

    fn on_item(&mut self, now: Instant, item: &Item) {
        if item.seq() <= self.newer_than {
            return;
        }
        self.newer_than = item.seq();
        // Its owner has put it lately.
        (self.next_put, self.is_stored) = (Some(now + PUT_INTERVAL), true);
        (self.item, self.cas) = (Some(item.clone()), None);
    }

    fn on_end(&mut self, now: Instant, report: &SearchReport, rng: &mut StdRng) {
        self.is_asking = false;
        if report.answers == 0 {
            let again = now + self.retry;
            self.retry = (self.retry * 2).min(LONGEST_RETRY);
            let later = |at: Instant| at.max(again);
            (self.next_ask, self.next_put) = (self.next_ask.map(later), self.next_put.map(later));
            return;
        }
        self.retry = FIRST_RETRY;
        // Those who began at the same time do not stay together.
        let mut in_about =
            |interval: Duration| now + interval + rng.random_range(Duration::ZERO..=interval / 10);
        self.next_ask = self.interval.map(&mut in_about);
        if self.next_put.is_some_and(|at| at <= now) {
            self.is_stored |= report.stored > 0;
            self.next_put = Some(in_about(PUT_INTERVAL));
        }
    }

    fn next_round(&self) -> Option<Instant> {
        let next = self.next_ask.into_iter().chain(self.next_put).min();
        next.filter(|_| !self.is_asking)
    }
}

impl Subscriptions {
    pub(crate) fn add(&mut self, id: u64, subscription: Subscription) {
        self.due.extend(subscription.next_round().map(|at| (at, id)));
        self.open.insert(id, subscription);
    }

    /// Ends a subscription. Returns false if there is none of this id.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let removed = self.open.remove(&id);
        if let Some(at) = removed.as_ref().and_then(Subscription::next_round) {
            self.due.remove(&(at, id));
        }
        removed.is_some()
    }

    /// The look-up of a round that is due, which begins, and its target.
    pub(crate) fn begin_one(&mut self, now: Instant) -> Option<(u64, NodeId, Task)> {
        let (_, id) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        let (target, task) = self.change(id, |open| open.begin(now)).flatten()?;
        Some((id, target, task))
    }

    /// A round has found a newer item, whose signature is right.
    pub(crate) fn on_item(&mut self, now: Instant, id: u64, item: &Item) {
        self.change(id, |open| open.on_item(now, item));
    }

    /// A round is over.
    pub(crate) fn on_end(
        &mut self,
        now: Instant,
        id: u64,
        report: &SearchReport,
        rng: &mut StdRng,
    ) {
        self.change(id, |open| open.on_end(now, report, rng));
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    fn change<T>(&mut self, id: u64, change: impl FnOnce(&mut Subscription) -> T) -> Option<T> {
        let open = self.open.get_mut(&id)?;
        let before = open.next_round();
        let changed = change(open);
        let after = open.next_round();
        if let Some(at) = before {
            self.due.remove(&(at, id));
        }
        self.due.extend(after.map(|at| (at, id)));
        Some(changed)
    }

    pub(crate) fn check_invariants(&self) {
        let due = self.open.iter().filter_map(|(id, open)| Some((open.next_round()?, *id)));
        assert_eq!(due.collect::<BTreeSet<_>>(), self.due);
    }
}

#[cfg(all(test, feature = "mutable"))]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use rand::SeedableRng;

    use super::*;

    fn item(seq: i64) -> Item {
        Item::sign(&[1; 32], b"", seq, b"i1e").unwrap()
    }

    fn report(answers: u32, stored: u32) -> SearchReport {
        SearchReport { answers, stored, ..SearchReport::default() }
    }

    /// Ends the round that begins now, and returns the time to the next one.
    fn round(
        open: &mut Subscriptions,
        now: Instant,
        found: Option<i64>,
        report: &SearchReport,
    ) -> Duration {
        let mut rng = StdRng::seed_from_u64(1);
        let (id, ..) = open.begin_one(now).expect("it is due");
        assert_eq!(open.next_timeout(), None, "one round at a time");
        if let Some(seq) = found {
            open.on_item(now, id, &item(seq));
        }
        open.on_end(now, id, report, &mut rng);
        open.check_invariants();
        open.next_timeout().expect("it goes on") - now
    }

    #[test]
    fn an_item_is_asked_for_at_its_interval_and_put_each_hour() {
        // D-70, D-72
        let (start, mut open) = (Instant::now(), Subscriptions::default());
        let known = item(1).target();
        let part = item(1).mutable_part().unwrap().clone();
        let mut follow = Follow::new(part.key, b"");
        follow.interval(Duration::ZERO);
        open.add(1, Subscription::follow(start, follow));
        let mut now = start;
        let (mut puts, mut rounds) = (Vec::new(), 0);
        while now < start + 4 * PUT_INTERVAL {
            let (id, target, task) = open.begin_one(now).unwrap();
            assert_eq!(target, known);
            match task {
                Task::Put { item, if_few, cas } => {
                    assert_eq!((item.seq(), if_few, cas), (Some(3), true, None));
                    puts.push(now);
                }
                Task::Get { newer_than, .. } if now == start => assert_eq!(newer_than, None),
                Task::Get { newer_than, .. } => assert_eq!(newer_than, Some(3)),
                _ => unreachable!("nothing else is asked"),
            }
            if now == start {
                open.on_item(now, id, &item(3));
                open.on_item(now, id, &item(2));
            }
            open.on_end(now, id, &report(8, 8), &mut StdRng::seed_from_u64(2));
            let next = open.next_timeout().unwrap();
            assert!((next - now).as_secs() <= 66, "the shortest interval, or less to a put");
            rounds += 1;
            now = next;
        }
        assert_eq!(puts.len(), 3);
        assert!((215..=240).contains(&rounds), "{rounds}");
    }

    #[test]
    fn a_round_that_nobody_answers_is_repeated_soon_and_then_less_often() {
        let (mut now, mut open) = (Instant::now(), Subscriptions::default());
        open.add(1, Subscription::publish(now, item(1), None));
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = round(&mut open, now, None, &report(0, 0));
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert!(round(&mut open, now, None, &report(8, 8)) >= PUT_INTERVAL);
    }

    #[test]
    fn a_newer_item_takes_the_place_of_ours() {
        let (mut now, mut open) = (Instant::now(), Subscriptions::default());
        open.add(1, Subscription::publish(now, item(1), Some(0)));
        now += round(&mut open, now, Some(2), &report(8, 0));
        let (_, _, task) = open.begin_one(now).unwrap();
        assert!(
            matches!(task, Task::Put { item, cas: None, if_few: true } if item.seq() == Some(2))
        );
    }

    #[test]
    fn what_is_removed_is_not_due() {
        let (now, mut open) = (Instant::now(), Subscriptions::default());
        open.add(1, Subscription::publish(now, item(1), None));
        assert!(open.remove(1) && !open.remove(1));
        open.check_invariants();
        assert!(open.begin_one(now).is_none());
    }
}
