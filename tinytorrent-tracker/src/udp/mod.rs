//! UDP trackers (BEP 15, BEP 41): codecs of datagrams, and the client's exchange as a machine.

mod exchange;
mod options;
mod request;
mod response;

pub use exchange::{Exchange, ExchangeConfig, ExchangeError, ExchangeStats, Reply, RequestId};
pub use options::{url_data, write_url_data};
pub use request::{Announce, Request, RequestBody};
pub use response::{Response, ResponseBody, known_count};

/// The size of a buffer that holds every UDP datagram.
pub const MAX_DATAGRAM: usize = 65_535;

/// The largest number of info-hashes in one scrape (BEP 15: "up to about 74"): 16 + 74 · 20 bytes
/// stay below the 1,500 bytes of an Ethernet frame.
pub const MAX_SCRAPE_HASHES: usize = 74;

/// The constant of a connect request, in the place of the connection id (BEP 15, "Connect").
const PROTOCOL_ID: u64 = 0x0417_2710_1980;

const ACTION_CONNECT: u32 = 0;
const ACTION_ANNOUNCE: u32 = 1;
const ACTION_SCRAPE: u32 = 2;
const ACTION_ERROR: u32 = 3;

/// An error of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatagramError {
    /// The datagram is shorter than its action requires.
    #[error("{found} bytes where a datagram with action {action:?} has at least {needed}")]
    TooShort {
        /// The action; `None` if the datagram ends before it.
        action: Option<u32>,
        /// The required length in bytes.
        needed: usize,
        /// The length of the datagram in bytes.
        found: usize,
    },
    /// An action that BEP 15 does not define. Old IPv6 trackers answered with 4.
    #[error("unknown action {0}")]
    UnknownAction(u32),
    /// A connect request that does not begin with the constant of the protocol.
    #[error("a connect request without the protocol's constant")]
    NotTheProtocol,
}

/// A reader of fixed fields from the front of a slice.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn rest(self) -> &'a [u8] {
        self.0
    }
}
