//! The words of attackers that only speak.

use std::net::SocketAddr;
use std::time::Duration;

use crate::attack::LARGEST_METADATA;
use bytes::{BufMut, Bytes, BytesMut};
use tinytorrent_wire::extension::{Holepunch, HolepunchFailure};
use tinytorrent_wire::{Extended, Feature, HashRequest, Message, Piece, Request, Reserved};

/// The words that an attacker repeats over each of its connections, in turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// It has everything, and lets everybody ask for it.
    Promises,
    /// It has half of the pieces, and no more.
    Half,
    /// It has many pieces, of any number: nobody can say which, before the metadata is known.
    Field,
    /// It has one more piece, and one more.
    Haves,
    /// It has a piece, and has it no more.
    ComesAndGoes,
    /// We may ask, and we may not; without BEP 6 all requests are void then.
    Unchokes,
    /// The same of interest.
    Interest,
    /// Requests of blocks and of bytes, which it does not read.
    Requests,
    /// Requests that it takes back.
    Cancels,
    /// Rejects of what nobody asked for.
    Rejects,
    /// Blocks that nobody asked for.
    Blocks,
    /// Pieces that we may have in spite of a choke.
    AllowedFast,
    /// Pieces that we should ask for.
    Suggests,
    /// Requests for hashes.
    HashRequests,
    /// Hashes that nobody asked for.
    Hashes,
    /// Requests for the metadata, over and over.
    MetadataRequests,
    /// Another size of the metadata each time.
    Sizes,
    /// Names of extensions that nobody knows, others each time.
    Names,
    /// Addresses of other peers, others each time.
    Peers,
    /// Introductions: wishes, addresses to connect to, and errors, others each time.
    Introductions,
    /// Our address, another one each time.
    Votes,
    /// Questions and answers about connections to the same peer, in the name of the seed.
    Twins,
    /// It downloads nothing, and it does.
    UploadOnly,
    /// Nodes of the DHT.
    Ports,
    /// Messages that nobody knows, and messages of extensions that nobody speaks.
    Riddles,
}

/// The numbers of our extensions, in the order in which the engine tells them.
const METADATA: u8 = 1;
const DONT_HAVE: u8 = 2;
const UPLOAD_ONLY: u8 = 3;
const EXCHANGE: u8 = 4;
const HOLEPUNCH: u8 = 5;
const TWIN: u8 = 6;

impl Says {
    pub(crate) const ALL: [Self; 25] = [
        Self::Promises,
        Self::Half,
        Self::Field,
        Self::Haves,
        Self::ComesAndGoes,
        Self::Unchokes,
        Self::Interest,
        Self::Requests,
        Self::Cancels,
        Self::Rejects,
        Self::Blocks,
        Self::AllowedFast,
        Self::Suggests,
        Self::HashRequests,
        Self::Hashes,
        Self::MetadataRequests,
        Self::Sizes,
        Self::Names,
        Self::Peers,
        Self::Introductions,
        Self::Votes,
        Self::Twins,
        Self::UploadOnly,
        Self::Ports,
        Self::Riddles,
    ];

    /// The features of its handshakes.
    pub(crate) fn reserved(self) -> Reserved {
        let all = Reserved::from([Feature::Extended, Feature::V2, Feature::Dht]);
        match self {
            Says::Unchokes | Says::Cancels => all,
            _ => all.with(Feature::Fast),
        }
    }

    /// All that is said over a connection, in so many turns with so much time between them.
    pub(crate) fn speech(
        self,
        turns: u64,
        pause: Duration,
        pieces: u32,
    ) -> impl Fn(u64) -> Option<(Duration, Vec<Message>)> {
        move |turn| match turn {
            0 => Some((pause, self.opening(pieces))),
            _ if turn > turns => None,
            _ => Some((pause, self.turn(turn, pieces))),
        }
    }

    fn opening(self, pieces: u32) -> Vec<Message> {
        match self {
            Says::Promises => vec![extended(""), Message::HaveAll, Message::Unchoke],
            Says::Half => vec![Message::Bitfield(half(pieces)), Message::Unchoke],
            Says::Field => vec![Message::Bitfield(Bytes::from(vec![0xa5; 1 << 18]))],
            Says::ComesAndGoes | Says::Suggests => {
                vec![extended(""), Message::HaveAll, Message::Unchoke]
            }
            Says::Unchokes => vec![Message::Have(pieces - 1)],
            Says::AllowedFast => vec![Message::HaveAll],
            Says::Twins => vec![extended("7:tt_twini5e"), Message::HaveAll],
            Says::Peers => vec![extended("6:ut_pexi4e"), Message::HaveNone],
            Says::Introductions => vec![extended("12:ut_holepunchi4e"), Message::HaveNone],
            Says::MetadataRequests => vec![extended("11:ut_metadatai1e"), Message::HaveNone],
            _ => vec![Message::HaveNone, Message::Interested],
        }
    }

    fn turn(self, turn: u64, pieces: u32) -> Vec<Message> {
        let [one, other] = [2 * turn, 2 * turn + 1].map(|n| spread(n) % pieces);
        let block = |index, begin, length| Request { index, begin, length };
        match self {
            Says::Promises | Says::Half | Says::Field => vec![Message::KeepAlive],
            Says::Haves => vec![Message::Have(one), Message::Have(other)],
            Says::ComesAndGoes => {
                vec![ours(DONT_HAVE, &one.to_be_bytes()), Message::Have(one)]
            }
            Says::Unchokes => vec![Message::Unchoke, Message::Choke],
            Says::Interest => vec![Message::NotInterested, Message::Interested],
            Says::Requests => {
                vec![
                    Message::Request(block(one, 0, 1 << 14)),
                    Message::Request(block(one, (turn % 16_384) as u32, 1)),
                    Message::Request(block(other, 0, 1 << 17)),
                ]
            }
            Says::Cancels => {
                let request = block(one, 0, 1 << 14);
                vec![Message::Request(request), Message::Cancel(request)]
            }
            Says::Rejects => vec![Message::Reject(block(one, 0, 1 << 14))],
            Says::Blocks => {
                let data = Bytes::from(vec![7; 1 << 14]);
                vec![Message::Piece(Piece { index: one, begin: 0, data })]
            }
            Says::AllowedFast => vec![Message::AllowedFast(one), Message::AllowedFast(other)],
            Says::Suggests => vec![Message::Suggest(one), Message::Suggest(other)],
            Says::HashRequests => vec![Message::HashRequest(hashes(one))],
            Says::Hashes => {
                let hashes = tinytorrent_wire::Hashes {
                    request: hashes(one),
                    hashes: Bytes::from(vec![7; 512 * 32]),
                };
                vec![Message::Hashes(Box::new(hashes))]
            }
            Says::MetadataRequests => {
                let request = format!("d8:msg_typei0e5:piecei{}ee", turn % 4);
                vec![ours(METADATA, request.as_bytes())]
            }
            Says::Sizes => {
                let size = spread(turn) % LARGEST_METADATA + 1;
                vec![handshake("11:ut_metadatai1e", &format!("13:metadata_sizei{size}e"))]
            }
            Says::Names => {
                let names = (0..1_000).map(|n| format!("20:{:020}i{}e", 1_000 * turn + n, n % 9));
                vec![extended(&names.collect::<String>())]
            }
            Says::Peers => vec![peers(turn)],
            Says::Introductions => {
                let [a, b] = [turn, turn + 1].map(somewhere);
                let reason = HolepunchFailure::NotConnected;
                [
                    Holepunch::Rendezvous(a),
                    Holepunch::Connect(b),
                    Holepunch::Error { target: a, reason },
                ]
                .map(introduction)
                .to_vec()
            }
            Says::Votes => {
                let [a, b, c, d] = spread(turn).to_be_bytes();
                let mut payload = BytesMut::from(&b"d6:yourip4:"[..]);
                payload.put_slice(&[a | 1, b, c, d]);
                payload.put_slice(b"e");
                vec![Message::Extended(Extended { id: 0, payload: payload.freeze() })]
            }
            Says::Twins => {
                let number = spread(turn).to_be_bytes();
                let [ask, answer] =
                    [0, 1].map(|kind| [&[kind][..], &number[..], &number[..]].concat());
                vec![ours(TWIN, &ask), ours(TWIN, &answer)]
            }
            Says::UploadOnly => vec![ours(UPLOAD_ONLY, b"1"), ours(UPLOAD_ONLY, b"0")],
            Says::Ports => vec![Message::Port(turn as u16 | 1)],
            Says::Riddles => {
                let payload = Bytes::from(vec![7; 1 << 14]);
                let unknown = Message::Unknown { id: 99, payload: payload.clone() };
                vec![unknown, Message::Extended(Extended { id: 200, payload })]
            }
        }
    }
}

/// A number that looks like chance.
fn spread(n: u64) -> u32 {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Every second piece.
fn half(pieces: u32) -> Bytes {
    let mut field = vec![0b1010_1010; pieces.div_ceil(8) as usize];
    if let Some(last) = field.last_mut() {
        *last &= u8::MAX << ((8 - pieces % 8) % 8);
    }
    field.into()
}

fn hashes(piece: u32) -> HashRequest {
    let index = piece / 512 * 512;
    HashRequest { pieces_root: [3; 32], base_layer: 0, index, length: 512, proof_layers: 4 }
}

/// A message of an extension of ours.
fn ours(id: u8, payload: &[u8]) -> Message {
    Message::Extended(Extended { id, payload: Bytes::copy_from_slice(payload) })
}

/// An extended handshake with these names of extensions, and that it listens where the seed does.
fn extended(names: &str) -> Message {
    handshake(names, "1:pi6881e")
}

fn handshake(names: &str, rest: &str) -> Message {
    ours(0, format!("d1:md{names}e{rest}e").as_bytes())
}

/// A message of the hole punching.
fn introduction(message: Holepunch) -> Message {
    let mut payload = Vec::new();
    message.encode(&mut payload);
    ours(HOLEPUNCH, &payload)
}

/// An address where nobody is.
fn somewhere(n: u64) -> SocketAddr {
    SocketAddr::from(((spread(n) >> 2 | 0x1000_0000).to_be_bytes(), 6881))
}

/// Addresses of five hundred hosts, where nobody is.
fn peers(turn: u64) -> Message {
    let mut payload = BytesMut::from(&b"d5:added3000:"[..]);
    for n in 0..500 {
        payload.put_u32(spread(500 * turn + n) >> 2 | 0x1000_0000);
        payload.put_u16(6881);
    }
    payload.put_slice(b"e");
    Message::Extended(Extended { id: EXCHANGE, payload: payload.freeze() })
}
