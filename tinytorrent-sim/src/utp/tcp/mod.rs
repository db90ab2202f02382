//! A flow of TCP, as far as its neighbours on a link see it: packets of full size one way, acknowledgements the other.

mod cubic;
mod receiver;
mod sender;

use std::time::Duration;

pub(super) use self::receiver::Ack;
use self::receiver::Receiver;
use self::sender::Sender;

/// A flow of TCP CUBIC (RFC 9438) that always has something to send.
///
/// Losses are found by selective acknowledgements, and sent again within the window; what they do not find, a timeout
/// does.
#[derive(Debug)]
pub struct Flow {
    /// The host that sends.
    pub from: usize,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
}

impl Flow {
    pub(super) fn new(from: usize, at: Duration) -> Self {
        Self { from, sender: Sender::new(at), receiver: Receiver::default() }
    }

    /// Bytes that the receiver has in order.
    pub fn delivered(&self) -> u64 {
        self.receiver.next() * SEGMENT as u64
    }

    /// Bytes that may be in flight.
    pub fn window(&self) -> usize {
        (self.sender.window() * SEGMENT as f64) as usize
    }

    /// Times that the window was cut, without those after timeouts.
    pub fn cuts(&self) -> u64 {
        self.sender.cuts()
    }

    /// Timeouts.
    pub fn timeouts(&self) -> u64 {
        self.sender.timeouts()
    }
}

/// Payload of a packet of 1,500 bytes with the option of timestamps.
const SEGMENT: usize = 1_448;

/// Bytes behind what headers of UDP and IP would take, for which links count: of a packet, and of an acknowledgement with
/// one block.
pub(super) const PACKET: usize = 1_500 - 28;
pub(super) const ACK: usize = 64 - 28;
