use tinytorrent_types::Geometry;

use super::announced::Announced;
use super::judge::Breach;
use super::requests::{Answer, Requests};
use super::{Ignored, Refusal, Rule, Verdict};
use crate::{HashRequest, Hashes, Piece};

/// What one side has said.
#[derive(Debug, Clone)]
pub(super) struct Half {
    pub(super) is_choking: bool,
    pub(super) is_interested: bool,
    /// A message has come that should not precede what it has.
    pub(super) is_under_way: bool,
    pub(super) announced: Announced,
    pub(super) requests: Requests,
    /// Requests refused since the last one that was served, or the last unchoke.
    pub(super) refused: usize,
    /// Pieces that it lets the other have while choked, and the bytes asked for of each.
    pub(super) allowed_fast: Vec<(u32, u64)>,
    pub(super) hash_requests: Vec<HashRequest>,
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
        }
    }
}

impl Half {
    pub(super) fn allow_fast(&mut self, index: u32, geometry: Option<&Geometry>) -> Verdict {
        if !exists(geometry, index) {
            return Verdict::Ignore(Ignored::NoSuchPiece);
        }
        let is_known = self.allowed_fast.iter().any(|&(allowed, _)| allowed == index);
        if is_known || self.allowed_fast.len() >= MAX_ALLOWED_FAST {
            return Verdict::Ignore(Ignored::Known);
        }
        self.allowed_fast.push((index, 0));
        Verdict::Legal
    }

    pub(super) fn ask_hashes(&mut self, request: &HashRequest) -> Result<Verdict, Breach> {
        if self.hash_requests.len() >= MAX_HASH_REQUESTS {
            return Err(Breach::ignored(Rule::NoRequestFlood));
        }
        self.hash_requests.push(*request);
        let rule = Rule::HashRequestShape;
        let verdict = Verdict::Refuse(Refusal::Tolerated(rule));
        request.validate().map_err(|_| Breach { rule, verdict })?;
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

/// W-37, W-38: whether a block answers a request.
pub(super) fn judge_piece(
    requests: &mut Requests,
    piece: &Piece,
    is_fast: bool,
) -> Result<Verdict, Breach> {
    match requests.answer(piece.header()) {
        Answer::Exact => Ok(Verdict::Legal),
        Answer::Short(request) => {
            let rule = if piece.data.is_empty() { Rule::PieceNotEmpty } else { Rule::PieceLength };
            Err(Breach { rule, verdict: Verdict::Void(vec![request]) })
        }
        Answer::None if is_fast => Err(Breach::ignored(Rule::PieceRequested)),
        Answer::None => Ok(Verdict::Ignore(Ignored::Late)),
    }
}

/// W-48: whether hashes answer a request.
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

/// Whether there is such a piece, as far as is known.
pub(super) fn exists(geometry: Option<&Geometry>, index: u32) -> bool {
    geometry.is_none_or(|geometry| geometry.piece(index).is_some())
}

/// BEP 6 has 10; a peer that allows many more is not believed for all.
const MAX_ALLOWED_FAST: usize = 128;

/// Requests for hashes to remember; a client asks for a few at a time.
const MAX_HASH_REQUESTS: usize = 256;
