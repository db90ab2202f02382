use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::NodeId;
use crate::round_trips::RoundTrips;

/// The queries that we have sent and that may still be answered.
///
/// An answer counts only from the address that was asked, under the id that it was asked with (D-16). A query
/// without an answer is slow, then given up, then lost (D-39); the first two times follow the round trips of late.
#[derive(Debug)]
pub(crate) struct Requests<P> {
    /// The longest time until a query is slow, and the shortest until it is given up.
    slow_after: Duration,
    lost_after: Duration,
    round_trips: RoundTrips,
    open: HashMap<[u8; 4], Request<P>>,
    timers: BinaryHeap<Reverse<(Instant, [u8; 4])>>,
    rng: StdRng,
}

/// A query that we have sent. `P` says what for.
#[derive(Debug, Clone)]
pub(crate) struct Request<P> {
    pub(crate) to: SocketAddr,
    /// The id that the node is said to have.
    pub(crate) id: Option<NodeId>,
    pub(crate) sent_at: Instant,
    pub(crate) purpose: P,
    stage: Stage,
}

/// A query by the time that it has been without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Slow,
    GivenUp,
}

/// What time did to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Most answers come sooner: another node may be asked meanwhile.
    Slow,
    /// It is not waited for any more, but an answer still counts.
    GivenUp,
    /// Its answer does not count any more.
    Lost,
}

/// The shortest time until a query is slow. Round trips of a local network say nothing of how long a busy machine
/// takes.
const SHORTEST: Duration = Duration::from_millis(100);

impl<P: Clone> Requests<P> {
    pub(crate) fn new(slow_after: Duration, lost_after: Duration, rng: StdRng) -> Self {
        let (round_trips, open, timers) = Default::default();
        let lost_after = lost_after.max(slow_after);
        Self { slow_after, lost_after, round_trips, open, timers, rng }
    }

    /// Notes a query, and returns its transaction id: four random bytes (D-28).
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        to: SocketAddr,
        id: Option<NodeId>,
        purpose: P,
    ) -> [u8; 4] {
        let transaction = loop {
            let transaction = self.rng.random();
            if !self.open.contains_key(&transaction) {
                break transaction;
            }
        };
        let request = Request { to, id, sent_at: now, purpose, stage: Stage::New };
        self.open.insert(transaction, request);
        let bound = self.round_trips.bound().unwrap_or(self.slow_after);
        let slow_at = now + bound.max(SHORTEST).min(self.slow_after);
        self.timers.push(Reverse((slow_at, transaction)));
        transaction
    }

    /// Takes the query out that a message from this address answers.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: &[u8],
    ) -> Option<Request<P>> {
        let transaction: [u8; 4] = transaction.try_into().ok()?;
        self.open.get(&transaction).filter(|request| request.to == from)?;
        let request = self.open.remove(&transaction)?;
        self.round_trips.add(now.saturating_duration_since(request.sent_at));
        Some(request)
    }

    /// The next query that is overdue now. Called until there is none.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(Overdue, Request<P>)> {
        while let Some(&Reverse((at, transaction))) = self.timers.peek() {
            if at > now {
                return None;
            }
            self.timers.pop();
            let given_up_after = self.given_up_after();
            let Some(request) = self.open.get_mut(&transaction) else { continue };
            let (next, overdue) = match request.stage {
                Stage::New => {
                    request.stage = Stage::Slow;
                    (given_up_after, Some(Overdue::Slow))
                }
                // Round trips have become longer since.
                Stage::Slow if now < request.sent_at + given_up_after => (given_up_after, None),
                Stage::Slow => {
                    request.stage = Stage::GivenUp;
                    (self.lost_after, Some(Overdue::GivenUp))
                }
                Stage::GivenUp => {
                    return self.open.remove(&transaction).map(|request| (Overdue::Lost, request));
                }
            };
            self.timers.push(Reverse((request.sent_at + next, transaction)));
            if let Some(overdue) = overdue {
                return Some((overdue, request.clone()));
            }
        }
        None
    }

    /// The time after which a query is given up: where answers are slow, look-ups are slow instead of empty.
    fn given_up_after(&self) -> Duration {
        let bound = self.round_trips.bound().map_or(self.lost_after, |bound| bound * 2);
        bound.max(self.slow_after).min(self.lost_after)
    }

    /// Takes out all queries to an address that is known not to answer.
    pub(crate) fn fail(&mut self, address: SocketAddr) -> Vec<Request<P>> {
        self.open
            .extract_if(|_, request| request.to == address)
            .map(|(_, request)| request)
            .collect()
    }

    /// The time at which [`poll`](Self::poll) has something, or had it if all was answered since.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// The number of queries that may still be answered.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn check_invariants(&self) {
        let timers: std::collections::HashSet<_> =
            self.timers.iter().map(|Reverse((_, transaction))| transaction).collect();
        assert!(
            self.open.keys().all(|transaction| timers.contains(transaction)),
            "each has an end"
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use rand::SeedableRng;

    use super::*;

    fn requests() -> (Instant, Requests<u8>, SocketAddr) {
        let (slow, lost) = (Duration::from_secs(1), Duration::from_secs(15));
        let requests = Requests::new(slow, lost, StdRng::from_seed([1; 32]));
        (Instant::now(), requests, "1.2.3.4:5".parse().unwrap())
    }

    #[test]
    fn an_answer_counts_once_and_only_from_who_was_asked() {
        // D-16
        let (now, mut requests, to) = requests();
        let transaction = requests.begin(now, to, None, 7);
        assert!(requests.answer(now, "1.2.3.4:6".parse().unwrap(), &transaction).is_none());
        assert!(requests.answer(now, "1.2.3.5:5".parse().unwrap(), &transaction).is_none());
        assert!(requests.answer(now, to, &transaction[..3]).is_none());
        assert_eq!(requests.answer(now, to, &transaction).unwrap().purpose, 7);
        assert!(requests.answer(now, to, &transaction).is_none());
    }

    /// All that becomes overdue, with the milliseconds after `now`.
    fn overdue(requests: &mut Requests<u8>, now: Instant) -> Vec<(u128, Overdue)> {
        let mut all = Vec::new();
        while let Some(at) = requests.next_timeout() {
            while let Some((overdue, _)) = requests.poll(at) {
                all.push(((at - now).as_millis(), overdue));
                requests.check_invariants();
            }
        }
        all
    }

    #[test]
    fn a_query_is_slow_then_given_up_then_lost() {
        // D-39
        let (now, mut requests, to) = requests();
        let transaction = requests.begin(now, to, None, 7);
        let late = Requests { open: requests.open.clone(), ..self::requests().1 };
        // Nothing is known of the link, which may be slow.
        let all = [(1_000, Overdue::Slow), (15_000, Overdue::GivenUp), (15_000, Overdue::Lost)];
        assert_eq!(overdue(&mut requests, now), all);
        assert!(requests.answer(now, to, &transaction).is_none() && requests.len() == 0);
        let mut late = late;
        let at = now + Duration::from_secs(14);
        assert!(late.answer(at, to, &transaction).is_some(), "a late answer counts");
    }

    #[test]
    fn the_times_follow_the_round_trips() {
        // D-39
        let with_round_trips = |millis| {
            let (now, mut requests, to) = requests();
            for _ in 0..100 {
                let transaction = requests.begin(now, to, None, 7);
                requests.answer(now + Duration::from_millis(millis), to, &transaction).unwrap();
            }
            while requests.poll(now + Duration::from_secs(60)).is_some() {}
            requests.begin(now, to, None, 7);
            overdue(&mut requests, now)
        };
        let [fast, slow] = [1, 3_000].map(with_round_trips);
        let end = (15_000, Overdue::Lost);
        assert_eq!(fast, [(100, Overdue::Slow), (1_000, Overdue::GivenUp), end]);
        assert_eq!(slow, [(1_000, Overdue::Slow), (6_000, Overdue::GivenUp), end]);
    }

    #[test]
    fn round_trips_that_become_longer_put_off_the_time_to_give_up() {
        let (now, mut requests, to) = requests();
        let first = requests.begin(now, to, None, 1);
        requests.answer(now + Duration::from_millis(10), to, &first).unwrap();
        let second = requests.begin(now, to, None, 2);
        requests.begin(now, to, None, 3);
        let at = |millis| now + Duration::from_millis(millis);
        while requests.poll(at(900)).is_some() {}
        requests.answer(at(900), to, &second).unwrap();
        assert!(requests.poll(at(1_000)).is_none(), "the third one may be on its way as well");
        assert_eq!(requests.poll(at(2_000)).unwrap().0, Overdue::GivenUp);
    }

    #[test]
    fn an_unreachable_address_fails_its_queries_and_no_other() {
        // D-52
        let (now, mut requests, to) = requests();
        requests.begin(now, to, None, 1);
        requests.begin(now, to, None, 2);
        requests.begin(now, "1.2.3.4:6".parse().unwrap(), None, 3);
        let mut failed: Vec<_> = requests.fail(to).iter().map(|request| request.purpose).collect();
        failed.sort();
        assert_eq!((failed, requests.len()), (vec![1, 2], 1));
    }

    #[test]
    fn transaction_ids_are_no_counter() {
        // D-28
        let (now, mut requests, to) = requests();
        let ids: Vec<u32> =
            (0..100).map(|_| u32::from_be_bytes(requests.begin(now, to, None, 0))).collect();
        let steps: std::collections::HashSet<_> =
            ids.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
        assert_eq!(steps.len(), 99);
    }
}
