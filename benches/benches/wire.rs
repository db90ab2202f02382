//! Decoding and encoding beside librqbit-peer-protocol, in the same run and over the same bytes.
//!
//! Prints the fastest of many passes, as other tenants of a machine only ever make a pass slower.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use librqbit_peer_protocol as rival;
use tinytorrent_wire::{Decoder, Message, Piece, Request};

const BLOCK: usize = 16 * 1024;
const PIECES: usize = 64;
const SMALL: usize = 10_000;
const PASSES: usize = 2_000;

fn main() {
    let few = pieces();
    println!("{PIECES} pieces of 16 KiB: ns for each, GB/s");
    let bytes = PIECES * BLOCK;
    measure_all(&few, |name, fastest| {
        let ns = fastest.as_nanos() as f64;
        println!("  {name:<44} {:>9.1} {:>9.1}", ns / PIECES as f64, bytes as f64 / ns);
    });
    let many = small();
    println!("{SMALL} haves and requests by turns: ns for each, million a second");
    measure_all(&many, |name, fastest| {
        let ns = fastest.as_nanos() as f64;
        println!("  {name:<44} {:>9.1} {:>9.1}", ns / SMALL as f64, SMALL as f64 / ns * 1e3);
    });
}

/// What one large read of a busy download brings.
fn pieces() -> Vec<Message> {
    let data = Bytes::from(vec![7; BLOCK]);
    let piece = |at: usize| Piece { index: 3, begin: (at * BLOCK) as u32, data: data.clone() };
    (0..PIECES).map(|at| Message::Piece(piece(at))).collect()
}

fn small() -> Vec<Message> {
    let request = |at: usize| Request { index: at as u32, begin: 0, length: BLOCK as u32 };
    let message = |at: usize| match at % 2 {
        0 => Message::Have(at as u32),
        _ => Message::Request(request(at)),
    };
    (0..SMALL).map(message).collect()
}

fn measure_all(messages: &[Message], tell: impl Fn(&str, Duration)) {
    let mut stream = Vec::new();
    messages.iter().for_each(|message| message.encode(&mut stream));
    let count = messages.len();
    let decoding = |read: &dyn Fn(&mut BytesMut) -> usize| {
        let pass = || {
            let mut buffer = BytesMut::from(&stream[..]);
            timed(|| assert_eq!(read(&mut buffer), count))
        };
        fastest(pass)
    };
    let mut copy = vec![0; stream.len()];
    tell("copy of the stream", fastest(|| timed(|| copy.copy_from_slice(black_box(&stream)))));
    tell("decode: tinytorrent, all frames of a read", decoding(&in_batches));
    tell("decode: tinytorrent, one by one", decoding(&one_by_one));
    tell("decode: librqbit-peer-protocol", decoding(&by_the_rival));
    let mut out = Vec::with_capacity(stream.len());
    let mut encode = || {
        out.clear();
        messages.iter().for_each(|message| black_box(message).encode(&mut out));
        assert_eq!(out.len(), stream.len());
    };
    tell("encode: tinytorrent, all bytes", fastest(|| timed(&mut encode)));
    let headers = || {
        let header = |message: &Message| match black_box(message) {
            Message::Piece(piece) => usize::from(black_box(piece.header().to_frame())[4]),
            _ => 0,
        };
        black_box(messages.iter().map(header).sum::<usize>());
    };
    if matches!(messages[0], Message::Piece(_)) {
        tell("encode: tinytorrent, headers beside the blocks", fastest(|| timed(headers)));
    }
    let theirs: Vec<_> = messages.iter().map(to_rival).collect();
    let mut out = vec![0; stream.len()];
    let mut encode = || {
        let mut at = 0;
        for message in &theirs {
            at += black_box(message).serialize(&mut out[at..], &Default::default).unwrap();
        }
        assert_eq!(at, stream.len());
    };
    tell("encode: librqbit-peer-protocol", fastest(|| timed(&mut encode)));
}

fn in_batches(buffer: &mut BytesMut) -> usize {
    Decoder::new().split_frames(buffer).map(|message| usize::from(black_box(message).is_ok())).sum()
}

fn one_by_one(buffer: &mut BytesMut) -> usize {
    let (mut decoder, mut read) = (Decoder::new(), 0);
    while let Ok(Some(message)) = decoder.decode(buffer) {
        black_box(message);
        read += 1;
    }
    read
}

/// Its messages borrow the buffer; ours own their part of it.
fn by_the_rival(buffer: &mut BytesMut) -> usize {
    let (mut rest, mut read) = (&buffer[..], 0);
    while let Ok((message, length)) = rival::Message::deserialize(rest, &[]) {
        black_box(message);
        rest = &rest[length..];
        read += 1;
    }
    read
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

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn fastest(mut pass: impl FnMut() -> Duration) -> Duration {
    (0..PASSES).map(|_| pass()).min().expect("there are passes")
}
