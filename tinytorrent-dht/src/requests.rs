use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::NodeId;

/// The queries that we have sent and that may still be answered.
///
/// An answer counts only from the address that was asked, under the id that it was asked with (D-16). After
/// a second or so a query is slow, and after fifteen seconds it is lost (D-39).
#[derive(Debug)]
pub(crate) struct Requests<P> {
    slow_after: Duration,
    lost_after: Duration,
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
    is_slow: bool,
}

/// What time did to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// It is not waited for any more, but an answer still counts.
    Slow,
    /// It counts no more.
    Lost,
}

impl<P: Clone> Requests<P> {
    pub(crate) fn new(slow_after: Duration, lost_after: Duration, rng: StdRng) -> Self {
        let (open, timers) = Default::default();
        Self { slow_after, lost_after: lost_after.max(slow_after), open, timers, rng }
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
        let request = Request { to, id, sent_at: now, purpose, is_slow: false };
        self.open.insert(transaction, request);
        self.timers.push(Reverse((now + self.slow_after, transaction)));
        transaction
    }

    /// Takes the query out that a message from this address answers.
    pub(crate) fn answer(&mut self, from: SocketAddr, transaction: &[u8]) -> Option<Request<P>> {
        let transaction: [u8; 4] = transaction.try_into().ok()?;
        self.open.get(&transaction).filter(|request| request.to == from)?;
        self.open.remove(&transaction)
    }

    /// The next query that is overdue now. Called until there is none.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(Overdue, Request<P>)> {
        while let Some(&Reverse((at, transaction))) = self.timers.peek() {
            if at > now {
                return None;
            }
            self.timers.pop();
            let Some(request) = self.open.get_mut(&transaction) else { continue };
            if request.is_slow {
                return self.open.remove(&transaction).map(|request| (Overdue::Lost, request));
            }
            request.is_slow = true;
            self.timers.push(Reverse((request.sent_at + self.lost_after, transaction)));
            return Some((Overdue::Slow, request.clone()));
        }
        None
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
        assert!(requests.answer("1.2.3.4:6".parse().unwrap(), &transaction).is_none());
        assert!(requests.answer("1.2.3.5:5".parse().unwrap(), &transaction).is_none());
        assert!(requests.answer(to, &transaction[..3]).is_none());
        assert_eq!(requests.answer(to, &transaction).unwrap().purpose, 7);
        assert!(requests.answer(to, &transaction).is_none());
    }

    #[test]
    fn a_query_is_slow_then_lost() {
        // D-39
        let (now, mut requests, to) = requests();
        let transaction = requests.begin(now, to, None, 7);
        assert_eq!(requests.next_timeout(), Some(now + Duration::from_secs(1)));
        assert!(requests.poll(now + Duration::from_millis(999)).is_none());
        let slow = requests.poll(now + Duration::from_secs(1)).unwrap();
        assert_eq!(slow.0, Overdue::Slow);
        requests.check_invariants();
        let mut late = Requests {
            open: requests.open.clone(),
            timers: requests.timers.clone(),
            ..self::requests().1
        };
        assert!(late.answer(to, &transaction).is_some(), "a late answer counts");
        assert!(requests.poll(now + Duration::from_millis(14_999)).is_none());
        assert_eq!(requests.poll(now + Duration::from_secs(15)).unwrap().0, Overdue::Lost);
        assert!(requests.answer(to, &transaction).is_none() && requests.len() == 0);
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
