use std::collections::VecDeque;

use crate::SeqNr;
use crate::byte_queue::ByteQueue;
use crate::packet::MAX_SELECTIVE_ACK;

/// Bytes on their way in: those that can be read, and packets beyond a gap.
#[derive(Debug)]
pub(crate) struct ReceiveQueue {
    /// Bytes in order.
    ready: ByteQueue,
    /// Payloads beyond `ack`; the first place is the gap.
    early: VecDeque<Option<Box<[u8]>>>,
    early_bytes: usize,
    /// The last number up to which everything has come.
    ack: SeqNr,
    /// The number of the packet that ends the stream.
    end: Option<SeqNr>,
    capacity: usize,
    /// The part of the capacity that may be used now.
    limit: usize,
    /// True if nobody will read: bytes count as read when they come.
    is_discarding: bool,
}

/// The fate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// Bytes, or the end, can be read.
    InOrder,
    /// It is kept until those before it have come.
    Early,
    /// It was there before.
    Again,
    /// There is no room for it, or it is behind the end.
    Refused,
}

impl ReceiveQueue {
    /// An empty queue in which `ack` is the last number before the stream.
    pub(crate) fn new(ack: SeqNr, capacity: usize) -> Self {
        Self {
            ready: ByteQueue::default(),
            early: VecDeque::new(),
            early_bytes: 0,
            ack,
            end: None,
            capacity,
            limit: capacity,
            is_discarding: false,
        }
    }

    pub(crate) fn ack(&self) -> SeqNr {
        self.ack
    }

    /// Bytes that can be read.
    pub(crate) fn len(&self) -> usize {
        self.ready.len()
    }

    /// Bytes for which there is room.
    pub(crate) fn window(&self) -> usize {
        self.limit.saturating_sub(self.ready.len() + self.early_bytes)
    }

    /// Bytes of memory in use, with those of places beyond a gap.
    pub(crate) fn held(&self) -> usize {
        self.ready.len() + self.early_bytes + self.early.len() * size_of::<Option<Box<[u8]>>>()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes that may be held now. What is there stays.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes.min(self.capacity);
    }

    /// True if the stream has ended and everything before has come (P-05).
    pub(crate) fn is_ended(&self) -> bool {
        self.end == Some(self.ack)
    }

    /// True if packets beyond a gap are there.
    pub(crate) fn has_gap(&self) -> bool {
        !self.early.is_empty()
    }

    /// Takes a packet of the stream, or the one that ends it.
    pub(crate) fn accept(&mut self, seq: SeqNr, payload: &[u8], is_end: bool) -> Accepted {
        let steps = seq.since(self.ack);
        if steps <= 0 {
            return Accepted::Again;
        }
        let place = steps as usize - 1;
        // P-20: each place takes memory, so that their number is bounded as well as the bytes.
        if place >= (self.limit / BYTES_A_PLACE).clamp(LEAST_PLACES, MOST_PLACES) {
            return Accepted::Refused;
        }
        // P-36
        if self.end.is_some_and(|end| end.precedes(seq) || (is_end && end != seq)) {
            return Accepted::Refused;
        }
        if self.early.get(place).is_some_and(Option::is_some) {
            return Accepted::Again;
        }
        if payload.len() > self.window() {
            return Accepted::Refused;
        }
        if is_end {
            self.cut_behind(place);
            self.end = Some(seq);
        }
        if place > 0 {
            if self.early.len() <= place {
                self.early.resize(place + 1, None);
            }
            self.early[place] = Some(payload.into());
            self.early_bytes += payload.len();
            return Accepted::Early;
        }
        self.early.pop_front();
        self.advance(payload);
        while self.early.front().is_some_and(Option::is_some) {
            let payload = self.early.pop_front().flatten().expect("it was seen");
            self.early_bytes -= payload.len();
            self.advance(&payload);
        }
        if self.early.is_empty() {
            self.early = VecDeque::new();
        }
        Accepted::InOrder
    }

    /// Drops packets behind the end of the stream.
    fn cut_behind(&mut self, place: usize) {
        self.early.truncate(place);
        while self.early.back().is_some_and(Option::is_none) {
            self.early.pop_back();
        }
        self.early_bytes = self.early.iter().flatten().map(|early| early.len()).sum();
    }

    fn advance(&mut self, payload: &[u8]) {
        self.ack = self.ack.plus(1);
        if !self.is_discarding {
            self.ready.push(payload);
        }
    }

    /// Moves bytes to the start of `buffer`, and returns how many.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let length = buffer.len().min(self.ready.len());
        self.ready.copy(0, &mut buffer[..length]);
        self.ready.consume(length);
        length
    }

    /// Drops what can be read, now and from now on.
    pub(crate) fn discard(&mut self) {
        self.is_discarding = true;
        self.ready = ByteQueue::default();
    }

    /// Writes a mask of the packets beyond the gap, and returns its length: a multiple of four, and zero without a
    /// gap (P-06).
    pub(crate) fn selective_ack(&self, mask: &mut [u8; MAX_SELECTIVE_ACK]) -> usize {
        // The first place is the gap itself, which has no bit.
        let beyond = self.early.len().saturating_sub(1);
        let length = beyond.div_ceil(32).min(MAX_SELECTIVE_ACK / 4) * 4;
        mask.fill(0);
        for (bit, early) in self.early.iter().skip(1).take(length * 8).enumerate() {
            mask[bit / 8] |= u8::from(early.is_some()) << (bit % 8);
        }
        length
    }

    /// The sum is right, and the gap is one.
    pub(crate) fn check_invariants(&self) {
        let bytes: usize = self.early.iter().flatten().map(|early| early.len()).sum();
        assert_eq!(bytes, self.early_bytes);
        assert!(self.early.front().is_none_or(Option::is_none));
        assert!(self.early.back().is_none_or(Option::is_some));
        assert!(self.ready.len() + self.early_bytes <= self.capacity);
    }
}

/// Places beyond a gap: one for so many bytes of the buffer, within bounds. Packets of full size fill the buffer
/// first; smaller ones fill the places.
const BYTES_A_PLACE: usize = 1_024;
const LEAST_PLACES: usize = 64;
const MOST_PLACES: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> ReceiveQueue {
        // The numbers wrap.
        ReceiveQueue::new(SeqNr::new(u16::MAX - 1), 1_000)
    }

    fn seq(n: u16) -> SeqNr {
        SeqNr::new(u16::MAX - 1).plus(n)
    }

    fn read(queue: &mut ReceiveQueue) -> String {
        queue.check_invariants();
        let mut buffer = [0; 1_000];
        let length = queue.read(&mut buffer);
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn packets_in_any_order_give_the_stream() {
        let mut queue = queue();
        assert_eq!(queue.accept(seq(3), b"c", false), Accepted::Early);
        assert_eq!(queue.accept(seq(2), b"b", false), Accepted::Early);
        assert_eq!(queue.accept(seq(3), b"x", false), Accepted::Again);
        assert_eq!((queue.window(), queue.has_gap()), (998, true));
        assert_eq!(read(&mut queue), "");
        assert_eq!(queue.accept(seq(1), b"a", false), Accepted::InOrder);
        assert_eq!(queue.accept(seq(2), b"x", false), Accepted::Again);
        assert_eq!((queue.ack(), queue.has_gap()), (seq(3), false));
        assert_eq!(read(&mut queue), "abc");
        assert_eq!(queue.window(), 1_000);
    }

    /// P-06, P-25
    #[test]
    fn the_mask_begins_two_behind_and_has_a_multiple_of_four_bytes() {
        let mut queue = queue();
        let mut mask = [0; MAX_SELECTIVE_ACK];
        assert_eq!(queue.selective_ack(&mut mask), 0);
        for n in [2, 9, 34] {
            queue.accept(seq(n), b"x", false);
        }
        assert_eq!(queue.selective_ack(&mut mask), 8);
        assert_eq!(mask[..8], [0b1000_0001, 0, 0, 0, 1, 0, 0, 0]);
    }

    /// P-20
    #[test]
    fn bytes_and_places_are_bounded() {
        let mut queue = queue();
        assert_eq!(queue.accept(seq(65), b"x", false), Accepted::Refused);
        assert_eq!(queue.accept(seq(64), b"x", false), Accepted::Early);
        assert_eq!(queue.accept(seq(1), &[0; 1_000], false), Accepted::Refused);
        assert_eq!(queue.accept(seq(1), &[0; 999], false), Accepted::InOrder);
        assert_eq!(queue.window(), 0);
        assert_eq!(queue.accept(seq(2), b"x", false), Accepted::Refused);
        queue.check_invariants();
    }

    /// P-05, P-36
    #[test]
    fn the_end_comes_after_all_before_it_and_nothing_comes_behind() {
        let mut queue = queue();
        queue.accept(seq(4), b"behind", false);
        assert_eq!(queue.accept(seq(3), b"", true), Accepted::Early);
        assert_eq!(queue.window(), 1_000);
        assert_eq!(queue.accept(seq(4), b"behind", false), Accepted::Refused);
        assert_eq!(queue.accept(seq(2), b"", true), Accepted::Refused, "there is one end");
        queue.accept(seq(1), b"a", false);
        assert!(!queue.is_ended());
        assert_eq!(queue.accept(seq(2), b"b", false), Accepted::InOrder);
        assert!(queue.is_ended());
        assert_eq!(queue.accept(seq(3), b"", true), Accepted::Again);
        assert_eq!(read(&mut queue), "ab");
    }

    /// P-36
    #[test]
    fn an_end_with_payload_is_tolerated() {
        let mut queue = queue();
        assert_eq!(queue.accept(seq(1), b"last", true), Accepted::InOrder);
        assert!(queue.is_ended());
        assert_eq!(read(&mut queue), "last");
    }
}
