use std::time::Instant;

use super::pace::Due;
use super::{Asks, Connection, Moment, Phase};
use crate::Failure;
use crate::packet::{HEADER, Header, Kind, MAX_SELECTIVE_ACK, Packet, SelectiveAck};
use crate::send_queue::Content;

/// A packet that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) length: usize,
    pub(crate) is_probe: bool,
}

/// The packet to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    First,
    /// A packet that has a number, at this place and with this payload.
    Again(usize, usize),
    New(Content, usize),
    /// An acknowledgement alone.
    State,
}

impl Connection {
    /// Writes the next packet to the start of `buffer`, if there is one and it has no more bytes than `most`. A packet
    /// behind others is no probe.
    pub(crate) fn transmit(
        &mut self,
        moment: Moment,
        buffer: &mut [u8],
        most: Option<usize>,
    ) -> Option<Written> {
        let next = self.next(moment.now, most.is_none())?;
        let mut mask = [0; MAX_SELECTIVE_ACK];
        let masked = if next == Next::State { self.receive.selective_ack(&mut mask) } else { 0 };
        let payload = match next {
            Next::First => 0,
            Next::State => masked + if masked > 0 { 2 } else { 0 },
            Next::Again(_, payload) | Next::New(_, payload) => payload,
        };
        if most.is_some_and(|most| HEADER + payload > most) {
            return None;
        }
        let mut written = Written { length: HEADER + payload, is_probe: false };
        let mut header = self.header(moment);
        match next {
            Next::First => {
                let Phase::Connecting(seq) = self.phase else { return None };
                // P-02
                (header.kind, header.connection, header.seq) = (Kind::Syn, self.ids.receive, seq);
                header.encode(false, buffer);
                self.pace.on_sent(moment.now, false, (0, 0), HEADER);
            }
            Next::State => {
                let selective_ack = (masked > 0).then(|| SelectiveAck::new(&mask[..masked]));
                Packet { header, selective_ack, payload: &[] }.encode(buffer);
            }
            Next::Again(place, _) => {
                self.send_place(moment.now, place, header, buffer);
                self.stats.packets_resent += 1;
            }
            Next::New(content, payload) => {
                let place = self.send.number(moment.now, content, payload);
                self.send_place(moment.now, place, header, buffer);
                self.stats.packets_sent += 1;
                written.is_probe = content == Content::Probe;
            }
        }
        self.link.is_due = false;
        self.link.spoke = moment.now;
        self.link.our_window = self.receive.window();
        Some(written)
    }

    /// False if there is nothing to send for now, whatever the windows say.
    pub(crate) fn may_send(&self) -> bool {
        match self.phase {
            Phase::Failed(_) => false,
            Phase::Connecting(_) => self.link.is_due,
            Phase::Open => {
                let is_asked = self.asks.for_ack || self.asks.for_room;
                self.link.is_due || is_asked || self.send.may_send()
            }
        }
    }

    fn send_place(&mut self, now: Instant, place: usize, mut header: Header, buffer: &mut [u8]) {
        let is_first = self.send.packets_in_flight() == 0;
        let (seq, is_end, length) = self.send.send(now, place, &mut buffer[HEADER..]);
        let sent = (length, self.send.bytes_in_flight());
        self.pace.on_sent(now, is_first, sent, self.mtu.size() - HEADER);
        header.kind = if is_end { Kind::Fin } else { Kind::Data };
        header.seq = seq;
        header.encode(false, buffer);
        self.asks = Asks::default();
    }

    fn header(&self, moment: Moment) -> Header {
        Header {
            kind: Kind::State,
            connection: self.ids.send,
            // Zero is no time.
            timestamp: moment.micros.max(1),
            delay: self.link.delay,
            window: u32::try_from(self.receive.window()).unwrap_or(u32::MAX),
            seq: self.send.next_seq(),
            ack: self.receive.ack(),
        }
    }

    fn next(&mut self, now: Instant, may_probe: bool) -> Option<Next> {
        match self.phase {
            Phase::Failed(_) => return None,
            Phase::Connecting(_) => return self.link.is_due.then_some(Next::First),
            Phase::Open => {}
        }
        // A mask tells of what is missing, and does not fit a packet of full size.
        if self.link.is_due && self.receive.has_gap() {
            return Some(Next::State);
        }
        self.next_of_stream(now, may_probe).or_else(|| self.link.is_due.then_some(Next::State))
    }

    fn next_of_stream(&mut self, now: Instant, may_probe: bool) -> Option<Next> {
        if self.asks.for_ack {
            let again =
                self.send.last_in_flight().map(|place| Next::Again(place, self.send.length(place)));
            if again.is_some() {
                return again;
            }
        }
        let full = self.mtu.size() - HEADER;
        if let Some((place, payload)) = self.send.first_lost() {
            // The first packet has the others acknowledged, beyond what a mask can tell: without it nothing might leave
            // the window. Beyond the mask packets count as in flight though they have come, or are lost.
            let may_go = place == 0
                || if self.send.has_dark() {
                    self.pace.lets(now, payload, full)
                } else {
                    self.pace.allows(now, &self.send, payload, full)
                };
            return may_go.then_some(Next::Again(place, payload));
        }
        let probe = self.probe().filter(|_| may_probe);
        let (content, payload) =
            match probe.and_then(|probe| self.send.next_content(probe - HEADER)) {
                Some((Content::Full, payload)) => (Content::Probe, payload),
                _ => match self.send.next_content(full) {
                    Some(next) => next,
                    None => {
                        self.pace.on_unlimited();
                        return None;
                    }
                },
            };
        let Some(payload) = self.within_their_window(payload) else {
            self.pace.on_unlimited();
            return None;
        };
        let content =
            if payload < full && content != Content::End { Content::Small } else { content };
        self.pace.allows(now, &self.send, payload, full).then_some(Next::New(content, payload))
    }

    /// As much of a packet as the other end has room for: all, or with nothing in flight a part. Without any room a
    /// packet asks for it now and then (P-10).
    fn within_their_window(&self, payload: usize) -> Option<usize> {
        let flight = self.send.bytes_in_flight();
        if flight + payload <= self.link.their_window {
            return Some(payload);
        }
        if self.send.packets_in_flight() > 0 {
            return None;
        }
        match self.link.their_window {
            0 => self.asks.for_room.then_some(payload),
            room => Some(room.min(payload)),
        }
    }

    /// The size of a probe, if it is time for one: a single one in a window of some packets (P-24).
    fn probe(&self) -> Option<usize> {
        let is_large = self.pace.window() > 3 * self.mtu.size();
        self.mtu.probe().filter(|_| is_large && !self.send.has_probe())
    }

    /// True if it waits for an acknowledgement, an answer, or room.
    pub(super) fn waits(&self) -> bool {
        match self.phase {
            Phase::Failed(_) => false,
            Phase::Connecting(_) => true,
            Phase::Open => {
                self.send.packets_in_flight() > 0
                    || (self.link.their_window == 0 && !self.send.is_idle())
            }
        }
    }

    /// The time at which [`handle_timeout`](Self::handle_timeout) has something to do; none for an idle connection.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let waits = self.waits().then(|| self.pace.deadline(self.send.packets_in_flight() > 0));
        let over = self.user.closed.map(|closed| self.over_at(closed));
        waits.into_iter().chain(over).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.waits() {
            return;
        }
        let has_flight = self.send.packets_in_flight() > 0;
        let most = if self.is_connecting() { MOST_FIRST_TIMEOUTS } else { MOST_TIMEOUTS };
        match self.pace.due(now, has_flight, self.link.their_window > 0, most) {
            Due::Nothing => {}
            Due::GivenUp => self.fail(Failure::TimedOut),
            Due::Question => self.asks.for_ack = true,
            Due::Losses => {
                if let Some(payload) = self.pace.find_lost(now, &mut self.send) {
                    self.mtu.on_lost(payload + HEADER);
                }
            }
            Due::Timeout => self.time_out(now, has_flight),
        }
    }

    fn time_out(&mut self, now: Instant, has_flight: bool) {
        self.stats.timeouts += 1;
        if self.is_connecting() {
            self.link.is_due = true;
            return;
        }
        if !has_flight {
            self.asks.for_room = true;
            return;
        }
        let losses = self.send.lose_all();
        if let Some(payload) = losses.probe {
            self.mtu.on_lost(payload + HEADER);
        }
        // Neither a probe that was alone in flight (P-11) nor a packet that asked for room is lost to congestion.
        if losses.newest.is_some() && self.link.their_window > 0 {
            self.pace.on_timeout(now, self.mtu.size() - HEADER);
        }
    }
}

/// Timeouts in a row without a packet of the other end until a connection fails: 31 seconds of silence at least.
const MOST_TIMEOUTS: u32 = 5;

/// The same for first packets: 7 seconds, with two that were sent again.
const MOST_FIRST_TIMEOUTS: u32 = 2;
