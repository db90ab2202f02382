use tinytorrent_types::compact::{self, Family};

use super::{ACTION_ANNOUNCE, ACTION_CONNECT, ACTION_ERROR, ACTION_SCRAPE, DatagramError, Fields};
use crate::SwarmCounts;

/// A datagram from a tracker to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// The transaction id of the request.
    pub transaction_id: u32,
    /// The fields of this kind of response.
    pub body: ResponseBody<'a>,
}

/// The body of a datagram from a tracker, by action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseBody<'a> {
    /// A connection id, which a client may use for a minute, and a tracker accepts for two.
    Connect {
        /// The id to send with each further request.
        connection_id: u64,
    },
    /// The response to an announce.
    Announce {
        /// Seconds until the next announce; negative from faulty trackers.
        interval: i32,
        /// The number of incomplete peers; -1 from trackers that do not count, see
        /// [`known_count`].
        leechers: u32,
        /// The number of complete peers; -1 from trackers that do not count.
        seeders: u32,
        /// Compact peers: 6 bytes each if the datagram came over IPv4, 18 if over IPv6.
        peers: &'a [u8],
    },
    /// Sizes of swarms, in the order of the request.
    Scrape {
        /// Entries of twelve bytes: seeders, completed, leechers.
        counts: &'a [u8],
    },
    /// A refusal.
    Error {
        /// A message for the user; any bytes.
        message: &'a [u8],
    },
}

impl<'a> Response<'a> {
    /// Parses a datagram from a tracker. Bytes behind the fields, or behind the last whole peer,
    /// are allowed.
    ///
    /// # Errors
    /// A datagram that is too short, or has an unknown action.
    pub fn read(datagram: &'a [u8]) -> Result<Self, DatagramError> {
        let mut fields = Fields(datagram);
        let (Some(action), Some(transaction_id)) = (fields.u32(), fields.u32()) else {
            return Err(too_short(None, HEADER, datagram));
        };
        let body = match action {
            ACTION_CONNECT => fields
                .u64()
                .map(|connection_id| ResponseBody::Connect { connection_id })
                .ok_or_else(|| too_short(Some(action), CONNECT_LENGTH, datagram))?,
            ACTION_ANNOUNCE => read_announce(fields)
                .ok_or_else(|| too_short(Some(action), ANNOUNCE_LENGTH, datagram))?,
            ACTION_SCRAPE => ResponseBody::Scrape { counts: fields.rest() },
            ACTION_ERROR => ResponseBody::Error { message: fields.rest() },
            unknown => return Err(DatagramError::UnknownAction(unknown)),
        };
        Ok(Self { transaction_id, body })
    }

    /// The transaction id of a datagram that may be a response; nothing else is checked.
    pub fn peek_transaction_id(datagram: &[u8]) -> Option<u32> {
        datagram.get(4..8)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Appends the datagram.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut header = |action: u32| {
            out.extend_from_slice(&action.to_be_bytes());
            out.extend_from_slice(&self.transaction_id.to_be_bytes());
        };
        match self.body {
            ResponseBody::Connect { connection_id } => {
                header(ACTION_CONNECT);
                out.extend_from_slice(&connection_id.to_be_bytes());
            }
            ResponseBody::Announce { interval, leechers, seeders, peers } => {
                header(ACTION_ANNOUNCE);
                out.extend_from_slice(&interval.to_be_bytes());
                out.extend_from_slice(&leechers.to_be_bytes());
                out.extend_from_slice(&seeders.to_be_bytes());
                out.extend_from_slice(peers);
            }
            ResponseBody::Scrape { counts } => {
                header(ACTION_SCRAPE);
                out.extend_from_slice(counts);
            }
            ResponseBody::Error { message } => {
                header(ACTION_ERROR);
                out.extend_from_slice(message);
            }
        }
    }
}

impl<'a> ResponseBody<'a> {
    /// The peers of an announce reply, whose format depends on the family of the datagram (BEP 15,
    /// "IPv6"). Empty for other replies.
    pub fn peers(&self, family: Family) -> compact::Peers<'a> {
        match self {
            ResponseBody::Announce { peers, .. } => compact::peers(peers, family),
            _ => compact::peers(&[], family),
        }
    }

    /// The whole entries of a scrape reply. Empty for other replies.
    pub fn counts(&self) -> impl ExactSizeIterator<Item = SwarmCounts> + use<'a> {
        let packed: &'a [u8] = match self {
            ResponseBody::Scrape { counts } => counts,
            _ => &[],
        };
        packed.as_chunks::<SCRAPE_ENTRY>().0.iter().map(|entry| {
            let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| entry[at + i]));
            SwarmCounts {
                seeders: known_count(number(0)),
                completed: known_count(number(4)),
                leechers: known_count(number(8)),
                // BEP 15 has no field for the downloaders of BEP 21.
                downloaders: None,
            }
        })
    }

    /// The number of the action.
    pub fn action(&self) -> u32 {
        match self {
            ResponseBody::Connect { .. } => ACTION_CONNECT,
            ResponseBody::Announce { .. } => ACTION_ANNOUNCE,
            ResponseBody::Scrape { .. } => ACTION_SCRAPE,
            ResponseBody::Error { .. } => ACTION_ERROR,
        }
    }
}

/// A count of a reply; `None` if the tracker does not count.
pub fn known_count(count: u32) -> Option<u32> {
    // The fields of BEP 15 are signed, and trackers that do not count send -1.
    u32::try_from(count.cast_signed()).ok()
}

fn read_announce<'a>(mut fields: Fields<'a>) -> Option<ResponseBody<'a>> {
    // Read as unsigned, the negative interval of a faulty tracker would be decades.
    let interval = fields.u32()?.cast_signed();
    let leechers = fields.u32()?;
    let seeders = fields.u32()?;
    Some(ResponseBody::Announce { interval, leechers, seeders, peers: fields.rest() })
}

fn too_short(action: Option<u32>, needed: usize, datagram: &[u8]) -> DatagramError {
    DatagramError::TooShort { action, needed, found: datagram.len() }
}

const HEADER: usize = 8;
const CONNECT_LENGTH: usize = 16;
const ANNOUNCE_LENGTH: usize = 20;
const SCRAPE_ENTRY: usize = 12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// U-02, BEP 15 "Connect"
    #[test]
    fn a_connect_reply_may_be_longer_but_not_shorter_than_sixteen_bytes() {
        let whole = *b"\0\0\0\0\0\0\0\x07\x11\x22\x33\x44\x55\x66\x77\x88and more";
        let expected = Response {
            transaction_id: 7,
            body: ResponseBody::Connect { connection_id: 0x1122_3344_5566_7788 },
        };
        assert_eq!(Response::read(&whole), Ok(expected));
        assert_eq!(Response::read(&whole[..16]), Ok(expected));
        for length in 0..16 {
            assert!(matches!(
                Response::read(&whole[..length]),
                Err(DatagramError::TooShort { .. })
            ));
        }
    }

    /// U-20, U-22, BEP 15 "Announce"
    #[test]
    fn leechers_come_before_seeders_and_a_remainder_costs_nothing() {
        let reply =
            b"\0\0\0\x01\0\0\0\x07\0\0\x07\x08\0\0\0\x02\0\0\0\x03\x01\x02\x03\x04\x00\x50odd";
        let response = Response::read(reply).unwrap();
        let ResponseBody::Announce { interval, leechers, seeders, .. } = response.body else {
            panic!("{response:?}")
        };
        assert_eq!((interval, leechers, seeders), (1800, 2, 3));
        let peers: Vec<_> = response.body.peers(Family::V4).collect();
        assert_eq!(peers, ["1.2.3.4:80".parse().unwrap()]);
        assert_eq!(response.body.peers(Family::V4).remainder(), b"odd");
        assert!(matches!(Response::read(&reply[..19]), Err(DatagramError::TooShort { .. })));
        assert_eq!(Response::read(&reply[..20]).unwrap().body.peers(Family::V4).len(), 0);
    }

    /// U-30, BEP 15 "Scrape"
    #[test]
    fn scrape_entries_are_seeders_completed_leechers() {
        let reply = b"\0\0\0\x02\0\0\0\x07\0\0\0\x01\0\0\0\x02\0\0\0\x03cut";
        let counts: Vec<_> = Response::read(reply).unwrap().body.counts().collect();
        assert_eq!(counts.len(), 1);
        assert_eq!(
            (counts[0].seeders, counts[0].completed, counts[0].leechers),
            (Some(1), Some(2), Some(3))
        );
    }

    /// H-19 over UDP
    #[test]
    fn a_negative_count_is_not_known() {
        let reply = b"\0\0\0\x02\0\0\0\x07\xff\xff\xff\xff\x7f\xff\xff\xff\x80\0\0\0";
        let counts = Response::read(reply).unwrap().body.counts().next().unwrap();
        assert_eq!(
            (counts.seeders, counts.completed, counts.leechers),
            (None, Some(0x7fff_ffff), None)
        );
    }

    /// U-27, BEP 15 "Errors"
    #[test]
    fn an_error_of_eight_bytes_is_an_error() {
        let response = Response::read(b"\0\0\0\x03\0\0\0\x07").unwrap();
        assert_eq!(response.body, ResponseBody::Error { message: b"" });
    }

    /// U-44
    #[test]
    fn an_action_of_the_future_is_named() {
        assert_eq!(Response::read(b"\0\0\0\x04\0\0\0\x07"), Err(DatagramError::UnknownAction(4)));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(tail: Vec<u8>, action in 0u32..5, tid: u32) {
            let mut datagram = action.to_be_bytes().to_vec();
            datagram.extend(tid.to_be_bytes());
            datagram.extend(tail);
            if let Ok(response) = Response::read(&datagram) {
                let mut again = Vec::new();
                response.write(&mut again);
                prop_assert_eq!(Response::read(&again), Ok(response));
                prop_assert!(datagram.starts_with(&again));
            }
        }
    }
}
