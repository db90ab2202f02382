use std::collections::VecDeque;
use std::time::Duration;

/// The receive buffer of a socket, and the time that its reader takes.
///
/// # Defaults
/// - Room for any number of datagrams.
/// - A reader that takes no time.
#[derive(Debug, Default)]
pub struct Socket {
    /// Bytes for which there is room, with those that the system has beside each datagram; none for any.
    pub capacity: Option<usize>,
    /// Time that the reader takes for a datagram.
    pub each: Duration,
    /// Datagrams for which there was no room.
    pub dropped: u64,
    waiting: VecDeque<Vec<u8>>,
    held: usize,
    reading: Vec<Vec<u8>>,
    done_at: Duration,
}

impl Socket {
    /// Takes a datagram, if there is room.
    pub(super) fn push(&mut self, at: Duration, datagram: Vec<u8>) {
        let bytes = memory(&datagram);
        if self.capacity.is_some_and(|capacity| self.held + bytes > capacity) {
            self.dropped += 1;
            return;
        }
        self.held += bytes;
        self.waiting.push_back(datagram);
        self.begin(at);
    }

    /// The time at which the reader has datagrams for the endpoint.
    pub(super) fn next(&self) -> Option<Duration> {
        (!self.reading.is_empty()).then_some(self.done_at)
    }

    /// The datagrams with which the reader is done; it goes on with the next ones.
    pub(super) fn pop(&mut self, at: Duration) -> Vec<Vec<u8>> {
        if self.next().is_none_or(|done_at| at < done_at) {
            return Vec::new();
        }
        let done = std::mem::take(&mut self.reading);
        self.begin(at);
        done
    }

    fn begin(&mut self, at: Duration) {
        if self.reading.is_empty() {
            let count = self.waiting.len().min(BATCH);
            self.reading = self.waiting.drain(..count).collect();
            self.held -= self.reading.iter().map(|datagram| memory(datagram)).sum::<usize>();
            self.done_at = at + self.each * count as u32;
        }
    }
}

/// Bytes that Linux counts for a datagram: a power of two for it and its headers, and what describes it.
fn memory(datagram: &[u8]) -> usize {
    (datagram.len() + 64).next_power_of_two() + 256
}

/// Datagrams that are read in one call.
const BATCH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_drops_and_a_reader_makes_room_as_it_takes_a_batch() {
        let us = Duration::from_micros;
        let mut socket = Socket { capacity: Some(10 * 2_304), each: us(5), ..Socket::default() };
        for _ in 0..13 {
            socket.push(us(100), vec![0; 1_472]);
        }
        // The reader has the first one.
        assert_eq!((socket.dropped, socket.next()), (2, Some(us(105))));
        assert!(socket.pop(us(104)).is_empty());
        assert_eq!(socket.pop(us(105)).len(), 1);
        assert_eq!((socket.next(), socket.held), (Some(us(155)), 0));
        assert_eq!(socket.pop(us(200)).len(), 10);
        assert_eq!(socket.next(), None);
    }
}
