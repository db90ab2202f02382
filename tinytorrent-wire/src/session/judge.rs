use super::announced::Added;
use super::half::{exists, judge_hashes};
use super::requests::State;
use super::{Ignored, Refusal, Rule, Session, Side, Verdict, Violation};
use crate::{Feature, Message, PieceHeader, Request};

impl Session {
    pub(super) fn judge(&mut self, from: Side, message: &Message) -> Result<Verdict, Violation> {
        let judged = match self.judge_order(from, message) {
            Ok(()) => self.judge_content(from, message),
            Err(breach) => Err(breach),
        };
        self.pass(from, message.name(), judged)
    }

    pub(super) fn judge_block(
        &mut self,
        from: Side,
        block: PieceHeader,
    ) -> Result<Verdict, Violation> {
        // Blocks do not pass `judge_order`, which notes this for other messages.
        self.halves(from).0.is_under_way = true;
        let judged = self.receive_block(from, block);
        self.pass(from, "piece", judged)
    }

    fn receive_block(&mut self, from: Side, block: PieceHeader) -> Result<Verdict, Breach> {
        let is_fast = self.features.contains(Feature::Fast);
        let max_unasked = self.config.max_unasked;
        let (_, other) = self.halves(from);
        other.receive_block(block, is_fast, max_unasked)
    }

    /// Turns a tolerated breach into its verdict.
    fn pass(
        &self,
        from: Side,
        message: &'static str,
        judged: Result<Verdict, Breach>,
    ) -> Result<Verdict, Violation> {
        judged.or_else(|Breach { rule, verdict }| {
            if self.config.is_strict || rule.is_always_fatal() {
                Err(Violation { from, message, rule })
            } else {
                Ok(verdict)
            }
        })
    }

    /// Checks that the message may be sent, and may be sent now.
    fn judge_order(&mut self, from: Side, message: &Message) -> Result<(), Breach> {
        let agreed = |feature| self.features.contains(feature);
        if message.is_fast() && !agreed(Feature::Fast) {
            return Err(Breach::ignored(Rule::FastAgreed));
        }
        match message {
            // Clients send these before their bitfield.
            Message::KeepAlive => return Ok(()),
            Message::Extended(_) if !agreed(Feature::Extended) => {
                return Err(Breach::ignored(Rule::ExtendedAgreed));
            }
            Message::Extended(extended) if extended.id == 0 => return Ok(()),
            Message::Port(_) if !agreed(Feature::Dht) => {
                // Clients send it unasked. It does no harm, and names a node of the DHT.
                return Err(Breach { rule: Rule::DhtAgreed, verdict: Verdict::Legal });
            }
            Message::HashRequest(_) | Message::Hashes(_) | Message::HashReject(_)
                if !self.speaks_v2() =>
            {
                return Err(Breach::ignored(Rule::V2Agreed));
            }
            _ => {}
        }
        self.judge_availability(from, message)
    }

    /// Checks that the statement about all pieces comes first and once (W-15, W-20, W-40).
    fn judge_availability(&mut self, from: Side, message: &Message) -> Result<(), Breach> {
        let is_fast = self.features.contains(Feature::Fast);
        let is_strict = self.config.is_strict;
        let (own, _) = self.halves(from);
        let states = matches!(message, Message::Bitfield(_) | Message::HaveAll | Message::HaveNone);
        // A late statement does no harm, as earlier pieces stay. Only strict judging refuses it.
        let was_under_way = std::mem::replace(&mut own.is_under_way, true);
        if states && own.announced.is_stated {
            return Err(Breach::ignored(Rule::AvailabilityOnce));
        }
        if states && was_under_way && is_strict {
            return Err(Breach::ignored(Rule::AvailabilityNotLate));
        }
        if !states && !was_under_way && is_fast && is_strict {
            return Err(Breach::ignored(Rule::AvailabilityFirst));
        }
        Ok(())
    }

    fn judge_content(&mut self, from: Side, message: &Message) -> Result<Verdict, Breach> {
        let is_fast = self.features.contains(Feature::Fast);
        let max_rejects = self.config.max_rejects;
        let (own, other, geometry) = self.parts(from);
        match message {
            Message::KeepAlive | Message::Extended(_) | Message::Port(_) => {}
            Message::Choke => {
                own.is_choking = true;
                // W-32, W-33: with BEP 6, a choke leaves requests in flight until each is answered.
                if !is_fast {
                    return Ok(void(other.requests.void(None)));
                }
            }
            Message::Unchoke => {
                own.is_choking = false;
                other.refused = 0;
            }
            Message::Interested => own.is_interested = true,
            Message::NotInterested => own.is_interested = false,
            Message::Have(index) => match own.announced.have(*index, geometry) {
                Added::New => {}
                Added::Known => return Ok(Verdict::Ignore(Ignored::Known)),
                Added::Breach(rule) => return Err(Breach::ignored(rule)),
            },
            Message::Bitfield(bits) => {
                let stated = own.announced.bits(bits, geometry);
                // Legal if tolerated: the spare bits are cleared, and the pieces count (W-19).
                stated.map_err(|rule| Breach { rule, verdict: Verdict::Legal })?;
            }
            Message::HaveAll => own.announced.all(geometry),
            Message::HaveNone => own.announced.none(),
            Message::Request(request) => return self.judge_request(from, *request),
            Message::Piece(piece) => return self.receive_block(from, piece.header()),
            Message::Cancel(request) => {
                if !own.requests.cancel(*request, is_fast) {
                    return Ok(Verdict::Ignore(Ignored::NothingToCancel));
                }
            }
            Message::Reject(request) => {
                return other.receive_reject(own, *request, max_rejects);
            }
            Message::Suggest(index) if !exists(geometry, *index) => {
                return Ok(Verdict::Ignore(Ignored::NoSuchPiece));
            }
            Message::Suggest(_) => {}
            Message::AllowedFast(index) => return Ok(own.allow_fast(*index, geometry)),
            Message::HashRequest(request) => return own.ask_hashes(request),
            Message::Hashes(hashes) => return judge_hashes(other, hashes),
            Message::HashReject(request) => {
                if !other.answer_hashes(request) {
                    return Err(Breach::ignored(Rule::HashesRequested));
                }
            }
            Message::Unknown { .. } => return Ok(Verdict::Ignore(Ignored::Unknown)),
        }
        Ok(Verdict::Legal)
    }

    fn judge_request(&mut self, from: Side, request: Request) -> Result<Verdict, Breach> {
        let is_fast = self.features.contains(Feature::Fast);
        let refusal = self.refusal(from, request);
        let (max_outstanding, max_refused) = (self.config.max_outstanding, self.config.max_refused);
        let (own, _) = self.halves(from);
        let Some(refusal) = refusal else {
            own.refused = 0;
            own.requests.push(request, State::Open);
            return Ok(Verdict::Legal);
        };
        own.refused += 1;
        let limit = match refusal {
            // W-47: a whole queue may be in flight when our choke is sent.
            Refusal::Choked | Refusal::QueueFull => max_refused.max(max_outstanding),
            _ => max_refused,
        };
        // Refused requests stay until they are rejected. A peer that sends on without reading the rejects
        // could fill the memory.
        if own.refused > limit || own.requests.len() >= 2 * max_outstanding.max(1) {
            return Err(Breach::ignored(Rule::NoRequestFlood));
        }
        if is_fast {
            // BEP 6: a refused request needs an answer too.
            own.requests.push(request, State::Refused);
        }
        match refusal {
            Refusal::Tolerated(rule) => Err(Breach { rule, verdict: Verdict::Refuse(refusal) }),
            _ => Ok(Verdict::Refuse(refusal)),
        }
    }

    /// The reason why the request cannot be served, if there is one.
    fn refusal(&mut self, from: Side, request: Request) -> Option<Refusal> {
        let Request { index, begin, length } = request;
        let Some(geometry) = &self.geometry else { return Some(Refusal::NoMetadata) };
        if length == 0 {
            return Some(Refusal::Tolerated(Rule::RequestNotEmpty));
        }
        if length > self.config.max_request_length {
            return Some(Refusal::Tolerated(Rule::RequestNotTooLong));
        }
        // This also refuses numbers whose sum would overflow (W-14).
        let Some(block) = geometry.block(index, begin, length) else {
            return Some(Refusal::Tolerated(Rule::RequestInRange));
        };
        let allowance =
            u64::from(self.config.fast_allowance) * u64::from(geometry.piece_length(block.piece()));
        let max_outstanding = self.config.max_outstanding;
        let (own, other) = self.halves(from);
        if !other.announced.pieces().is_some_and(|pieces| pieces.contains(block.piece())) {
            return Some(Refusal::PieceMissing);
        }
        if own.requests.len() >= max_outstanding {
            return Some(Refusal::QueueFull);
        }
        if !other.is_choking {
            return None;
        }
        let Some((_, used)) = other.allowed_fast.iter_mut().find(|(fast, _)| *fast == index) else {
            return Some(Refusal::Choked);
        };
        // Counted at the request and not at the answer, so that a queue cannot exceed the allowance.
        *used += u64::from(length);
        (*used > allowance).then_some(Refusal::FastUsedUp)
    }
}

/// A broken rule, and the verdict on the message if the breach is tolerated.
pub(super) struct Breach {
    pub(super) rule: Rule,
    pub(super) verdict: Verdict,
}

impl Breach {
    pub(super) fn ignored(rule: Rule) -> Self {
        Self { rule, verdict: Verdict::Ignore(Ignored::Tolerated(rule)) }
    }
}

pub(super) fn void(requests: Vec<Request>) -> Verdict {
    if requests.is_empty() { Verdict::Legal } else { Verdict::Void(requests) }
}
