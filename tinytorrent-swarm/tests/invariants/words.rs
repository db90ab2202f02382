//! The words of peers, drawn by chance.

use bytes::Bytes;
use proptest::prelude::*;
use tinytorrent_wire::{Extended, HashRequest, Hashes, Message, Request};

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..6_u32, 1 => any::<u32>()]
}

pub(crate) fn range() -> impl Strategy<Value = Request> {
    let grid = (0..6_u32, 0..4_u32).prop_map(|(index, n)| Request {
        index,
        begin: n * 16_384,
        length: 16_384,
    });
    let odd = (number(), number(), number()).prop_map(|(index, begin, length)| Request {
        index,
        begin,
        length,
    });
    prop_oneof![4 => grid, 1 => odd]
}

pub(crate) fn hash_request(index: u32) -> HashRequest {
    HashRequest { pieces_root: [3; 32], base_layer: 0, index, length: 2, proof_layers: 1 }
}

/// Of hashes, right ones with a proof and wrong ones with none.
fn hash_message() -> impl Strategy<Value = Message> {
    let request = (0..4_u32).prop_map(|at| hash_request(2 * at));
    (request, 0..4_u8).prop_map(|(request, kind)| match kind {
        0 => Message::HashRequest(request),
        1 => Message::HashReject(request),
        kind => {
            let hashes = Bytes::from(vec![kind; 96 * usize::from(kind - 2)]);
            Message::Hashes(Box::new(Hashes { request, hashes }))
        }
    })
}

/// Introductions to peers that are here, or that nobody knows.
fn introduction() -> impl Strategy<Value = Message> {
    (0..3_u8, 0..8_u8).prop_map(|(kind, host)| {
        let mut payload = vec![kind, 0, 10, 0, 0, host];
        payload.extend(5_000_u16.to_be_bytes());
        payload.extend([0, 0, 0, 2]);
        Message::Extended(Extended { id: 5, payload: payload.into() })
    })
}

/// Trackers, some of them known.
fn trackers() -> impl Strategy<Value = Message> {
    prop::collection::vec(0..40_u8, 0..6).prop_map(|hosts| {
        let urls = hosts.iter().map(|host| format!("udp://192.0.2.{host:02}:1/a"));
        let urls: String = urls.map(|url| format!("{}:{url}", url.len())).collect();
        let payload = format!("d5:addedl{urls}ee").into();
        Message::Extended(Extended { id: 6, payload })
    })
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from);
    let info = tinytorrent_sim::info();
    let metadata = (0..3_u8, 0..4_usize).prop_map(move |(kind, block)| {
        let mut payload =
            format!("d8:msg_typei{kind}e5:piecei{block}e10:total_sizei40000ee").into_bytes();
        if kind == 1 {
            payload.extend_from_slice(
                &info[(block * 16_384).min(info.len())..(block * 16_384 + 16_384).min(info.len())],
            );
        }
        Message::Extended(Extended { id: 1, payload: payload.into() })
    });
    let handshake = (0..3_u8, 0..50_000_u32).prop_map(|(id, size)| {
        let payload = format!("d1:md6:lt_texi{id}e12:ut_holepunchi{id}e11:ut_metadatai{id}ee13:metadata_sizei{size}e1:pi9e4:reqqi5ee");
        Message::Extended(Extended { id: 0, payload: payload.into() })
    });
    prop_oneof![
        1 => Just(Message::KeepAlive),
        3 => Just(Message::Choke),
        6 => Just(Message::Unchoke),
        3 => Just(Message::Interested),
        1 => Just(Message::NotInterested),
        6 => number().prop_map(Message::Have),
        2 => bytes().prop_map(Message::Bitfield),
        4 => Just(Message::HaveAll),
        1 => Just(Message::HaveNone),
        6 => range().prop_map(Message::Request),
        2 => range().prop_map(Message::Cancel),
        2 => range().prop_map(Message::Reject),
        2 => number().prop_map(Message::AllowedFast),
        1 => number().prop_map(Message::Suggest),
        1 => metadata,
        2 => handshake,
        4 => hash_message(),
        2 => introduction(),
        2 => trackers(),
        1 => (0..5_u8, bytes()).prop_map(|(id, payload)| Message::Extended(Extended { id, payload })),
    ]
}
