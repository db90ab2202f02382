use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::SeqNr;
use crate::packet::SelectiveAck;
use crate::rack::Rack;

/// Bytes on their way out: those that wait, and the packets that are not acknowledged yet.
///
/// Packets have numbers and keep their sizes for good (P-22); their bytes stay in one queue, from which each sending
/// copies them.
#[derive(Debug)]
pub(crate) struct SendQueue {
    /// All bytes from the oldest on that is not acknowledged.
    bytes: VecDeque<u8>,
    /// Place in the stream of the first of `bytes`.
    begin: u64,
    /// Place in the stream of the first byte that is in no packet yet.
    cut: u64,
    /// Packets from the oldest on that is not acknowledged; the last one is the one before `next`.
    packets: VecDeque<Outgoing>,
    next: SeqNr,
    /// Packets that were acknowledged, up to as many as numbers can be told apart.
    past: i32,
    end: End,
    flight: Flight,
}

/// Sums over the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flight {
    bytes: usize,
    packets: usize,
    lost: usize,
    small: usize,
    probes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Wanted,
    Numbered,
}

/// A packet that has a number.
#[derive(Debug)]
struct Outgoing {
    begin: u64,
    length: u16,
    sends: u8,
    fate: Fate,
    kind: Content,
    sent: Instant,
    /// The arrival of the first packet that was sent later.
    overtaken: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InFlight,
    Lost,
    Arrived,
}

/// The content of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Bytes of the stream, as many as fit.
    Full,
    /// Fewer bytes than would fit.
    Small,
    /// Bytes of the stream, in a packet larger than has been seen to arrive.
    Probe,
    /// The end of the stream.
    End,
}

/// The outcome of an acknowledgement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Bytes that were acknowledged for the first time.
    pub(crate) bytes: usize,
    /// Packets that were acknowledged for the first time.
    pub(crate) packets: usize,
    /// The shortest round trip of packets that were sent once (P-32).
    pub(crate) round_trip: Option<Duration>,
    /// True if a packet that was sent again came too soon to be that one.
    pub(crate) is_spurious: bool,
    /// Payload of a probe that arrived.
    pub(crate) probe: Option<usize>,
}

/// The outcome of a look for lost packets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// The time at which the last of those was sent that now count as lost; probes do not count (P-11).
    pub(crate) newest: Option<Instant>,
    /// Payload of a lost probe.
    pub(crate) probe: Option<usize>,
    /// The time at which the next one is lost unless it is acknowledged.
    pub(crate) next_at: Option<Instant>,
}

impl SendQueue {
    /// An empty queue whose first packet will have the number `next`.
    pub(crate) fn new(next: SeqNr) -> Self {
        Self {
            bytes: VecDeque::new(),
            begin: 0,
            cut: 0,
            packets: VecDeque::new(),
            next,
            past: 0,
            end: End::Open,
            flight: Flight::default(),
        }
    }

    /// Bytes that are not acknowledged yet.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The number of the next packet.
    pub(crate) fn next_seq(&self) -> SeqNr {
        self.next
    }

    /// The last number up to which everything is acknowledged.
    pub(crate) fn acked(&self) -> SeqNr {
        self.next.minus(self.packets.len() as u16 + 1)
    }

    /// Acknowledged packets, up to a bound: an acknowledgement of one before them is none of ours.
    pub(crate) fn past(&self) -> i32 {
        self.past
    }

    pub(crate) fn bytes_in_flight(&self) -> usize {
        self.flight.bytes
    }

    pub(crate) fn packets_in_flight(&self) -> usize {
        self.flight.packets
    }

    /// Bytes that are in no packet yet.
    pub(crate) fn unsent(&self) -> usize {
        self.bytes.len() - (self.cut - self.begin) as usize
    }

    /// True if there are packets to be sent again, bytes in no packet, or the end of the stream.
    pub(crate) fn may_send(&self) -> bool {
        self.flight.lost > 0 || self.unsent() > 0 || self.end == End::Wanted
    }

    /// True if the end of the stream was asked for.
    pub(crate) fn is_ended(&self) -> bool {
        self.end != End::Open
    }

    /// True if all bytes and the end of the stream are acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.end == End::Numbered && self.packets.is_empty()
    }

    /// True if nothing waits for an acknowledgement, or to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.packets.is_empty() && self.bytes.is_empty() && self.end != End::Wanted
    }

    /// Takes up to `room` bytes, and returns how many.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>], room: usize) -> usize {
        let mut left = if self.is_ended() { 0 } else { room };
        for slice in slices {
            let taken = slice.len().min(left);
            self.bytes.extend(&slice[..taken]);
            left -= taken;
        }
        if self.is_ended() { 0 } else { room - left }
    }

    /// Ends the stream behind what was written.
    pub(crate) fn end(&mut self) {
        if self.end == End::Open {
            self.end = End::Wanted;
        }
    }

    /// The first packet that is to be sent again: its place, and its payload in bytes.
    pub(crate) fn first_lost(&self) -> Option<(usize, usize)> {
        if self.flight.lost == 0 {
            return None;
        }
        let is_lost = |packet: &Outgoing| packet.fate == Fate::Lost;
        let place = self.packets.iter().position(is_lost)?;
        Some((place, self.packets[place].length.into()))
    }

    /// The content and length of a new packet for up to `most` bytes, or for the end of the stream; none if there is
    /// nothing to send, or if it would be a second small one in flight (P-39).
    pub(crate) fn next_content(&self, most: usize) -> Option<(Content, usize)> {
        // Numbers must stay comparable, at both ends.
        if self.packets.len() >= MOST_PACKETS {
            return None;
        }
        let unsent = self.unsent();
        if unsent == 0 {
            return (self.end == End::Wanted).then_some((Content::End, 0));
        }
        if unsent >= most {
            return Some((Content::Full, most));
        }
        (self.flight.small == 0).then_some((Content::Small, unsent))
    }

    /// Numbers a packet of the next `length` bytes, and returns its place.
    pub(crate) fn number(&mut self, now: Instant, kind: Content, length: usize) -> usize {
        self.packets.push_back(Outgoing {
            begin: self.cut,
            length: length as u16,
            sends: 0,
            fate: Fate::Lost,
            kind,
            sent: now,
            overtaken: None,
        });
        self.flight.lost += 1;
        self.flight.small += usize::from(kind == Content::Small);
        self.flight.probes += usize::from(kind == Content::Probe);
        self.cut += length as u64;
        if kind == Content::End {
            self.end = End::Numbered;
        }
        self.next = self.next.plus(1);
        self.packets.len() - 1
    }

    /// Copies the payload of a packet to the start of `buffer`, for it is sent now. Returns its number, whether it is
    /// the end of the stream, and its length.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        place: usize,
        buffer: &mut [u8],
    ) -> (SeqNr, bool, usize) {
        let seq = self.acked().plus(place as u16 + 1);
        let packet = &mut self.packets[place];
        let length = usize::from(packet.length);
        if packet.fate == Fate::Lost {
            packet.fate = Fate::InFlight;
            self.flight.lost -= 1;
            self.flight.packets += 1;
            self.flight.bytes += length;
        }
        if packet.sends > 0 && packet.kind == Content::Probe {
            // P-22: the second time it is a packet like others, which routers may cut.
            packet.kind = Content::Full;
            self.flight.probes -= 1;
        }
        packet.sends = packet.sends.saturating_add(1);
        (packet.sent, packet.overtaken) = (now, None);
        let from = (packet.begin - self.begin) as usize;
        let (front, back) = self.bytes.as_slices();
        let in_front = front.len().saturating_sub(from).min(length);
        let buffer = &mut buffer[..length];
        buffer[..in_front].copy_from_slice(&front[front.len().min(from)..][..in_front]);
        let from_back = from.saturating_sub(front.len());
        buffer[in_front..].copy_from_slice(&back[from_back..][..length - in_front]);
        (seq, packet.kind == Content::End, length)
    }

    /// Takes an acknowledgement of everything up to `ack`, and of what is set beyond.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        ack: SeqNr,
        beyond: Option<SelectiveAck<'_>>,
        rack: &mut Rack,
        least: Duration,
    ) -> Arrived {
        let mut arrived = Arrived::default();
        let first = self.acked();
        let whole = usize::try_from(ack.since(first)).unwrap_or(0).min(self.packets.len());
        for place in 0..whole {
            self.arrive(now, place, rack, least, &mut arrived);
        }
        for steps in beyond.into_iter().flat_map(SelectiveAck::steps) {
            let Ok(place) = usize::try_from(ack.plus(steps).since(first) - 1) else { continue };
            if place >= self.packets.len() {
                break;
            }
            self.arrive(now, place, rack, least, &mut arrived);
        }
        if let Some(mask) = beyond.filter(|mask| mask.steps().next().is_none())
            && let Ok(place) = usize::try_from(ack.plus(mask.reach()).since(first) - 1)
            && let Some(packet) = self.packets.get(place)
        {
            // Something has come, or there would be no mask, and it is beyond its end: masks have 32 bytes at most, and
            // libtorrent makes them as long as what has come, and not as long as the way there.
            rack.on_arrived(packet.sent, packet.begin);
        }
        // A mask may begin with what is next, if it is of another end.
        while self.packets.front().is_some_and(|packet| packet.fate == Fate::Arrived) {
            let packet = self.packets.pop_front().expect("there is a first one");
            self.bytes.drain(..usize::from(packet.length));
            self.begin += u64::from(packet.length);
            self.past = (self.past + 1).min(i32::from(i16::MAX));
        }
        if self.bytes.is_empty() {
            // An idle connection keeps no memory for it.
            self.bytes = VecDeque::new();
            if self.packets.is_empty() {
                self.packets = VecDeque::new();
            }
        }
        arrived
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
            rack.on_arrived(packet.sent, packet.begin);
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

    /// Finds packets in flight that are lost by now.
    pub(crate) fn find_lost(
        &mut self,
        now: Instant,
        rack: &Rack,
        least: Duration,
        smooth: Duration,
    ) -> Losses {
        let mut losses = Losses::default();
        let patience = rack.patience(least, smooth);
        for place in 0..self.packets.len() {
            let packet = &mut self.packets[place];
            if packet.fate != Fate::InFlight {
                continue;
            }
            if rack.is_overtaken(packet.sent, packet.begin) {
                let at = *packet.overtaken.get_or_insert(now) + patience;
                if at <= now {
                    self.lose(place, &mut losses);
                } else {
                    losses.next_at = Some(losses.next_at.map_or(at, |next| next.min(at)));
                }
            } else if packet.sends == 1 {
                // Those behind were sent later, for the first time or again.
                break;
            }
        }
        losses
    }

    /// Takes the first packet for lost unless it was sent again already (P-07).
    pub(crate) fn lose_first(&mut self) -> Losses {
        let mut losses = Losses::default();
        if self
            .packets
            .front()
            .is_some_and(|first| first.fate == Fate::InFlight && first.sends == 1)
        {
            self.lose(0, &mut losses);
        }
        losses
    }

    /// Takes all packets in flight for lost.
    pub(crate) fn lose_all(&mut self) -> Losses {
        let mut losses = Losses::default();
        for place in 0..self.packets.len() {
            if self.packets[place].fate == Fate::InFlight {
                self.lose(place, &mut losses);
            }
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
        self.flight.lost += 1;
        self.flight.packets -= 1;
        self.flight.bytes -= usize::from(packet.length);
    }

    /// The place of the last packet in flight, to be sent again as a question for an acknowledgement.
    pub(crate) fn last_in_flight(&self) -> Option<usize> {
        self.packets.iter().rposition(|packet| packet.fate == Fate::InFlight)
    }

    /// Takes the last packet for lost if it is of this kind and in flight.
    pub(crate) fn lose_last(&mut self, kind: Content) -> Losses {
        let mut losses = Losses::default();
        if self.packets.back().is_some_and(|last| last.kind == kind && last.fate == Fate::InFlight)
        {
            self.lose(self.packets.len() - 1, &mut losses);
        }
        losses
    }

    /// True while a probe is on its way.
    pub(crate) fn has_probe(&self) -> bool {
        self.flight.probes > 0
    }

    /// Gives the first packet another number.
    ///
    /// # Panics
    /// If a packet has a number.
    pub(crate) fn renumber(&mut self, next: SeqNr) {
        assert!(self.packets.is_empty(), "a number is for good");
        self.next = next;
    }

    /// Payload of the packet at `place`.
    pub(crate) fn length(&self, place: usize) -> usize {
        self.packets[place].length.into()
    }

    /// The sums over packets are right.
    pub(crate) fn check_invariants(&self) {
        let mut flight = Flight::default();
        for packet in &self.packets {
            match packet.fate {
                Fate::InFlight => {
                    flight.packets += 1;
                    flight.bytes += usize::from(packet.length);
                }
                Fate::Lost => flight.lost += 1,
                Fate::Arrived => {}
            }
            let is_open = packet.fate != Fate::Arrived;
            flight.small += usize::from(packet.kind == Content::Small && is_open);
            flight.probes += usize::from(packet.kind == Content::Probe && is_open);
        }
        assert_eq!(flight, self.flight);
        let numbered: u64 = self.packets.iter().map(|packet| u64::from(packet.length)).sum();
        assert_eq!(self.begin + numbered, self.cut);
        assert!(self.cut <= self.begin + self.bytes.len() as u64);
        assert!(self.packets.front().is_none_or(|first| first.fate != Fate::Arrived));
    }
}

/// Half of what a circle of 16 bits can compare, by half again for packets that are late.
const MOST_PACKETS: usize = 8_192;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_millis(40);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn seq(n: u16) -> SeqNr {
        SeqNr::new(u16::MAX).plus(n)
    }

    /// A queue with these bytes, whose first packet has the number 0.
    fn queue(bytes: &[u8]) -> SendQueue {
        let mut queue = SendQueue::new(seq(1));
        assert_eq!(queue.write(&[IoSlice::new(bytes)], 1_000), bytes.len());
        queue
    }

    /// Sends a new packet of up to so many bytes, and returns its payload.
    fn send(queue: &mut SendQueue, now: Instant, most: usize) -> Option<String> {
        let (content, length) = queue.next_content(most)?;
        let place = queue.number(now, content, length);
        Some(send_place(queue, now, place))
    }

    fn send_place(queue: &mut SendQueue, now: Instant, place: usize) -> String {
        let mut buffer = [0; 100];
        let (_, _, length) = queue.send(now, place, &mut buffer);
        queue.check_invariants();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn acknowledge(queue: &mut SendQueue, now: Instant, ack: SeqNr, mask: &[u8]) -> Arrived {
        let mask = (!mask.is_empty()).then(|| SelectiveAck::new(mask));
        let arrived = queue.acknowledge(now, ack, mask, &mut Rack::default(), LEAST);
        queue.check_invariants();
        arrived
    }

    #[test]
    fn bytes_go_out_in_order_and_are_kept_until_they_are_acknowledged() {
        let now = Instant::now();
        let mut queue = queue(b"abcdefgh");
        queue.end();
        assert_eq!(queue.write(&[IoSlice::new(b"x")], 1_000), 0);
        let sent: Vec<_> = std::iter::from_fn(|| send(&mut queue, now, 3)).collect();
        assert_eq!(sent, ["abc", "def", "gh", ""]);
        assert_eq!((queue.bytes_in_flight(), queue.packets_in_flight(), queue.unsent()), (8, 4, 0));
        let arrived = acknowledge(&mut queue, now + ms(50), seq(2), &[]);
        assert_eq!((arrived.bytes, arrived.packets, arrived.round_trip), (6, 2, Some(ms(50))));
        assert_eq!((queue.len(), queue.acked(), queue.is_done()), (2, seq(2), false));
        acknowledge(&mut queue, now + ms(50), seq(4), &[]);
        assert!(queue.is_done() && queue.is_idle());
    }

    #[test]
    fn a_packet_beyond_a_gap_counts_once() {
        let now = Instant::now();
        let mut queue = queue(b"abcdef");
        while send(&mut queue, now, 2).is_some() {}
        // Bits beyond what was sent mean nothing.
        assert_eq!(acknowledge(&mut queue, now, seq(0), &[0xff; 4]).bytes, 4);
        assert_eq!(acknowledge(&mut queue, now, seq(0), &[0xff; 4]).bytes, 0);
        assert_eq!(acknowledge(&mut queue, now, seq(3), &[]).bytes, 2);
        assert!(queue.is_idle());
    }

    /// P-39
    #[test]
    fn one_small_packet_is_in_flight() {
        let now = Instant::now();
        let mut queue = queue(b"ab");
        assert_eq!(send(&mut queue, now, 10).as_deref(), Some("ab"));
        queue.write(&[IoSlice::new(b"cd")], 1_000);
        assert_eq!(send(&mut queue, now, 10), None);
        queue.write(&[IoSlice::new(b"efghijklmn")], 1_000);
        assert_eq!(send(&mut queue, now, 10).as_deref(), Some("cdefghijkl"));
        acknowledge(&mut queue, now, seq(1), &[]);
        assert_eq!(send(&mut queue, now, 10).as_deref(), Some("mn"));
    }

    /// P-32
    #[test]
    fn only_packets_that_were_sent_once_give_a_round_trip() {
        let now = Instant::now();
        let mut queue = queue(b"abcd");
        while send(&mut queue, now, 2).is_some() {}
        assert_eq!(queue.lose_all().newest, Some(now));
        assert_eq!(queue.first_lost(), Some((0, 2)));
        assert_eq!(send_place(&mut queue, now + ms(500), 0), "ab");
        let arrived = acknowledge(&mut queue, now + ms(550), seq(1), &[]);
        assert_eq!((arrived.round_trip, arrived.is_spurious), (None, false));
        // This one was not sent again, so that it was late, and not lost.
        let arrived = acknowledge(&mut queue, now + ms(551), seq(2), &[]);
        assert_eq!((arrived.round_trip, arrived.is_spurious), (Some(ms(551)), true));
    }

    /// P-22
    #[test]
    fn a_lost_probe_is_sent_again_as_it_is() {
        let now = Instant::now();
        let mut queue = queue(b"abcdef");
        let place = queue.number(now, Content::Probe, 4);
        send_place(&mut queue, now, place);
        assert!(queue.has_probe());
        let losses = queue.lose_last(Content::Probe);
        assert_eq!((losses.newest, losses.probe), (None, Some(4)));
        assert_eq!(send_place(&mut queue, now, place), "abcd");
        assert!(!queue.has_probe(), "routers may cut it");
        assert_eq!(acknowledge(&mut queue, now, seq(1), &[]).probe, None);
    }

    /// P-21
    #[test]
    fn the_first_packet_is_taken_for_lost_once() {
        let now = Instant::now();
        let mut queue = queue(b"abcd");
        while send(&mut queue, now, 2).is_some() {}
        assert_eq!(queue.lose_first().newest, Some(now));
        assert_eq!(send_place(&mut queue, now + ms(1), 0), "ab");
        assert_eq!(queue.lose_first(), Losses::default());
    }

    /// P-07
    #[test]
    fn an_empty_mask_has_all_overtaken_of_which_it_tells() {
        let now = Instant::now();
        let mut queue = queue(&[7; 40]);
        let mut rack = Rack::default();
        while send(&mut queue, now, 1).is_some() {}
        let smooth = ms(50);
        // Something behind the 33 packets that the mask says are missing has come.
        let mask = Some(SelectiveAck::new(&[0; 4]));
        let arrived = queue.acknowledge(now + ms(40), seq(0), mask, &mut rack, LEAST);
        assert_eq!(arrived, Arrived::default());
        queue.find_lost(now + ms(40), &rack, LEAST, smooth);
        queue.find_lost(now + ms(50), &rack, LEAST, smooth);
        assert_eq!((queue.flight.lost, queue.packets_in_flight()), (33, 7));
        // One that reaches beyond all that was sent tells nothing.
        let mask = Some(SelectiveAck::new(&[0; 32]));
        queue.acknowledge(now + ms(60), seq(0), mask, &mut rack, LEAST);
        assert_eq!(queue.find_lost(now + ms(90), &rack, LEAST, smooth).newest, None);
        queue.check_invariants();
    }

    #[test]
    fn a_packet_is_lost_a_while_after_it_was_overtaken() {
        let now = Instant::now();
        let (mut queue, mut rack) = (queue(b"abcdef"), Rack::default());
        while send(&mut queue, now, 2).is_some() {}
        let smooth = ms(50);
        queue.acknowledge(now + ms(40), seq(0), Some(SelectiveAck::new(&[1])), &mut rack, LEAST);
        let losses = queue.find_lost(now + ms(40), &rack, LEAST, smooth);
        assert_eq!((losses.newest, losses.next_at), (None, Some(now + ms(50))));
        let losses = queue.find_lost(now + ms(50), &rack, LEAST, smooth);
        assert_eq!((losses.newest, losses.next_at), (Some(now), None));
        queue.check_invariants();
    }
}
