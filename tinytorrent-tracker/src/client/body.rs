use bytes::Bytes;

use super::{Error, ErrorKind, Phase};
use crate::TrackerUrl;
use crate::failure::beginning;
use crate::http::ResponseError;

/// The body of an HTTP response, decompressed, with its status.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) status: u16,
    pub(super) bytes: Bytes,
    /// The error that ended the body early.
    ///
    /// Servers announce wrong lengths, leave out the last chunk, or close a TLS connection without
    /// `close_notify`, all after the last byte of the answer. Bencode marks its own end, so the
    /// bytes may be complete all the same.
    pub(super) cut_short: Option<Error>,
}

impl Body {
    /// Parses the body.
    pub(super) fn parse<T>(
        self,
        url: &TrackerUrl,
        read: impl FnOnce(&[u8]) -> Result<T, ResponseError>,
    ) -> Result<T, Error> {
        // The status comes last, since trackers refuse with any status. If the bytes cannot be
        // parsed, an early end explains it best, and then an error status.
        let kind = match (read(&self.bytes), self.cut_short) {
            (Ok(response), _) => return Ok(response),
            (Err(error @ ResponseError::Refused(_)), _) => error.into(),
            (Err(_), Some(cut_short)) => return Err(cut_short),
            (Err(_), None) if !is_success(self.status) => status_kind(self.status, &self.bytes),
            (Err(error), None) => error.into(),
        };
        Err(Error::new(url, Phase::Response, kind))
    }

    /// Returns an error if the status is not one of success.
    pub(super) fn check_status(&self, url: &TrackerUrl) -> Result<(), Error> {
        if is_success(self.status) {
            return Ok(());
        }
        Err(Error::new(url, Phase::Response, status_kind(self.status, &self.bytes)))
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn status_kind(status: u16, body: &[u8]) -> ErrorKind {
    ErrorKind::Status { status, start: beginning(body) }
}
