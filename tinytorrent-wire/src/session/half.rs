use tinytorrent_types::Geometry;

use super::announced::Announced;
use super::judge::Breach;
use super::requests::{Answer, Requests, State};
use super::{Ignored, Refusal, Rule, Verdict};
use crate::{HashRequest, Hashes, PieceHeader, Request};

/// The state of one side of a conversation.
#[derive(Debug, Clone)]
pub(super) struct Half {
    pub(super) is_choking: bool,
    pub(super) is_interested: bool,
    /// True once the side has sent a message that should follow its statement about all pieces.
    pub(super) is_under_way: bool,
    pub(super) announced: Announced,
    pub(super) requests: Requests,
    /// Requests refused in a row, since one was accepted or the other side unchoked.
    pub(super) refused: usize,
    /// Allowed-fast pieces of this side, and the bytes requested of each while choked.
    pub(super) allowed_fast: Vec<(u32, u64)>,
    pub(super) hash_requests: Vec<HashRequest>,
    /// Blocks received without a request, without the fast extension.
    pub(super) unasked: usize,
    /// Rejects received since the last block.
    pub(super) rejects: usize,
}

/// W-24, BEP 3: "Connections start out choked and not interested."
impl Default for Half {
    fn default() -> Self {
        Self {
            is_choking: true,
            is_interested: false,
            is_under_way: false,
            announced: Announced::default(),
            requests: Requests::default(),
            refused: 0,
            allowed_fast: Vec::new(),
            hash_requests: Vec::new(),
            unasked: 0,
            rejects: 0,
        }
    }
}

impl Half {
    pub(super) fn allows_fast(&self, index: u32) -> bool {
        self.allowed_fast.iter().any(|&(allowed, _)| allowed == index)
    }

    pub(super) fn allow_fast(&mut self, index: u32, geometry: Option<&Geometry>) -> Verdict {
        if !exists(geometry, index) {
            return Verdict::Ignore(Ignored::NoSuchPiece);
        }
        if self.allows_fast(index) || self.allowed_fast.len() >= MAX_ALLOWED_FAST {
            return Verdict::Ignore(Ignored::Known);
        }
        self.allowed_fast.push((index, 0));
        Verdict::Legal
    }

    /// Takes in the answer to a request: a block (W-37, W-38).
    pub(super) fn receive_block(
        &mut self,
        block: PieceHeader,
        is_fast: bool,
        max_unasked: usize,
    ) -> Result<Verdict, Breach> {
        // A block shows that the peer serves some requests.
        self.rejects = 0;
        match self.requests.answer(block) {
            Answer::Exact => Ok(Verdict::Legal),
            Answer::Short(request, state) => {
                // Empty blocks have a rule of their own, as BitComet rejects requests by them.
                let rule = if block.length == 0 { Rule::PieceNotEmpty } else { Rule::PieceLength };
                let verdict = match state {
                    State::Open => Verdict::Void(vec![request]),
                    State::Cancelled | State::Refused => Verdict::Ignore(Ignored::Withdrawn),
                };
                Err(Breach { rule, verdict })
            }
            Answer::None if is_fast => Err(Breach::ignored(Rule::PieceRequested)),
            Answer::None => {
                self.unasked += 1;
                if self.unasked > max_unasked {
                    return Err(Breach::ignored(Rule::NoBlockFlood));
                }
                Ok(Verdict::Ignore(Ignored::Late))
            }
        }
    }

    /// Takes in the answer to a request: a reject (W-39). `other` is the sender of the reject.
    pub(super) fn receive_reject(
        &mut self,
        other: &mut Half,
        request: Request,
        max_rejects: usize,
    ) -> Result<Verdict, Breach> {
        let Some(state) = self.requests.take(request) else {
            return Err(Breach::ignored(Rule::RejectRequested));
        };
        self.rejects += 1;
        if self.rejects > max_rejects {
            return Err(Breach::ignored(Rule::NoRejectFlood));
        }
        if other.is_choking {
            // BEP 6 lets a peer revoke an allowed-fast piece by rejecting a request for it while it chokes.
            other.allowed_fast.retain(|&(allowed, _)| allowed != request.index);
        }
        match state {
            State::Open | State::Refused => Ok(Verdict::Legal),
            State::Cancelled => Ok(Verdict::Ignore(Ignored::Withdrawn)),
        }
    }

    pub(super) fn ask_hashes(&mut self, request: &HashRequest) -> Result<Verdict, Breach> {
        if self.hash_requests.len() >= MAX_HASH_REQUESTS {
            return Err(Breach::ignored(Rule::NoRequestFlood));
        }
        // Noted before it is checked: the reject of an invalid request needs it.
        self.hash_requests.push(*request);
        let rule = Rule::HashRequestShape;
        let verdict = Verdict::Refuse(Refusal::Tolerated(rule));
        request.validate().map_err(|_| Breach { rule, verdict })?;
        // BEP 52 forbids it, and libtorrent sends it; see `validate`.
        if request.length < 2 {
            return Err(Breach { rule, verdict: Verdict::Legal });
        }
        Ok(Verdict::Legal)
    }

    pub(super) fn answer_hashes(&mut self, request: &HashRequest) -> bool {
        let found = self.hash_requests.iter().position(|open| open == request);
        found.map(|at| self.hash_requests.swap_remove(at)).is_some()
    }
}

/// Takes in hashes that answer a request (W-48).
pub(super) fn judge_hashes(asker: &mut Half, hashes: &Hashes) -> Result<Verdict, Breach> {
    if !asker.answer_hashes(&hashes.request) {
        return Err(Breach::ignored(Rule::HashesRequested));
    }
    let count = hashes.hashes.len() / 32;
    if count as u64 != u64::from(hashes.request.hash_count()) {
        return Err(Breach::ignored(Rule::HashesLength));
    }
    Ok(Verdict::Legal)
}

/// Returns true if there is such a piece, as far as is known.
pub(super) fn exists(geometry: Option<&Geometry>, index: u32) -> bool {
    geometry.is_none_or(|geometry| geometry.piece(index).is_some())
}

/// Allowed-fast pieces to keep of one side. BEP 6 has 10; those beyond are ignored.
const MAX_ALLOWED_FAST: usize = 128;

/// Requests for hashes in flight at most. Clients send a few at a time.
pub(super) const MAX_HASH_REQUESTS: usize = 256;
