use std::collections::VecDeque;

use crate::{PieceHeader, Request};

/// The requests of one side without an answer, oldest first.
///
/// ```text
///   Open ──begin──▶ being answered ──┬─▶ gone
///     │ cancel, refuse               │ (block or reject)
///     ▼                              │
///   Cancelled, Refused ──────────────┘   only with the fast extension: an answer is due in any case
///
///   Open ──choke, cancel──▶ late         only without it: the answer may be in flight already
/// ```
///
/// Answers come in about the order of the requests, so the search from the front is short.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    queue: VecDeque<Entry>,
    /// Entries of `queue` that are [`State::Open`].
    open: usize,
    /// Requests whose answer has begun, which a choke or a cancel does not withdraw any more.
    begun: Vec<Request>,
    /// Void requests whose answer may still come, [`MAX_LATE`] at most.
    late: VecDeque<Request>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    request: Request,
    state: State,
}

/// The reason why an answer is due. With the fast extension one is due in every state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The request is to be served.
    Open,
    /// A cancel withdrew it: a block or a reject answers it.
    Cancelled,
    /// It cannot be served: a reject is due.
    Refused,
}

/// The request that a block answers.
pub(super) enum Answer {
    /// A request that is open, or was until a choke or a cancel.
    Exact,
    /// A request that is longer than the block; and its state.
    Short(Request, State),
    None,
}

impl Requests {
    /// Requests without an answer.
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.begun.len()
    }

    /// Requests that are neither cancelled nor refused, and whose answer has not begun.
    pub(super) fn open_count(&self) -> usize {
        self.open
    }

    pub(super) fn push(&mut self, request: Request, state: State) {
        self.open += usize::from(state == State::Open);
        self.queue.push_back(Entry { request, state });
    }

    /// All without an answer, those that have begun first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Request> + '_ {
        self.begun.iter().copied().chain(self.queue.iter().map(|entry| entry.request))
    }

    /// Those whose answer has not begun.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (Request, State)> + '_ {
        self.queue.iter().map(|entry| (entry.request, entry.state))
    }

    /// Those that are open.
    pub(super) fn open(&self) -> impl DoubleEndedIterator<Item = Request> + '_ {
        self.queue.iter().filter(|entry| entry.state == State::Open).map(|entry| entry.request)
    }

    /// Those whose answer has begun.
    pub(super) fn begun(&self) -> &[Request] {
        &self.begun
    }

    /// Begins to answer the oldest open request.
    pub(super) fn begin(&mut self) -> Option<Request> {
        let at = self.queue.iter().position(|entry| entry.state == State::Open)?;
        let request = self.remove(at)?.request;
        self.begun.push(request);
        Some(request)
    }

    /// Takes out the request that a reject answers. Gives its state. Where the same block was requested
    /// again after a cancel, the reject answers what was cancelled. One whose answer has begun comes last: it
    /// is to be given up before.
    pub(super) fn take(&mut self, request: Request) -> Option<State> {
        // After a choke a whole queue is rejected, all of it open: a search for others would walk it each time.
        let has_withdrawn = self.open < self.queue.len();
        let withdrawn = || self.find(request, |state| state != State::Open);
        let at = has_withdrawn.then(withdrawn).flatten();
        match at.or_else(|| self.find(request, |state| state == State::Open)) {
            Some(at) => self.remove(at).map(|entry| entry.state),
            None => self.end_begun(request).then_some(State::Open),
        }
    }

    /// Gives up an answer that has begun. The request is refused if an answer is due all the same.
    pub(super) fn give_up(&mut self, request: Request, answer_is_due: bool) {
        if self.end_begun(request) && answer_is_due {
            self.queue.push_front(Entry { request, state: State::Refused });
        }
    }

    /// Takes out a request whose answer has begun. Returns false if there is none.
    fn end_begun(&mut self, request: Request) -> bool {
        let at = self.begun.iter().position(|begun| *begun == request);
        at.map(|at| self.begun.remove(at)).is_some()
    }

    fn find(&self, request: Request, is_fit: impl Fn(State) -> bool) -> Option<usize> {
        self.queue.iter().position(|entry| entry.request == request && is_fit(entry.state))
    }

    /// Takes out the request that a block answers. Where the same block was requested again after a
    /// cancel, it answers the one whose answer has begun, and else what is open.
    pub(super) fn answer(&mut self, block: PieceHeader) -> Answer {
        let request = block.request();
        if self.end_begun(request) {
            return Answer::Exact;
        }
        let is_open = |state| state == State::Open;
        if let Some(at) = self.find(request, is_open) {
            self.remove(at);
            return Answer::Exact;
        }
        if self.take(request).is_some() {
            return Answer::Exact;
        }
        // Only without the fast extension: the block was in flight at the choke or the cancel.
        if let Some(at) = self.late.iter().position(|late| *late == request) {
            self.late.remove(at);
            return Answer::Exact;
        }
        let covers = |entry: &Entry| {
            (entry.request.index, entry.request.begin) == (block.index, block.begin)
                && entry.request.length > block.length
        };
        let is_open = |entry: &Entry| covers(entry) && entry.state == State::Open;
        let at = self.queue.iter().position(is_open);
        match at.or_else(|| self.queue.iter().position(covers)).and_then(|at| self.remove(at)) {
            Some(entry) => Answer::Short(entry.request, entry.state),
            None => Answer::None,
        }
    }

    /// Withdraws a request that is open: it stays until its answer, or its answer may be late.
    /// Returns false if there is none.
    pub(super) fn cancel(&mut self, request: Request, answer_is_due: bool) -> bool {
        let is_open = |entry: &Entry| entry.request == request && entry.state == State::Open;
        let Some(at) = self.queue.iter().position(is_open) else { return false };
        if answer_is_due {
            self.open -= 1;
            self.queue[at].state = State::Cancelled;
        } else {
            self.remove(at);
            // Without BEP 6 a cancel has no answer, but the block may be in flight.
            self.note_late(request);
        }
        true
    }

    /// Takes out all that lie in the piece, or all there are; their answers may be late. Gives those
    /// that were open.
    pub(super) fn void(&mut self, piece: Option<u32>) -> Vec<Request> {
        let mut void = Vec::new();
        self.queue.retain(|entry| {
            let stays = piece.is_some_and(|piece| entry.request.index != piece);
            if !stays && entry.state == State::Open {
                void.push(entry.request);
            }
            stays
        });
        self.open -= void.len();
        void.iter().for_each(|request| self.note_late(*request));
        void
    }

    fn note_late(&mut self, request: Request) {
        // The oldest one is the least likely to be answered still.
        if self.late.len() == MAX_LATE {
            self.late.pop_front();
        }
        self.late.push_back(request);
    }

    fn remove(&mut self, at: usize) -> Option<Entry> {
        // Answers come in about the order of the requests, and removal at the front costs least.
        let entry = if at == 0 { self.queue.pop_front() } else { self.queue.remove(at) }?;
        self.open -= usize::from(entry.state == State::Open);
        Some(entry)
    }
}

/// Void requests to keep for their late answers: more than are in flight on the longest and fastest links.
const MAX_LATE: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(begin: u32) -> Request {
        Request { index: 0, begin, length: 10 }
    }

    fn three() -> Requests {
        let mut requests = Requests::default();
        (0..3).for_each(|begin| requests.push(request(begin), State::Open));
        requests
    }

    #[test]
    fn an_answer_that_has_begun_is_not_withdrawn() {
        let mut requests = three();
        assert_eq!(requests.begin(), Some(request(0)));
        assert!(!requests.cancel(request(0), true));
        assert_eq!(requests.void(None), [request(1), request(2)]);
        assert_eq!((requests.len(), requests.open_count()), (1, 0));
        assert_eq!(requests.take(request(0)), Some(State::Open));
        assert_eq!(requests.take(request(0)), None, "once");
    }

    #[test]
    fn what_was_voided_may_come_late_once() {
        let mut requests = three();
        assert!(requests.cancel(request(1), false));
        requests.void(None);
        for begin in 0..3 {
            let header = PieceHeader::from(request(begin));
            assert!(matches!(requests.answer(header), Answer::Exact));
            assert!(matches!(requests.answer(header), Answer::None));
        }
    }

    #[test]
    fn a_block_answers_the_open_one_of_two_and_a_reject_the_other() {
        let mut requests = three();
        assert!(requests.cancel(request(0), true));
        requests.push(request(0), State::Open);
        let mut again = requests.clone();
        assert!(matches!(requests.answer(request(0).into()), Answer::Exact));
        assert_eq!(requests.take(request(0)), Some(State::Cancelled));
        assert_eq!(again.take(request(0)), Some(State::Cancelled));
        assert!(matches!(again.answer(request(0).into()), Answer::Exact));
        assert_eq!((requests.open_count(), again.open_count()), (2, 2));
    }

    #[test]
    fn a_block_answers_the_one_whose_answer_has_begun() {
        // BEP 6: the second request has its own answer.
        let mut requests = three();
        assert_eq!(requests.begin(), Some(request(0)));
        assert!(!requests.cancel(request(0), true), "its block is under way");
        requests.push(request(0), State::Open);
        assert!(matches!(requests.answer(request(0).into()), Answer::Exact));
        assert_eq!((requests.begun().len(), requests.open_count()), (0, 3));
        assert!(matches!(requests.answer(request(0).into()), Answer::Exact));
        assert!(matches!(requests.answer(request(0).into()), Answer::None));
    }

    #[test]
    fn a_reject_leaves_the_answer_alone_that_has_begun() {
        let mut requests = three();
        assert_eq!(requests.begin(), Some(request(0)));
        requests.push(request(0), State::Open);
        assert!(requests.cancel(request(0), true), "the second one is withdrawn");
        assert_eq!(requests.take(request(0)), Some(State::Cancelled));
        assert_eq!(requests.begun(), [request(0)]);
        requests.push(request(0), State::Open);
        assert_eq!(requests.take(request(0)), Some(State::Open));
        assert_eq!(requests.begun(), [request(0)]);
        requests.push(request(0), State::Open);
        requests.give_up(request(0), true);
        assert_eq!(requests.take(request(0)), Some(State::Refused));
        assert_eq!((requests.begun().len(), requests.open_count()), (0, 3));
    }

    #[test]
    fn a_short_block_answers_the_open_one_of_two() {
        let mut requests = three();
        assert!(requests.cancel(request(0), true));
        requests.push(request(0), State::Open);
        let short = PieceHeader { index: 0, begin: 0, length: 9 };
        for state in [State::Open, State::Cancelled] {
            let Answer::Short(answered, found) = requests.answer(short) else { panic!() };
            assert_eq!((answered, found), (request(0), state));
        }
        assert!(matches!(requests.answer(short), Answer::None));
    }

    #[test]
    fn a_long_queue_is_rejected_in_as_many_steps() {
        // With a walk for each, nobody would wait for the end.
        let count = if cfg!(miri) { 100 } else { 1 << 19 };
        let mut requests = Requests::default();
        (0..count).for_each(|begin| requests.push(request(begin), State::Open));
        assert!((0..count).all(|begin| requests.take(request(begin)) == Some(State::Open)));
    }

    #[test]
    fn a_cancelled_request_is_not_open_and_not_gone() {
        let mut requests = three();
        assert!(requests.cancel(request(0), true) && !requests.cancel(request(0), true));
        assert_eq!(requests.open().collect::<Vec<_>>(), [request(1), request(2)]);
        assert_eq!((requests.len(), requests.open_count()), (3, 2));
        assert_eq!(requests.begin(), Some(request(1)));
        assert_eq!(requests.take(request(0)), Some(State::Cancelled));
    }
}
