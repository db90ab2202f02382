use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Arrived, Content, Losses};
use crate::SeqNr;
use crate::packet::SelectiveAck;
use crate::rack::Rack;

/// Packets that have a number, from the oldest on that is not acknowledged, and what has become of them.
#[derive(Debug)]
pub(super) struct Packets {
    packets: VecDeque<Outgoing>,
    /// Packets that were acknowledged: the index of the first one here.
    first: u64,
    /// The number of the next packet.
    next: SeqNr,
    /// Sendings in their order. Those of packets that have arrived, or were sent again, are of no use.
    sendings: VecDeque<Sending>,
    /// Sendings so far, and how many at the front of `sendings` were overtaken.
    sent: u64,
    overtaken: usize,
    /// No packet before this index is lost.
    lost_from: u64,
    /// Packets from this index on are beyond the last mask: whether they have arrived is unknown.
    dark_from: u64,
    flight: Flight,
}

/// Sums over the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) bytes: usize,
    pub(super) packets: usize,
    pub(super) lost: usize,
    pub(super) small: usize,
    pub(super) probes: usize,
}

/// A packet that has a number.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Place in the stream of its first byte.
    pub(super) begin: u64,
    pub(super) length: u16,
    pub(super) kind: Content,
    sends: u8,
    fate: Fate,
    /// Its last sending, and when that was.
    sending: u64,
    sent: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InFlight,
    Lost,
    Arrived,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    number: u64,
    /// The index of the packet.
    index: u64,
    /// The arrival of the first packet that was sent later.
    overtaken: Option<Instant>,
}

impl Packets {
    pub(super) fn new(next: SeqNr) -> Self {
        Self {
            packets: VecDeque::new(),
            first: 0,
            next,
            sendings: VecDeque::new(),
            sent: 0,
            overtaken: 0,
            lost_from: 0,
            dark_from: u64::MAX,
            flight: Flight::default(),
        }
    }

    pub(super) fn flight(&self) -> Flight {
        self.flight
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn next_seq(&self) -> SeqNr {
        self.next
    }

    /// Packets that were acknowledged.
    pub(super) fn past(&self) -> u64 {
        self.first
    }

    /// The last number up to which everything is acknowledged.
    pub(super) fn acked(&self) -> SeqNr {
        self.next.minus(self.packets.len() as u16 + 1)
    }

    /// Payload of the packet at `place`.
    pub(super) fn length(&self, place: usize) -> usize {
        self.packets[place].length.into()
    }

    /// True if there are packets of which the last mask tells nothing.
    pub(super) fn has_dark(&self) -> bool {
        self.dark_from < self.first + self.packets.len() as u64
    }

    /// Gives a number to a packet, which is to be sent, and returns its place.
    pub(super) fn push(&mut self, now: Instant, begin: u64, length: usize, kind: Content) -> usize {
        self.packets.push_back(Outgoing {
            begin,
            length: length as u16,
            kind,
            sends: 0,
            fate: Fate::Lost,
            sending: 0,
            sent: now,
        });
        self.flight.lost += 1;
        self.flight.small += usize::from(kind == Content::Small);
        self.flight.probes += usize::from(kind == Content::Probe);
        self.next = self.next.plus(1);
        self.packets.len() - 1
    }

    /// Notes that a packet is sent now, and returns its number and itself.
    pub(super) fn send(&mut self, now: Instant, place: usize) -> (SeqNr, &Outgoing) {
        let seq = self.acked().plus(place as u16 + 1);
        let packet = &mut self.packets[place];
        if packet.fate == Fate::Lost {
            packet.fate = Fate::InFlight;
            self.flight.lost -= 1;
            self.flight.packets += 1;
            self.flight.bytes += usize::from(packet.length);
        }
        if packet.sends > 0 && packet.kind == Content::Probe {
            // P-22: the second time it is a packet like others, which routers may cut.
            packet.kind = Content::Full;
            self.flight.probes -= 1;
        }
        self.sent += 1;
        packet.sends = packet.sends.saturating_add(1);
        (packet.sent, packet.sending) = (now, self.sent);
        let index = self.first + place as u64;
        self.sendings.push_back(Sending { number: self.sent, index, overtaken: None });
        (seq, packet)
    }

    /// The place of the first packet that is to be sent again.
    pub(super) fn first_lost(&mut self) -> Option<usize> {
        if self.flight.lost == 0 {
            return None;
        }
        let from = self.lost_from.saturating_sub(self.first) as usize;
        let step = self.packets.range(from..).position(|packet| packet.fate == Fate::Lost)?;
        self.lost_from = self.first + (from + step) as u64;
        Some(from + step)
    }

    /// The place of the last packet in flight.
    pub(super) fn last_in_flight(&self) -> Option<usize> {
        self.packets.iter().rposition(|packet| packet.fate == Fate::InFlight)
    }

    /// Takes an acknowledgement of everything up to `ack`, and of what is set beyond. Returns the outcome, and the bytes
    /// at the front that are not needed any more.
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        ack: SeqNr,
        beyond: Option<SelectiveAck<'_>>,
        rack: &mut Rack,
        least: Duration,
    ) -> (Arrived, usize) {
        let mut arrived = Arrived::default();
        let before = self.acked();
        let whole = usize::try_from(ack.since(before)).unwrap_or(0);
        for place in 0..whole.min(self.packets.len()) {
            self.arrive(now, place, rack, least, &mut arrived);
        }
        // Of an older acknowledgement the mask is no news.
        let is_newest = ack.since(before) >= 0;
        if is_newest {
            self.dark_from = u64::MAX;
        }
        if let Some(mask) = beyond {
            for steps in mask.steps() {
                let Ok(place) = usize::try_from(ack.plus(steps).since(before) - 1) else {
                    continue;
                };
                if place >= self.packets.len() {
                    break;
                }
                self.arrive(now, place, rack, least, &mut arrived);
            }
            let behind = usize::try_from(ack.plus(mask.reach()).since(before) - 1).ok();
            if is_newest && let Some(place) = behind {
                self.dark_from = self.first + place as u64;
            }
            if mask.steps().next().is_none()
                && let Some(packet) = behind.and_then(|place| self.packets.get(place))
            {
                // Something has come, or there would be no mask, and it is beyond its end: masks have 32 bytes at most,
                // and libtorrent makes them as long as what has come, and not as long as the way there.
                rack.on_arrived(packet.sending);
            }
        }
        let mut bytes = 0;
        // A mask may begin with what is next, if it is of another end.
        while self.packets.front().is_some_and(|packet| packet.fate == Fate::Arrived) {
            let packet = self.packets.pop_front().expect("there is a first one");
            bytes += usize::from(packet.length);
            self.first += 1;
        }
        if self.packets.is_empty() {
            // An idle connection keeps no memory for it.
            (self.packets, self.sendings, self.overtaken) = Default::default();
        }
        (arrived, bytes)
    }

    fn arrive(
        &mut self,
        now: Instant,
        place: usize,
        rack: &mut Rack,
        least: Duration,
        arrived: &mut Arrived,
    ) {
        let packet = &mut self.packets[place];
        let length = usize::from(packet.length);
        match packet.fate {
            Fate::Arrived => return,
            Fate::Lost => self.flight.lost -= 1,
            Fate::InFlight => {
                self.flight.packets -= 1;
                self.flight.bytes -= length;
            }
        }
        let elapsed = now.saturating_duration_since(packet.sent);
        // Packets that were sent again may be acknowledged for the sake of the first sending (RFC 8985, section 6.2
        // step 2).
        let is_sure = packet.sends == 1;
        if is_sure {
            let shortest = arrived.round_trip.map_or(elapsed, |round_trip| round_trip.min(elapsed));
            arrived.round_trip = Some(shortest);
        }
        // It was not even sent again, or came sooner than any packet can.
        arrived.is_spurious |= packet.fate == Fate::Lost || (!is_sure && elapsed < least * 3 / 4);
        if is_sure || elapsed >= least {
            rack.on_arrived(packet.sending);
        }
        if packet.kind == Content::Probe {
            arrived.probe = Some(length);
            self.flight.probes -= 1;
        }
        self.flight.small -= usize::from(packet.kind == Content::Small);
        packet.fate = Fate::Arrived;
        arrived.bytes += length;
        arrived.packets += 1;
    }

    /// Finds packets in flight that were overtaken, and are lost by now.
    ///
    /// A mask tells of 256 packets beyond the first gap, and those of libutp of 30: a packet beyond it is not lost, though
    /// one that was sent again later has come.
    pub(super) fn find_lost(&mut self, now: Instant, rack: &Rack, patience: Duration) -> Losses {
        while let Some(sending) = self.sendings.get_mut(self.overtaken) {
            if !rack.is_overtaken(sending.number) {
                break;
            }
            sending.overtaken = Some(now);
            self.overtaken += 1;
        }
        let (mut losses, mut at) = (Losses::default(), 0);
        while at < self.overtaken {
            let Sending { number, index, overtaken } = self.sendings[at];
            let place = index.checked_sub(self.first).map(|place| place as usize);
            let is_current = |place: &usize| {
                let packet = &self.packets[*place];
                packet.sending == number && packet.fate == Fate::InFlight
            };
            if let Some(place) = place.filter(is_current) {
                let lost_at = overtaken.unwrap_or(now) + patience;
                if index >= self.dark_from {
                    at += 1;
                    continue;
                }
                if now < lost_at {
                    losses.next_at = Some(lost_at);
                    break;
                }
                self.lose(place, &mut losses);
            }
            if at == 0 {
                self.sendings.pop_front();
                self.overtaken -= 1;
            } else {
                at += 1;
            }
        }
        losses
    }

    /// Takes the first packet for lost unless it was sent again already (P-07).
    pub(super) fn lose_first(&mut self) -> Losses {
        self.lose_if(0, |first| first.sends == 1)
    }

    /// Takes the last packet for lost if it is of this kind.
    pub(super) fn lose_last(&mut self, kind: Content) -> Losses {
        self.lose_if(self.packets.len().wrapping_sub(1), |last| last.kind == kind)
    }

    /// Takes all packets in flight for lost.
    pub(super) fn lose_all(&mut self) -> Losses {
        self.dark_from = u64::MAX;
        let mut losses = Losses::default();
        for place in 0..self.packets.len() {
            if self.packets[place].fate == Fate::InFlight {
                self.lose(place, &mut losses);
            }
        }
        losses
    }

    fn lose_if(&mut self, place: usize, condition: impl Fn(&Outgoing) -> bool) -> Losses {
        let mut losses = Losses::default();
        let packet = self.packets.get(place);
        if packet.is_some_and(|packet| packet.fate == Fate::InFlight && condition(packet)) {
            self.lose(place, &mut losses);
        }
        losses
    }

    fn lose(&mut self, place: usize, losses: &mut Losses) {
        let packet = &mut self.packets[place];
        packet.fate = Fate::Lost;
        if packet.kind == Content::Probe {
            losses.probe = Some(packet.length.into());
        } else {
            losses.newest = losses.newest.max(Some(packet.sent));
        }
        self.lost_from = self.lost_from.min(self.first + place as u64);
        self.flight.lost += 1;
        self.flight.packets -= 1;
        self.flight.bytes -= usize::from(packet.length);
    }

    /// The sums over packets are right. Returns the bytes of all.
    pub(super) fn check_invariants(&self) -> u64 {
        let mut flight = Flight::default();
        for (index, packet) in (self.first..).zip(&self.packets) {
            match packet.fate {
                Fate::InFlight => {
                    flight.packets += 1;
                    flight.bytes += usize::from(packet.length);
                }
                Fate::Lost => {
                    flight.lost += 1;
                    assert!(packet.sends == 0 || self.lost_from <= index);
                }
                Fate::Arrived => {}
            }
            let is_open = packet.fate != Fate::Arrived;
            flight.small += usize::from(packet.kind == Content::Small && is_open);
            flight.probes += usize::from(packet.kind == Content::Probe && is_open);
        }
        assert_eq!(flight, self.flight);
        assert!(self.overtaken <= self.sendings.len());
        assert!(self.packets.front().is_none_or(|first| first.fate != Fate::Arrived));
        self.packets.iter().map(|packet| u64::from(packet.length)).sum()
    }
}
