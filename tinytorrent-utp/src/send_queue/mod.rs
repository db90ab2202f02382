mod packets;

use std::io::IoSlice;
use std::time::{Duration, Instant};

use self::packets::Packets;
use crate::SeqNr;
use crate::byte_queue::ByteQueue;
use crate::packet::SelectiveAck;
use crate::rack::Rack;

/// Bytes on their way out: those that wait, and the packets that are not acknowledged yet.
///
/// Packets have numbers and keep their sizes for good (P-22); their bytes stay in one queue, from which each sending
/// copies them.
#[derive(Debug)]
pub(crate) struct SendQueue {
    /// All bytes from the oldest on that is not acknowledged.
    bytes: ByteQueue,
    /// Place in the stream of the first of `bytes`.
    begin: u64,
    /// Place in the stream of the first byte that is in no packet yet.
    cut: u64,
    packets: Packets,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Wanted,
    Numbered,
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
        let (bytes, packets) = (ByteQueue::default(), Packets::new(next));
        Self { bytes, begin: 0, cut: 0, packets, end: End::Open }
    }

    /// Bytes that are not acknowledged yet.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The number of the next packet.
    pub(crate) fn next_seq(&self) -> SeqNr {
        self.packets.next_seq()
    }

    /// The last number up to which everything is acknowledged.
    pub(crate) fn acked(&self) -> SeqNr {
        self.packets.acked()
    }

    /// Acknowledged packets, up to as many as numbers can be told apart: an acknowledgement of one before them is none
    /// of ours.
    pub(crate) fn past(&self) -> i32 {
        i16::try_from(self.packets.past()).unwrap_or(i16::MAX).into()
    }

    pub(crate) fn bytes_in_flight(&self) -> usize {
        self.packets.flight().bytes
    }

    pub(crate) fn packets_in_flight(&self) -> usize {
        self.packets.flight().packets
    }

    /// True while a probe is on its way.
    pub(crate) fn has_probe(&self) -> bool {
        self.packets.flight().probes > 0
    }

    /// True if there are packets beyond the last mask.
    pub(crate) fn has_dark(&self) -> bool {
        self.packets.has_dark()
    }

    /// Payload of the packet at `place`.
    pub(crate) fn length(&self, place: usize) -> usize {
        self.packets.length(place)
    }

    /// Bytes that are in no packet yet.
    pub(crate) fn unsent(&self) -> usize {
        self.bytes.len() - (self.cut - self.begin) as usize
    }

    /// True if there are packets to be sent again, bytes in no packet, or the end of the stream.
    pub(crate) fn may_send(&self) -> bool {
        self.packets.flight().lost > 0 || self.unsent() > 0 || self.end == End::Wanted
    }

    /// True if the end of the stream was asked for.
    pub(crate) fn is_ended(&self) -> bool {
        self.end != End::Open
    }

    /// True if all bytes and the end of the stream are acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.end == End::Numbered && self.packets.len() == 0
    }

    /// True if nothing waits for an acknowledgement, or to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.packets.len() == 0 && self.bytes.is_empty() && self.end != End::Wanted
    }

    /// Takes up to `room` bytes, and returns how many.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>], room: usize) -> usize {
        if self.is_ended() { 0 } else { self.bytes.write(slices, room) }
    }

    /// Ends the stream behind what was written.
    pub(crate) fn end(&mut self) {
        if self.end == End::Open {
            self.end = End::Wanted;
        }
    }

    /// The first packet that is to be sent again: its place, and its payload in bytes.
    pub(crate) fn first_lost(&mut self) -> Option<(usize, usize)> {
        let place = self.packets.first_lost()?;
        Some((place, self.packets.length(place)))
    }

    /// The place of the last packet in flight, to be sent again as a question for an acknowledgement.
    pub(crate) fn last_in_flight(&self) -> Option<usize> {
        self.packets.last_in_flight()
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
        (self.packets.flight().small == 0).then_some((Content::Small, unsent))
    }

    /// Numbers a packet of the next `length` bytes, and returns its place.
    pub(crate) fn number(&mut self, now: Instant, kind: Content, length: usize) -> usize {
        let place = self.packets.push(now, self.cut, length, kind);
        self.cut += length as u64;
        if kind == Content::End {
            self.end = End::Numbered;
        }
        place
    }

    /// Copies the payload of a packet to the start of `buffer`, for it is sent now. Returns its number, whether it is
    /// the end of the stream, and its length.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        place: usize,
        buffer: &mut [u8],
    ) -> (SeqNr, bool, usize) {
        let (seq, packet) = self.packets.send(now, place);
        let length = usize::from(packet.length);
        self.bytes.copy((packet.begin - self.begin) as usize, &mut buffer[..length]);
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
        let (arrived, bytes) = self.packets.acknowledge(now, ack, beyond, rack, least);
        self.bytes.consume(bytes);
        self.begin += bytes as u64;
        arrived
    }

    /// Finds packets in flight that are lost by now.
    pub(crate) fn find_lost(&mut self, now: Instant, rack: &Rack, patience: Duration) -> Losses {
        self.packets.find_lost(now, rack, patience)
    }

    /// Takes the first packet for lost unless it was sent again already (P-07).
    pub(crate) fn lose_first(&mut self) -> Losses {
        self.packets.lose_first()
    }

    /// Takes the last packet for lost if it is of this kind and in flight.
    pub(crate) fn lose_last(&mut self, kind: Content) -> Losses {
        self.packets.lose_last(kind)
    }

    /// Takes all packets in flight for lost.
    pub(crate) fn lose_all(&mut self) -> Losses {
        self.packets.lose_all()
    }

    /// Gives the first packet another number.
    ///
    /// # Panics
    /// If a packet has a number.
    pub(crate) fn renumber(&mut self, next: SeqNr) {
        assert!(self.packets.len() == 0, "a number is for good");
        self.packets = Packets::new(next);
    }

    /// The parts agree.
    pub(crate) fn check_invariants(&self) {
        let numbered = self.packets.check_invariants();
        assert_eq!(self.begin + numbered, self.cut);
        assert!(self.cut <= self.begin + self.bytes.len() as u64);
    }
}

/// Half of what a circle of 16 bits can compare, by half again for packets that are late.
const MOST_PACKETS: usize = 8_192;

#[cfg(test)]
mod tests;
