//! Responses of web servers: no panic and no memory beyond the bytes; any split of the stream reads the same; and what
//! is taken of a response is in the range that was asked for.
#![no_main]

use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_metainfo::FileIndex;
use tinytorrent_webseed::{
    Answer, ContentRange, Event, FileRange, ResponseError, ResponseReader, judge, pause_of_body,
};

fuzz_target!(|bytes: &[u8]| {
    let [cut, offset, length, stream @ ..] = bytes else { return };
    let range = FileRange {
        file: FileIndex::new(0),
        offset: u64::from(*offset),
        length: u64::from(*length) + 1,
        file_length: 512,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
    let whole =
        within(stream.len(), 4, 64 << 10, || read(stream, stream.len().max(1), &range, now));
    let parts = read(stream, usize::from(*cut).max(1), &range, now);
    assert_eq!(whole, parts);
    if let Some(range) = ContentRange::parse(stream) {
        assert!(range.first <= range.last && range.total.is_none_or(|total| range.last < total));
    }
    assert!(pause_of_body(stream).is_none_or(|pause| pause <= Duration::from_secs(86_400)));
});

/// The statuses and bodies of a stream, or the error that ends it.
fn read(
    stream: &[u8],
    part: usize,
    range: &FileRange,
    now: SystemTime,
) -> (Vec<(u16, Vec<u8>)>, Option<ResponseError>) {
    let (mut reader, mut buffer, mut found) = (ResponseReader::new(), BytesMut::new(), Vec::new());
    for bytes in stream.chunks(part) {
        buffer.extend_from_slice(bytes);
        loop {
            match reader.next(&mut buffer) {
                Ok(Some(Event::Head(head))) => {
                    match judge(&head, range, now, 100) {
                        Answer::Take { skip } => {
                            assert!(skip <= 100 && !head.is_coded);
                            assert!(skip == 0 || head.content_length == Some(range.file_length));
                        }
                        Answer::Redirect(to) => assert!(!to.is_empty() && to.is_ascii()),
                        Answer::Later(pause) => {
                            assert!(pause.is_none_or(|pause| pause <= Duration::from_secs(86_400)));
                        }
                        _ => {}
                    }
                    found.push((head.status, Vec::new()));
                }
                Ok(Some(Event::Data(data))) => {
                    assert!(!data.is_empty());
                    found.last_mut().expect("behind a head").1.extend_from_slice(&data);
                }
                Ok(Some(Event::End)) => {}
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, reader.close().err())
}
