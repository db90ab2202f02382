//! Messages of every kind, for property tests.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tinytorrent_wire::{Extended, HashRequest, Hashes, Message, Piece, Request};

pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        bare(),
        any::<u32>().prop_map(Message::Have),
        any::<u32>().prop_map(Message::Suggest),
        any::<u32>().prop_map(Message::AllowedFast),
        any::<u16>().prop_map(Message::Port),
        request().prop_map(Message::Request),
        request().prop_map(Message::Cancel),
        request().prop_map(Message::Reject),
        payload(0).prop_map(Message::Bitfield),
        (any::<u32>(), any::<u32>(), payload(1))
            .prop_map(|(index, begin, data)| Message::Piece(Piece { index, begin, data })),
        (any::<u8>(), payload(0))
            .prop_map(|(id, payload)| Message::Extended(Extended { id, payload })),
        hash_request().prop_map(Message::HashRequest),
        hash_request().prop_map(Message::HashReject),
        (hash_request(), vec(any::<[u8; 32]>(), 0..4)).prop_map(|(request, hashes)| {
            Message::Hashes(Box::new(Hashes { request, hashes: Bytes::from(hashes.concat()) }))
        }),
        (unknown_id(), payload(0)).prop_map(|(id, payload)| Message::Unknown { id, payload }),
    ]
}

fn bare() -> impl Strategy<Value = Message> {
    prop::sample::select(vec![
        Message::KeepAlive,
        Message::Choke,
        Message::Unchoke,
        Message::Interested,
        Message::NotInterested,
        Message::HaveAll,
        Message::HaveNone,
    ])
}

fn request() -> impl Strategy<Value = Request> {
    any::<(u32, u32, u32)>().prop_map(|(index, begin, length)| Request { index, begin, length })
}

fn hash_request() -> impl Strategy<Value = HashRequest> {
    any::<([u8; 32], u32, u32, u32, u32)>().prop_map(
        |(pieces_root, base_layer, index, length, proof_layers)| HashRequest {
            pieces_root,
            base_layer,
            index,
            length,
            proof_layers,
        },
    )
}

fn payload(least: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), least..60).prop_map(Bytes::from)
}

fn unknown_id() -> impl Strategy<Value = u8> {
    any::<u8>()
        .prop_filter("an id without a meaning", |id| !matches!(id, 0..=9 | 13..=17 | 20..=23))
}
