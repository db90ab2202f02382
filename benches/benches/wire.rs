//! Decoding and encoding beside librqbit-peer-protocol, in the same run and over the same bytes.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use librqbit_peer_protocol as rival;
use tinytorrent_wire::{Decoder, Message, Piece, PieceHeader, Request};

const BLOCK: usize = 16 * 1024;
const PIECES: usize = 64;
const SMALL: usize = 10_000;

/// What one large read of a busy download brings.
fn pieces() -> Vec<Message> {
    let data = Bytes::from(vec![7; BLOCK]);
    let piece = |at: usize| Piece { index: 3, begin: (at * BLOCK) as u32, data: data.clone() };
    (0..PIECES).map(|at| Message::Piece(piece(at))).collect()
}

/// Haves and requests by turns.
fn small() -> Vec<Message> {
    let request = |at: usize| Request { index: at as u32, begin: 0, length: BLOCK as u32 };
    let message = |at: usize| match at % 2 {
        0 => Message::Have(at as u32),
        _ => Message::Request(request(at)),
    };
    (0..SMALL).map(message).collect()
}

fn encoded(messages: &[Message]) -> Vec<u8> {
    let mut out = Vec::new();
    messages.iter().for_each(|message| message.encode(&mut out));
    out
}

fn decode(c: &mut Criterion, name: &str, messages: &[Message], throughput: Throughput) {
    let stream = encoded(messages);
    let count = messages.len();
    let mut group = c.benchmark_group(format!("decode {name}"));
    group.throughput(throughput);
    group.bench_function("copy of the stream", |b| {
        let mut copy = vec![0; stream.len()];
        b.iter(|| copy.copy_from_slice(black_box(&stream)));
    });
    let arrived = || BytesMut::from(&stream[..]);
    group.bench_function("tinytorrent, all frames of a read", |b| {
        let run = |buffer: &mut BytesMut| {
            let frames = Decoder::new().split_frames(buffer);
            let read = frames.map(|message| black_box(message).is_ok() as usize).sum::<usize>();
            assert_eq!(read, count);
        };
        b.iter_batched_ref(arrived, run, BatchSize::LargeInput);
    });
    group.bench_function("tinytorrent, one by one", |b| {
        let run = |buffer: &mut BytesMut| {
            let (mut decoder, mut read) = (Decoder::new(), 0);
            while let Ok(Some(message)) = decoder.decode(buffer) {
                black_box(message);
                read += 1;
            }
            assert_eq!(read, count);
        };
        b.iter_batched_ref(arrived, run, BatchSize::LargeInput);
    });
    group.bench_function("librqbit-peer-protocol", |b| {
        let run = |buffer: &mut BytesMut| {
            let (mut rest, mut read) = (&buffer[..], 0);
            while let Ok((message, length)) = rival::Message::deserialize(rest, &[]) {
                black_box(message);
                rest = &rest[length..];
                read += 1;
            }
            assert_eq!(read, count);
        };
        b.iter_batched_ref(arrived, run, BatchSize::LargeInput);
    });
    group.finish();
}

fn encode(c: &mut Criterion, name: &str, messages: &[Message], throughput: Throughput) {
    let stream = encoded(messages);
    let theirs: Vec<_> = messages.iter().map(to_rival).collect();
    let mut group = c.benchmark_group(format!("encode {name}"));
    group.throughput(throughput);
    let mut out = Vec::with_capacity(stream.len());
    group.bench_function("tinytorrent, all bytes", |b| {
        b.iter(|| {
            out.clear();
            messages.iter().for_each(|message| black_box(message).encode(&mut out));
            assert_eq!(out.len(), stream.len());
        });
    });
    if matches!(messages[0], Message::Piece(_)) {
        let headers: Vec<_> = messages.iter().filter_map(header).collect();
        group.bench_function("tinytorrent, headers for a vectored write", |b| {
            b.iter(|| {
                out.clear();
                headers.iter().for_each(|header| {
                    out.extend_from_slice(&black_box(header).to_frame());
                });
                assert_eq!(out.len(), PIECES * PieceHeader::FRAME_LENGTH);
            });
        });
    }
    let mut out = vec![0; stream.len()];
    group.bench_function("librqbit-peer-protocol", |b| {
        b.iter(|| {
            let mut at = 0;
            for message in &theirs {
                at += black_box(message).serialize(&mut out[at..], &Default::default).unwrap();
            }
            assert_eq!(at, stream.len());
        });
    });
    group.finish();
}

fn header(message: &Message) -> Option<PieceHeader> {
    match message {
        Message::Piece(piece) => Some(piece.header()),
        _ => None,
    }
}

fn to_rival(message: &Message) -> rival::Message<'_> {
    match message {
        Message::Have(index) => rival::Message::Have(*index),
        Message::Request(r) => {
            rival::Message::Request(rival::Request::new(r.index, r.begin, r.length))
        }
        Message::Piece(piece) => {
            let Piece { index, begin, data } = piece;
            rival::Message::Piece(rival::Piece::from_data(*index, *begin, data))
        }
        other => unreachable!("{} is not measured", other.name()),
    }
}

fn wire(c: &mut Criterion) {
    let bytes = Throughput::Bytes((PIECES * BLOCK) as u64);
    let count = Throughput::Elements(SMALL as u64);
    decode(c, "pieces", &pieces(), bytes.clone());
    decode(c, "haves and requests", &small(), count.clone());
    encode(c, "pieces", &pieces(), bytes);
    encode(c, "haves and requests", &small(), count);
}

criterion_group!(benches, wire);
criterion_main!(benches);
