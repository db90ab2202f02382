use std::time::{Duration, SystemTime};

use crate::{FileRange, Head};

/// The use of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The body has what was asked for, behind so many bytes that were not.
    Take {
        /// Bytes of the body before the range.
        skip: u64,
    },
    /// The server does not have the file, or not as long as it should be; others may be there.
    Missing(u16),
    /// The server wants to be left alone for now, for so long if it says.
    Later(Option<Duration>),
    /// The file is at another place.
    Redirect(String),
    /// The response is of no use.
    Refused(Refusal),
}

/// The reason for which a response is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A status that a request for a range has no use for.
    #[error("the server says {0}")]
    Status(u16),
    /// The body is compressed, though that was not asked for.
    #[error("the server sends a compressed body")]
    Compressed,
    /// It is another range than the one that was asked for, or it does not say which.
    #[error("the server sends another range than it was asked for")]
    WrongRange,
    /// The body has another length than the range.
    #[error("the server sends another length than it was asked for")]
    WrongLength,
    /// The body is the whole file where a small part of it was asked for.
    #[error("the server sends whole files only")]
    NoRanges,
}

/// Seconds for which a server is left alone at most: a day. Whoever asks for more may have gone wrong.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Decides what to do with the response to the request for a range.
///
/// `now` is for dates in `Retry-After`. `max_skip`: bytes of a whole file that are read and thrown away at most where
/// the server does not take ranges.
pub fn judge(head: &Head, range: &FileRange, now: SystemTime, max_skip: u64) -> Answer {
    match head.status {
        // What is there is not what is asked for, coded or not.
        200 | 206 if head.is_coded => Answer::Refused(Refusal::Compressed),
        206 => judge_part(head, range),
        200 => judge_whole(head, range, max_skip),
        300..=303 | 307 | 308 => match &head.location {
            Some(location) => Answer::Redirect(location.clone()),
            None => Answer::Refused(Refusal::Status(head.status)),
        },
        401 | 403 | 404 | 410 | 416 | 451 => Answer::Missing(head.status),
        // What may pass (RFC 9110, sections 15.5.9 and 15.6; RFC 6585, section 4).
        408 | 429 | 500 | 502 | 503 | 504 => {
            Answer::Later(head.retry_after.as_deref().and_then(|text| retry_after(text, now)))
        }
        status => Answer::Refused(Refusal::Status(status)),
    }
}

/// Decides what to do with the response to the request for so many bytes of a piece (BEP 17). A server that has no
/// room says the seconds to wait in the body.
pub fn judge_piece(head: &Head, length: u64, now: SystemTime) -> Answer {
    match head.status {
        200 | 206 if head.is_coded => Answer::Refused(Refusal::Compressed),
        200 | 206 if head.content_length.is_some_and(|told| told != length) => {
            Answer::Refused(Refusal::WrongLength)
        }
        200 | 206 => Answer::Take { skip: 0 },
        404 | 410 => Answer::Missing(head.status),
        _ => {
            let whole = FileRange {
                file: tinytorrent_metainfo::FileIndex::new(0),
                offset: 0,
                length,
                file_length: length,
            };
            judge(head, &whole, now, 0)
        }
    }
}

/// The seconds to wait in the body of a 503 (BEP 17, "protocol").
pub fn pause_of_body(body: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let seconds = text.parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()).min(MAX_PAUSE))
}

fn judge_part(head: &Head, range: &FileRange) -> Answer {
    // With several ranges in one body there is no header.
    let Some(sent) = head.content_range else { return Answer::Refused(Refusal::WrongRange) };
    if sent.total.is_some_and(|total| total != range.file_length) {
        // Another file has its place.
        return Answer::Missing(head.status);
    }
    if (sent.first, sent.last) != (range.offset, range.last()) {
        return Answer::Refused(Refusal::WrongRange);
    }
    match head.content_length {
        Some(length) if length != range.length => Answer::Refused(Refusal::WrongLength),
        _ => Answer::Take { skip: 0 },
    }
}

fn judge_whole(head: &Head, range: &FileRange, max_skip: u64) -> Answer {
    match head.content_length {
        Some(length) if length != range.file_length => Answer::Missing(head.status),
        None if !range.is_whole() => Answer::Refused(Refusal::NoRanges),
        _ if range.offset > max_skip => Answer::Refused(Refusal::NoRanges),
        _ => Answer::Take { skip: range.offset },
    }
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(pause.min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use tinytorrent_metainfo::FileIndex;

    use super::*;
    use crate::{Event, ResponseReader};

    const RANGE: FileRange =
        FileRange { file: FileIndex::new(3), offset: 100, length: 50, file_length: 1000 };

    fn head(text: &str) -> Head {
        let mut bytes = BytesMut::from(format!("HTTP/1.1 {text}\r\n\r\n").as_bytes());
        match ResponseReader::new().next(&mut bytes).unwrap() {
            Some(Event::Head(head)) => *head,
            event => panic!("{event:?}"),
        }
    }

    /// 1994-11-06 08:49:37, the date of RFC 9110, section 5.6.7.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn answer(text: &str) -> Answer {
        judge(&head(text), &RANGE, now(), 100)
    }

    /// F-04
    #[test]
    fn a_part_has_to_be_the_one_that_was_asked_for() {
        let part = |range: &str, length: u64| {
            answer(&format!("206 x\r\nContent-Range: {range}\r\nContent-Length: {length}"))
        };
        assert_eq!(part("bytes 100-149/1000", 50), Answer::Take { skip: 0 });
        assert_eq!(part("bytes 100-149/*", 50), Answer::Take { skip: 0 });
        for other in ["bytes 0-49/1000", "bytes 100-150/1000", "bytes 101-149/1000", "bytes */9"] {
            assert_eq!(part(other, 50), Answer::Refused(Refusal::WrongRange), "{other}");
        }
        assert_eq!(part("bytes 100-149/1001", 50), Answer::Missing(206));
        assert_eq!(part("bytes 100-149/1000", 49), Answer::Refused(Refusal::WrongLength));
        let several = answer("206 x\r\nContent-Type: multipart/byteranges; boundary=x");
        assert_eq!(several, Answer::Refused(Refusal::WrongRange));
    }

    /// F-04
    #[test]
    fn a_whole_file_is_taken_if_it_fits_and_little_is_skipped() {
        assert_eq!(answer("200 x\r\nContent-Length: 1000"), Answer::Take { skip: 100 });
        assert_eq!(answer("200 x\r\nContent-Length: 999"), Answer::Missing(200));
        assert_eq!(answer("200 x"), Answer::Refused(Refusal::NoRanges));
        let far = FileRange { offset: 101, ..RANGE };
        let whole = head("200 x\r\nContent-Length: 1000");
        assert_eq!(judge(&whole, &far, now(), 100), Answer::Refused(Refusal::NoRanges));
        let all = FileRange { offset: 0, length: 1000, ..RANGE };
        for text in ["200 x", "200 x\r\nTransfer-Encoding: chunked"] {
            assert_eq!(judge(&head(text), &all, now(), 0), Answer::Take { skip: 0 });
        }
    }

    /// F-13
    #[test]
    fn a_compressed_body_is_refused() {
        let range = "Content-Range: bytes 100-149/1000";
        let coded = |coding| answer(&format!("206 x\r\n{range}\r\nContent-Encoding: {coding}"));
        assert_eq!(coded("gzip"), Answer::Refused(Refusal::Compressed));
        assert_eq!(coded("identity"), Answer::Take { skip: 0 });
        let whole = answer("200 x\r\nContent-Length: 1000\r\nContent-Encoding: br");
        assert_eq!(whole, Answer::Refused(Refusal::Compressed));
    }

    /// F-06
    #[test]
    fn a_file_that_is_not_there_is_missing() {
        for status in [403, 404, 410, 416] {
            assert_eq!(answer(&format!("{status} x")), Answer::Missing(status));
        }
        assert_eq!(answer("405 x"), Answer::Refused(Refusal::Status(405)));
    }

    /// F-07; RFC 9110, sections 5.6.7 and 10.2.3
    #[test]
    fn a_server_that_is_busy_says_how_long() {
        let pause = |text: &str| match answer(&format!("503 x\r\nRetry-After: {text}")) {
            Answer::Later(pause) => pause.map(|pause| pause.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(pause("120"), Some(120));
        for date in [
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sunday, 06-Nov-94 08:50:37 GMT",
            "Sun Nov  6 08:50:37 1994",
        ] {
            assert_eq!(pause(date), Some(60), "{date}");
        }
        assert_eq!(pause("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0));
        assert_eq!(pause("99999999999"), Some(MAX_PAUSE.as_secs()));
        assert_eq!((pause("soon"), pause("")), (None, None));
        assert_eq!(answer("503 x"), Answer::Later(None));
        assert_eq!(answer("429 x\r\nRetry-After: 5"), Answer::Later(Some(Duration::from_secs(5))));
    }

    /// F-08
    #[test]
    fn only_a_redirect_with_a_target_redirects() {
        for status in [301, 302, 303, 307, 308] {
            let to = answer(&format!("{status} x\r\nLocation: /a b"));
            assert_eq!(to, Answer::Redirect("/a b".to_owned()));
            let none = Answer::Refused(Refusal::Status(status));
            assert_eq!(answer(&format!("{status} x")), none);
        }
        let other = answer("304 x\r\nLocation: /a");
        assert_eq!(other, Answer::Refused(Refusal::Status(304)));
    }

    /// F-19
    #[test]
    fn ranges_of_a_piece_are_the_whole_body() {
        let piece = |text| judge_piece(&head(text), 50, now());
        assert_eq!(piece("200 x\r\nContent-Length: 50"), Answer::Take { skip: 0 });
        assert_eq!(piece("200 x"), Answer::Take { skip: 0 });
        let wrong = Answer::Refused(Refusal::WrongLength);
        assert_eq!(piece("200 x\r\nContent-Length: 51"), wrong);
        assert_eq!(piece("503 x"), Answer::Later(None));
        assert_eq!(pause_of_body(b" 30\r\n"), Some(Duration::from_secs(30)));
        assert_eq!((pause_of_body(b"-1"), pause_of_body(b"<html>")), (None, None));
    }
}
