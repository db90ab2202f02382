use std::net::{IpAddr, Ipv4Addr};

use tinytorrent_types::{PeerId, WireInfoHash};

use super::{
    ACTION_ANNOUNCE, ACTION_CONNECT, ACTION_SCRAPE, DatagramError, Fields, MAX_SCRAPE_HASHES,
    PROTOCOL_ID, write_url_data,
};
use crate::{AnnounceEvent, AnnounceRequest};

/// A datagram from a client to a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// A random id, which the reply repeats.
    pub transaction_id: u32,
    /// The fields of this kind of request.
    pub body: RequestBody<'a>,
}

/// The body of a datagram from a client, by action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody<'a> {
    /// A request for a connection id.
    Connect,
    /// An announce, which is also a request for peers.
    Announce {
        /// The id from a connect reply.
        connection_id: u64,
        /// The fixed fields.
        announce: Announce,
        /// The bytes from offset 98 on, see [`url_data`](super::url_data) (BEP 41).
        options: &'a [u8],
    },
    /// A request for the sizes of swarms.
    Scrape {
        /// The id from a connect reply.
        connection_id: u64,
        /// The info-hashes, 20 bytes each, packed.
        info_hashes: &'a [u8],
    },
}

/// The fixed fields of an announce request (BEP 15, "Announce").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// The info-hash of the torrent.
    pub info_hash: WireInfoHash,
    /// The peer id of the client.
    pub peer_id: PeerId,
    /// Bytes received.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
    /// Bytes sent.
    pub uploaded: u64,
    /// The reason for the announce. A number that BEP 15 does not define is read as `None`.
    pub event: AnnounceEvent,
    /// An address to use in place of the datagram's source; `0.0.0.0` for none.
    pub ip: Ipv4Addr,
    /// Random bits, the same for all addresses of a peer.
    pub key: u32,
    /// Peers wanted; negative for the tracker's default.
    pub num_want: i32,
    /// The port at which the peer listens.
    pub port: u16,
}

impl From<&AnnounceRequest> for Announce {
    fn from(request: &AnnounceRequest) -> Self {
        // The field is signed, and a negative number would ask for the default.
        let want = |count| i32::try_from(count).unwrap_or(i32::MAX);
        Announce {
            info_hash: request.info_hash,
            peer_id: request.peer_id,
            downloaded: request.downloaded,
            left: request.left_on_wire(),
            uploaded: request.uploaded,
            event: request.event,
            ip: match request.ip {
                Some(IpAddr::V4(ip)) => ip,
                // The field has four bytes, and 0 stands for the sender's address (BEP 15,
                // "Announce").
                _ => Ipv4Addr::UNSPECIFIED,
            },
            key: request.key,
            num_want: match (request.event, request.num_want) {
                // A client that leaves has no use for peers.
                (AnnounceEvent::Stopped, _) => 0,
                (_, wanted) => wanted.map_or(-1, want),
            },
            port: request.port,
        }
    }
}

impl Announce {
    /// Appends the 98 bytes of an announce request.
    pub fn write(&self, connection_id: u64, transaction_id: u32, out: &mut Vec<u8>) {
        write_header(connection_id, ACTION_ANNOUNCE, transaction_id, out);
        out.extend_from_slice(self.info_hash.as_bytes());
        out.extend_from_slice(self.peer_id.as_bytes());
        out.extend_from_slice(&self.downloaded.to_be_bytes());
        out.extend_from_slice(&self.left.to_be_bytes());
        out.extend_from_slice(&self.uploaded.to_be_bytes());
        out.extend_from_slice(&event_number(self.event).to_be_bytes());
        out.extend_from_slice(&self.ip.octets());
        out.extend_from_slice(&self.key.to_be_bytes());
        out.extend_from_slice(&self.num_want.to_be_bytes());
        out.extend_from_slice(&self.port.to_be_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Announce {
            info_hash: WireInfoHash::from_bytes(fields.array()?),
            peer_id: PeerId::from_bytes(fields.array()?),
            downloaded: fields.u64()?,
            left: fields.u64()?,
            uploaded: fields.u64()?,
            event: event_of(fields.u32()?),
            ip: Ipv4Addr::from(fields.u32()?),
            key: fields.u32()?,
            num_want: fields.u32()?.cast_signed(),
            port: fields.u16()?,
        })
    }
}

impl<'a> Request<'a> {
    /// Parses a datagram from a client. Bytes behind the fields are allowed (BEP 15: "do not
    /// expect packets to be exactly of a certain size").
    ///
    /// # Errors
    /// A datagram that is no request. It should get no reply, since its source may be forged.
    pub fn read(datagram: &'a [u8]) -> Result<Self, DatagramError> {
        let short =
            |action, needed| DatagramError::TooShort { action, needed, found: datagram.len() };
        let mut fields = Fields(datagram);
        let header = (fields.u64(), fields.u32(), fields.u32());
        let (Some(connection_id), Some(action), Some(transaction_id)) = header else {
            return Err(short(None, HEADER));
        };
        let body = match action {
            ACTION_CONNECT if connection_id == PROTOCOL_ID => RequestBody::Connect,
            // The constant of BEP 15 tells a connect from a datagram of another protocol.
            ACTION_CONNECT => return Err(DatagramError::NotTheProtocol),
            ACTION_ANNOUNCE => {
                let announce = Announce::read(&mut fields)
                    .ok_or_else(|| short(Some(ACTION_ANNOUNCE), ANNOUNCE_LENGTH))?;
                RequestBody::Announce { connection_id, announce, options: fields.rest() }
            }
            ACTION_SCRAPE => RequestBody::Scrape { connection_id, info_hashes: fields.rest() },
            unknown => return Err(DatagramError::UnknownAction(unknown)),
        };
        Ok(Self { transaction_id, body })
    }

    /// Appends the datagram.
    pub fn write(&self, out: &mut Vec<u8>) {
        let tid = self.transaction_id;
        match &self.body {
            RequestBody::Connect => write_header(PROTOCOL_ID, ACTION_CONNECT, tid, out),
            RequestBody::Announce { connection_id, announce, options } => {
                announce.write(*connection_id, tid, out);
                out.extend_from_slice(options);
            }
            RequestBody::Scrape { connection_id, info_hashes } => {
                write_header(*connection_id, ACTION_SCRAPE, tid, out);
                out.extend_from_slice(info_hashes);
            }
        }
    }

    /// Appends an announce with path and query of the tracker's URL (BEP 41).
    pub fn write_announce(
        transaction_id: u32,
        connection_id: u64,
        announce: Announce,
        path_and_query: &[u8],
        out: &mut Vec<u8>,
    ) {
        announce.write(connection_id, transaction_id, out);
        write_url_data(path_and_query, out);
    }
}

impl RequestBody<'_> {
    /// The hashes of a scrape: whole ones only, and not more than
    /// [`MAX_SCRAPE_HASHES`](super::MAX_SCRAPE_HASHES). Empty for other requests.
    pub fn scrape_hashes(&self) -> impl Iterator<Item = WireInfoHash> + '_ {
        let packed: &[u8] = match self {
            RequestBody::Scrape { info_hashes, .. } => info_hashes,
            _ => &[],
        };
        // BEP 15 allows bytes behind the fields, so that a part of a hash is no error.
        let (hashes, _) = packed.as_chunks::<20>();
        hashes.iter().take(MAX_SCRAPE_HASHES).map(|&bytes| WireInfoHash::from_bytes(bytes))
    }
}

fn write_header(connection_id: u64, action: u32, transaction_id: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&connection_id.to_be_bytes());
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction_id.to_be_bytes());
}

/// The number of an event (BEP 15, "Announce").
fn event_number(event: AnnounceEvent) -> u32 {
    match event {
        // `paused` of BEP 21 has no number.
        AnnounceEvent::None | AnnounceEvent::Paused => 0,
        AnnounceEvent::Completed => 1,
        AnnounceEvent::Started => 2,
        AnnounceEvent::Stopped => 3,
    }
}

fn event_of(number: u32) -> AnnounceEvent {
    match number {
        1 => AnnounceEvent::Completed,
        2 => AnnounceEvent::Started,
        3 => AnnounceEvent::Stopped,
        _ => AnnounceEvent::None,
    }
}

const HEADER: usize = 16;
const ANNOUNCE_LENGTH: usize = 98;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(byte).collect()
    }

    fn announce() -> AnnounceRequest {
        let mut request = AnnounceRequest::new(
            WireInfoHash::from_bytes([0xaa; 20]),
            PeerId::from_bytes([0xbb; 20]),
            6881,
            0x0102_0304,
        );
        (request.downloaded, request.left, request.uploaded) = (1, Some(2), 3);
        request
    }

    fn written(request: &AnnounceRequest) -> Vec<u8> {
        let mut out = Vec::new();
        Announce::from(request).write(0x1122_3344_5566_7788, 0xdead_beef, &mut out);
        out
    }

    /// U-01, BEP 15 "Connect"
    #[test]
    fn connect_is_sixteen_bytes_behind_the_constant() {
        let mut out = Vec::new();
        Request { transaction_id: 0xdead_beef, body: RequestBody::Connect }.write(&mut out);
        assert_eq!(out, hex("0000041727101980 00000000 deadbeef"));
    }

    /// U-14, U-16, U-18, U-19, BEP 15 "Announce"
    #[test]
    fn announce_is_ninety_eight_bytes_with_left_before_uploaded() {
        let mut request = announce();
        request.event = AnnounceEvent::Started;
        assert_eq!(
            written(&request),
            hex("1122334455667788 00000001 deadbeef
                 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
                 0000000000000001 0000000000000002 0000000000000003
                 00000002 00000000 01020304 ffffffff 1ae1")
        );
    }

    /// U-15, BEP 15 "Announce"
    #[test]
    fn events_have_the_numbers_of_the_bep() {
        for (event, number) in [
            (AnnounceEvent::None, 0),
            (AnnounceEvent::Completed, 1),
            (AnnounceEvent::Started, 2),
            (AnnounceEvent::Stopped, 3),
            (AnnounceEvent::Paused, 0),
        ] {
            let bytes = written(&AnnounceRequest { event, ..announce() });
            assert_eq!(bytes[80..84], [0, 0, 0, number], "{event:?}");
        }
    }

    /// U-16
    #[test]
    fn only_an_ipv4_address_fits_the_ip_field() {
        let with_ip = |ip: &str| AnnounceRequest { ip: Some(ip.parse().unwrap()), ..announce() };
        assert_eq!(written(&with_ip("192.0.2.1"))[84..88], [192, 0, 2, 1]);
        assert_eq!(written(&with_ip("2001:db8::1"))[84..88], [0; 4]);
    }

    /// U-18
    #[test]
    fn nobody_who_stops_wants_peers() {
        let mut request = announce();
        (request.event, request.num_want) = (AnnounceEvent::Stopped, Some(50));
        assert_eq!(written(&request)[92..96], [0; 4]);
        request.event = AnnounceEvent::None;
        assert_eq!(written(&request)[92..96], [0, 0, 0, 50]);
    }

    /// U-35
    #[test]
    fn a_passkey_in_the_url_reaches_the_tracker() {
        let mut out = Vec::new();
        let announce = Announce::from(&announce());
        Request::write_announce(7, 8, announce, b"/announce?passkey=1", &mut out);
        let request = Request::read(&out).unwrap();
        let RequestBody::Announce { options, .. } = request.body else { panic!("{request:?}") };
        assert_eq!(super::super::url_data(options).unwrap(), b"/announce?passkey=1");
        out.clear();
        Request::write_announce(7, 8, announce, b"", &mut out);
        assert_eq!(out.len(), ANNOUNCE_LENGTH);
    }

    /// U-33: the options of a request begin at offset 98
    #[test]
    fn every_prefix_of_a_request_is_refused_or_read() {
        let whole = written(&announce());
        for length in 0..whole.len() {
            assert!(matches!(
                Request::read(&whole[..length]),
                Err(DatagramError::TooShort { found, .. }) if found == length
            ));
        }
        assert!(Request::read(&whole).is_ok());
    }

    #[test]
    fn a_connect_request_must_hold_the_constant() {
        let wrong = hex("0000041727101981 00000000 deadbeef");
        assert_eq!(Request::read(&wrong), Err(DatagramError::NotTheProtocol));
    }

    #[test]
    fn a_scrape_gives_whole_hashes_up_to_the_limit() {
        let packed = [5; 20 * (MAX_SCRAPE_HASHES + 1) + 3];
        let body = RequestBody::Scrape { connection_id: 1, info_hashes: &packed };
        assert_eq!(body.scrape_hashes().count(), MAX_SCRAPE_HASHES);
        let body = RequestBody::Scrape { connection_id: 1, info_hashes: &packed[..43] };
        assert_eq!(body.scrape_hashes().count(), 2);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200),
            action in 0u32..4) {
            let mut datagram = bytes;
            if datagram.len() >= HEADER {
                datagram[8..12].copy_from_slice(&action.to_be_bytes());
            }
            if let Ok(request) = Request::read(&datagram) {
                let mut again = Vec::new();
                request.write(&mut again);
                let known = |request: &Request<'_>| format!("{request:?}");
                prop_assert_eq!(known(&Request::read(&again).unwrap()), known(&request));
            }
        }
    }
}
