use std::collections::VecDeque;

use crate::{PieceHeader, Request};

/// Requests of one side that the other has yet to answer, oldest first.
///
/// Answers come in about the order of the requests, so the search from the front is short.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    open: VecDeque<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    request: Request,
    state: State,
}

/// Why an answer is due. With the fast extension one is due in every state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// To be served.
    Open,
    /// Withdrawn by a cancel: a block or a reject will do.
    Cancelled,
    /// Cannot be served: a reject is due.
    Refused,
}

/// What a block answers.
pub(super) enum Answer {
    Exact,
    /// The block is shorter than the request.
    Short(Request),
    None,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn push(&mut self, request: Request, state: State) {
        self.open.push_back(Entry { request, state });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Request, State)> + '_ {
        self.open.iter().map(|entry| (entry.request, entry.state))
    }

    /// Takes out the request that a reject answers.
    pub(super) fn take(&mut self, request: Request) -> bool {
        let found = self.open.iter().position(|entry| entry.request == request);
        found.is_some_and(|at| self.open.remove(at).is_some())
    }

    /// Takes out the request that a block answers.
    pub(super) fn answer(&mut self, block: PieceHeader) -> Answer {
        if self.take(block.request()) {
            return Answer::Exact;
        }
        let covers = |entry: &Entry| {
            (entry.request.index, entry.request.begin) == (block.index, block.begin)
                && entry.request.length > block.length
        };
        match self.open.iter().position(covers).and_then(|at| self.open.remove(at)) {
            Some(entry) => Answer::Short(entry.request),
            None => Answer::None,
        }
    }

    /// Withdraws a request: it goes at once, or stays until its answer. `false` if there is none.
    pub(super) fn cancel(&mut self, request: Request, answer_is_due: bool) -> bool {
        if !answer_is_due {
            return self.take(request);
        }
        let is_open = |entry: &&mut Entry| entry.request == request && entry.state == State::Open;
        match self.open.iter_mut().find(is_open) {
            Some(entry) => {
                entry.state = State::Cancelled;
                true
            }
            None => false,
        }
    }

    /// Takes out all that lie in the piece, or all there are.
    pub(super) fn void(&mut self, piece: Option<u32>) -> Vec<Request> {
        let mut void = Vec::new();
        self.open.retain(|entry| {
            let stays = piece.is_some_and(|piece| entry.request.index != piece);
            if !stays {
                void.push(entry.request);
            }
            stays
        });
        void
    }
}
