use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use tinytorrent_wire::HashRequest;

use crate::PeerKey;
use crate::planted::{Bug, is_planted};

/// The fetching of hashes that have to come from peers before the content can be looked at (BEP 52,
/// "hash request"): the requests, and the peers to ask for them.
#[derive(Debug)]
pub(crate) struct HashFetch {
    /// Requests that are not in flight.
    free: VecDeque<HashRequest>,
    asked: Vec<Asked>,
    /// Peers that did not answer lately.
    resting: HashMap<PeerKey, Rest>,
}

#[derive(Debug)]
struct Asked {
    peer: PeerKey,
    request: HashRequest,
    /// When to ask somebody else; `None` while the answer is looked at.
    until: Option<Instant>,
}

impl Asked {
    fn is(&self, peer: PeerKey, request: &HashRequest) -> bool {
        self.peer == peer && self.request == *request
    }
}

#[derive(Debug, Default)]
struct Rest {
    until: Option<Instant>,
    /// How often in a row.
    times: u32,
}

/// The requests in flight to one peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Load {
    requests: usize,
    hashes: u32,
}

impl Load {
    fn add(&mut self, request: &HashRequest) {
        self.requests += 1;
        self.hashes = self.hashes.saturating_add(request.length);
    }

    fn has_room(self) -> bool {
        self.requests < AT_ONCE && self.hashes < HASHES_AT_ONCE
    }
}

impl HashFetch {
    pub(crate) fn new(requests: Vec<HashRequest>) -> Self {
        Self { free: requests.into(), asked: Vec::new(), resting: HashMap::new() }
    }

    /// The next requests, and the peers among these to send them to. Those that answered come before those that did
    /// not, of which there may be enough to keep all questions among themselves.
    pub(crate) fn poll_requests(
        &mut self,
        now: Instant,
        peers: &[PeerKey],
    ) -> Vec<(PeerKey, HashRequest)> {
        let mut requests = Vec::new();
        // Each word of a peer leads here, and most of the time everything is in flight.
        if self.free.is_empty() {
            return requests;
        }
        let mut loads = HashMap::<PeerKey, Load>::new();
        for asked in &self.asked {
            loads.entry(asked.peer).or_default().add(&asked.request);
        }
        let ranks = peers.iter().filter_map(|&peer| {
            let rest = self.resting.get(&peer);
            let is_awake = rest.and_then(|rest| rest.until) <= Some(now);
            let load = loads.get(&peer).copied().unwrap_or_default();
            let is_free = is_awake && load.has_room();
            is_free.then_some(Reverse((rest.map_or(0, |rest| rest.times), load, peer)))
        });
        // The least loaded one is asked next, so that a slow peer does not get all of them.
        let mut ranks: BinaryHeap<_> = ranks.collect();
        while let Some(Reverse((times, mut load, peer))) = ranks.pop()
            && let Some(request) = self.free.pop_front()
        {
            let patience = PATIENCE * 2u32.pow(times.min(MAX_PATIENCE_DOUBLINGS));
            self.asked.push(Asked { peer, request, until: Some(now + patience) });
            requests.push((peer, request));
            load.add(&request);
            if load.has_room() {
                ranks.push(Reverse((times, load, peer)));
            }
        }
        requests
    }

    /// An answer came. `false` if it was not awaited, else somebody has to look at it.
    pub(crate) fn handle_hashes(&mut self, peer: PeerKey, request: &HashRequest) -> bool {
        let asked = self.asked.iter_mut().find(|asked| asked.is(peer, request));
        asked.is_some_and(|asked| asked.until.take().is_some())
    }

    /// An answer was looked at. If it is wrong, others are asked.
    pub(crate) fn handle_checked(&mut self, peer: PeerKey, request: &HashRequest, is_right: bool) {
        // It was given up on meanwhile, and may be asked of another.
        let Some(request) = self.take(peer, request) else { return };
        if is_right || is_planted(Bug::TrustsHashes) {
            // It made good: its next silence is a first one.
            self.resting.remove(&peer);
        } else {
            self.free.push_back(request);
        }
    }

    /// The peer will not answer. `false` if it was not asked.
    pub(crate) fn handle_reject(
        &mut self,
        now: Instant,
        peer: PeerKey,
        request: &HashRequest,
    ) -> bool {
        let Some(request) = self.take(peer, request) else { return false };
        if !is_planted(Bug::KeepsHashRequest) {
            self.free.push_back(request);
        }
        self.rest(now, peer);
        true
    }

    /// The peer is gone.
    pub(crate) fn remove_peer(&mut self, peer: PeerKey) {
        self.give_back(|asked| asked.peer == peer);
        self.resting.remove(&peer);
    }

    /// Gives up on answers that are overdue.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for peer in self.give_back(|asked| asked.until.is_some_and(|until| until <= now)) {
            self.rest(now, peer);
        }
    }

    /// When something changes by itself.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let answers = self.asked.iter().filter_map(|asked| asked.until);
        let is_waiting = !self.free.is_empty();
        let rests = self.resting.values().filter(|_| is_waiting).filter_map(|rest| rest.until);
        answers.chain(rests.filter(|until| *until > now)).min()
    }

    fn take(&mut self, peer: PeerKey, request: &HashRequest) -> Option<HashRequest> {
        let at = self.asked.iter().position(|asked| asked.is(peer, request))?;
        Some(self.asked.swap_remove(at).request)
    }

    /// Frees what these were asked for, and tells who they are.
    fn give_back(&mut self, mut is_over: impl FnMut(&Asked) -> bool) -> Vec<PeerKey> {
        // One that is being looked at has no deadline, and is not over by time.
        let over: Vec<Asked> = self.asked.extract_if(.., |asked| is_over(asked)).collect();
        self.free.extend(over.iter().map(|asked| asked.request));
        over.into_iter().map(|asked| asked.peer).collect()
    }

    /// Leaves a peer in peace for a while, which doubles.
    fn rest(&mut self, now: Instant, peer: PeerKey) {
        let rest = self.resting.entry(peer).or_default();
        rest.until = Some(now + FIRST_REST * 2u32.pow(rest.times.min(MAX_DOUBLINGS)));
        rest.times = rest.times.saturating_add(1);
    }
}

/// Requests under way to one peer: many files of few pieces need many, and each takes a round trip.
pub(crate) const AT_ONCE: usize = 32;

/// Hashes under way to one peer: the largest requests come two at once, as libtorrent has it.
const HASHES_AT_ONCE: u32 = 2 * HashRequest::CUSTOMARY_LENGTH;

/// How long a peer may take for an answer, of 16 KiB.
const PATIENCE: Duration = Duration::from_secs(20);

/// One that did not make it in time gets twice the time, and then once more.
const MAX_PATIENCE_DOUBLINGS: u32 = 2;

/// A peer that has no answer to one request may have one to the next, or once it has more pieces.
const FIRST_REST: Duration = Duration::from_millis(500);

/// The longest rest is half a minute.
const MAX_DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(index: u32) -> HashRequest {
        let length = 512;
        HashRequest { pieces_root: [1; 32], base_layer: 2, index, length, proof_layers: 9 }
    }

    fn peers(count: u32) -> Vec<PeerKey> {
        (0..count).map(|slot| PeerKey::new(slot, 0)).collect()
    }

    fn fetch(count: u32) -> HashFetch {
        HashFetch::new((0..count).map(|at| request(at * 512)).collect())
    }

    fn poll_all(fetch: &mut HashFetch, now: Instant, peers: &[PeerKey]) -> Vec<(PeerKey, u32)> {
        let polled = fetch.poll_requests(now, peers).into_iter();
        polled.map(|(peer, request)| (peer, request.index / 512)).collect()
    }

    #[test]
    fn requests_are_spread_and_few_at_once() {
        let (now, peers) = (Instant::now(), peers(2));
        let mut fetch = fetch(5);
        let (a, b) = (peers[0], peers[1]);
        assert_eq!(poll_all(&mut fetch, now, &peers), [(a, 0), (b, 1), (a, 2), (b, 3)]);
        assert!(fetch.handle_hashes(b, &request(512)));
        assert!(!fetch.handle_hashes(b, &request(512)), "once");
        assert!(!fetch.handle_hashes(a, &request(512)), "it was not asked");
        assert_eq!(poll_all(&mut fetch, now, &peers), [], "it is not looked at yet");
        fetch.handle_checked(b, &request(512), true);
        assert_eq!(poll_all(&mut fetch, now, &peers), [(b, 4)]);
    }

    #[test]
    fn small_requests_share_a_round_trip() {
        let (now, peers) = (Instant::now(), peers(1));
        let small = |index| HashRequest { length: 4, ..request(index) };
        let mut fetch = HashFetch::new((0..100).map(small).collect());
        assert_eq!(poll_all(&mut fetch, now, &peers).len(), 32);
        assert!(fetch.handle_hashes(peers[0], &small(3)));
        fetch.handle_checked(peers[0], &small(3), true);
        assert_eq!(poll_all(&mut fetch, now, &peers).len(), 1);
    }

    #[test]
    fn as_many_hashes_are_under_way_as_two_of_the_largest_requests_have() {
        let (now, peers) = (Instant::now(), peers(1));
        for (length, count) in [(512, 2), (256, 4), (128, 8)] {
            let request = |index| HashRequest { length, index, ..request(0) };
            let mut fetch = HashFetch::new((0..20).map(|at| request(at * length)).collect());
            assert_eq!(fetch.poll_requests(now, &peers).len(), count, "{length}");
        }
    }

    #[test]
    fn what_one_rejects_is_asked_of_another() {
        let (now, peers) = (Instant::now(), peers(2));
        let mut fetch = fetch(1);
        assert_eq!(poll_all(&mut fetch, now, &peers), [(peers[0], 0)]);
        fetch.handle_reject(now, peers[0], &request(0));
        assert_eq!(poll_all(&mut fetch, now, &peers), [(peers[1], 0)]);
        fetch.handle_reject(now, peers[1], &request(0));
        assert_eq!(poll_all(&mut fetch, now, &peers), []);
        let wake = fetch.poll_timeout(now).unwrap();
        assert_eq!(wake, now + FIRST_REST);
        assert_eq!(poll_all(&mut fetch, wake, &peers), [(peers[0], 0)]);
        fetch.handle_reject(wake, peers[0], &request(0));
        assert_eq!(poll_all(&mut fetch, wake + FIRST_REST, &peers[..1]), [], "twice as long");
    }

    #[test]
    fn silent_and_departed_peers_hold_nothing_up() {
        let (now, peers) = (Instant::now(), peers(3));
        let mut fetch = fetch(2);
        assert_eq!(poll_all(&mut fetch, now, &peers[..2]).len(), 2);
        fetch.remove_peer(peers[0]);
        assert_eq!(poll_all(&mut fetch, now, &peers[2..]), [(peers[2], 0)]);
        let overdue = fetch.poll_timeout(now).unwrap();
        assert_eq!(overdue, now + PATIENCE);
        fetch.handle_timeout(now);
        assert_eq!(poll_all(&mut fetch, now, &peers), []);
        fetch.handle_timeout(overdue);
        assert_eq!(poll_all(&mut fetch, overdue, &peers[..1]), [(peers[0], 1), (peers[0], 0)]);
        assert!(!fetch.handle_hashes(peers[1], &request(512)), "too late");
    }

    #[test]
    fn peers_that_never_answer_do_not_keep_the_question_among_themselves() {
        let (mut now, peers) = (Instant::now(), peers(6));
        let (silent, honest) = (&peers[..5], peers[5]);
        let mut fetch = fetch(1);
        let mut asked = Vec::new();
        while asked.last() != Some(&honest) {
            asked.extend(poll_all(&mut fetch, now, &peers).iter().map(|(peer, _)| *peer));
            assert!(asked.len() <= silent.len() + 1, "{asked:?}");
            now = fetch.poll_timeout(now).unwrap();
            fetch.handle_timeout(now);
        }
    }

    #[test]
    fn a_slow_peer_is_given_the_time_that_it_takes() {
        let (start, peers) = (Instant::now(), peers(1));
        let (mut now, mut fetch) = (start, fetch(20));
        // It sends one answer after the other, 25 s each.
        let (mut queue, mut sent_at) = (VecDeque::new(), start);
        let mut right = 0;
        while right < 20 {
            fetch.handle_timeout(now);
            if queue.is_empty() {
                sent_at = now + Duration::from_secs(25);
            }
            queue.extend(fetch.poll_requests(now, &peers).into_iter().map(|(_, request)| request));
            now = fetch.poll_timeout(now).map_or(sent_at, |at| at.min(sent_at));
            if now == sent_at {
                let request = queue.pop_front().unwrap();
                right += u32::from(fetch.handle_hashes(peers[0], &request));
                fetch.handle_checked(peers[0], &request, true);
                sent_at += Duration::from_secs(25);
            }
            assert!(now < start + Duration::from_secs(2_000), "{right} in half an hour");
        }
    }

    #[test]
    fn a_wrong_answer_is_asked_for_again() {
        let (now, peers) = (Instant::now(), peers(2));
        let mut fetch = fetch(1);
        assert_eq!(poll_all(&mut fetch, now, &peers[..1]), [(peers[0], 0)]);
        assert!(fetch.handle_hashes(peers[0], &request(0)));
        assert_eq!(fetch.poll_timeout(now), None, "whoever looks at it takes the time it takes");
        fetch.handle_checked(peers[0], &request(0), false);
        fetch.remove_peer(peers[0]);
        assert_eq!(poll_all(&mut fetch, now, &peers[1..]), [(peers[1], 0)]);
    }
}
