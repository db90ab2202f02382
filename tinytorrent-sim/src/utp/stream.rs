use std::io::IoSlice;
use std::sync::LazyLock;
use std::time::Instant;

use tinytorrent_utp::{ConnectionId, Endpoint, StreamError};

/// The application's end of a connection: it writes known bytes, and checks those that it reads.
#[derive(Debug)]
pub struct Stream {
    /// The connection.
    pub id: ConnectionId,
    /// Bytes to be written.
    pub to_write: u64,
    /// Bytes that were written.
    pub written: u64,
    /// Bytes that were read.
    pub read: u64,
    /// True if the stream is ended after all was written.
    pub ends: bool,
    /// False while nothing is read.
    pub reads: bool,
    /// True if the other end has ended its stream, and all before was read.
    pub has_ended: bool,
    /// True if all that was written has arrived, with the end.
    pub is_delivered: bool,
    /// The error that ended it.
    pub failure: Option<StreamError>,
    is_shut: bool,
}

impl Stream {
    pub(super) fn new(id: ConnectionId, to_write: u64) -> Self {
        Self {
            id,
            to_write,
            written: 0,
            read: 0,
            ends: true,
            reads: true,
            has_ended: false,
            is_delivered: false,
            failure: None,
            is_shut: false,
        }
    }

    /// Reads all that is there, and writes all for which there is room.
    pub(super) fn exchange(&mut self, endpoint: &mut Endpoint, now: Instant) {
        self.read(endpoint, now);
        self.write(endpoint, now);
    }

    fn read(&mut self, endpoint: &mut Endpoint, now: Instant) {
        let mut buffer = [0; 16 << 10];
        while self.reads && !self.has_ended && self.failure.is_none() {
            match endpoint.read(now, self.id, &mut buffer) {
                Ok(0) => self.has_ended = true,
                Ok(length) => {
                    assert!(buffer[..length] == *pattern(self.read, length), "at {}", self.read);
                    self.read += length as u64;
                }
                Err(StreamError::WouldBlock) => break,
                Err(error) => self.failure = Some(error),
            }
        }
    }

    fn write(&mut self, endpoint: &mut Endpoint, now: Instant) {
        while self.written < self.to_write && self.failure.is_none() {
            // A single byte finds out whether there is no room or no connection.
            let room = endpoint.writable(self.id).clamp(1, LONGEST);
            let length = (self.to_write - self.written).min(room as u64) as usize;
            let (first, second) = pattern(self.written, length).split_at(length / 3);
            match endpoint.write(now, self.id, &[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(taken) => self.written += taken as u64,
                Err(StreamError::WouldBlock) => break,
                Err(error) => self.failure = Some(error),
            }
        }
        if self.ends && self.written == self.to_write && !self.is_shut {
            self.is_shut = endpoint.shutdown(now, self.id).is_ok();
        }
    }
}

/// The bytes of every stream from a place on. They repeat after a prime, so that no shift by whole packets goes unseen.
fn pattern(from: u64, length: usize) -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..PERIOD + LONGEST as u64).map(|n| ((n % PERIOD) * 31 % 251) as u8).collect()
    });
    &BYTES[(from % PERIOD) as usize..][..length]
}

/// A prime.
const PERIOD: u64 = 65_521;

/// The most bytes of one read or write.
const LONGEST: usize = 16 << 10;
