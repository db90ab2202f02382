//! However a stream is cut, the messages are the same, they are written as they were read, and memory is in
//! proportion to them.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_wire::{DecodeError, Decoder, Message};

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, stream) = input;
    // A message is five bytes at least, and some 60 in memory; the buffer and the list grow by doubling.
    let whole = within(stream.len(), 64, 16 << 10, || read(stream, stream.len().max(1)));
    let pieces = read(stream, usize::from(cut).max(1));
    assert_eq!(whole, pieces);
    let mut batched = Vec::new();
    let mut failure = None;
    for message in Decoder::new().split_frames(&mut BytesMut::from(stream)) {
        match message {
            Ok(message) => batched.push(message),
            Err(error) => failure = Some(error),
        }
    }
    assert_eq!(whole, (batched, failure));
    let (messages, _) = whole;
    let mut written = BytesMut::new();
    for message in &messages {
        message.encode(&mut written);
    }
    let again = read(&written, written.len().max(1));
    assert_eq!(again, (messages, None));
});

/// All messages of a stream that arrives so many bytes at a time, and what was wrong with it.
fn read(stream: &[u8], step: usize) -> (Vec<Message>, Option<DecodeError>) {
    let mut decoder = Decoder::new();
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for arrived in stream.chunks(step) {
        buffer.extend_from_slice(arrived);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}
