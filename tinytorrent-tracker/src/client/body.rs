use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::{Error, ErrorKind, Phase};
use crate::TrackerUrl;
use crate::failure::beginning;
use crate::http::ResponseError;

/// The body of an HTTP response, decompressed, with its status.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) status: u16,
    pub(super) bytes: Bytes,
}

impl Body {
    /// Reads it whatever the status says, since trackers refuse with any; only if it makes no
    /// sense the status is the better explanation.
    pub(super) fn parse<T>(
        &self,
        url: &TrackerUrl,
        read: impl FnOnce(&[u8]) -> Result<T, ResponseError>,
    ) -> Result<T, Error> {
        let kind = match read(&self.bytes) {
            Ok(response) => return Ok(response),
            Err(error @ ResponseError::Refused(_)) => error.into(),
            Err(_) if !(200..300).contains(&self.status) => self.to_status(),
            Err(error) => error.into(),
        };
        Err(Error::new(url, Phase::Response, kind))
    }

    pub(super) fn to_status(&self) -> ErrorKind {
        ErrorKind::Status { status: self.status, start: beginning(&self.bytes) }
    }
}

/// Decompresses by the header, and gzip also unasked: some trackers forget to say so.
pub(super) fn decompress(
    bytes: Bytes,
    encoding: Option<&str>,
    limit: usize,
) -> Result<Bytes, ErrorKind> {
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    if bytes.starts_with(&GZIP_MAGIC) {
        return read_all(GzDecoder::new(&bytes[..]), limit);
    }
    match encoding.as_str() {
        // The name means zlib, and some servers send bare deflate.
        "deflate" => read_all(ZlibDecoder::new(&bytes[..]), limit)
            .or_else(|_| read_all(DeflateDecoder::new(&bytes[..]), limit)),
        "" | "identity" | "gzip" | "x-gzip" => Ok(bytes),
        unknown => {
            let unknown = beginning(unknown.as_bytes());
            Err(ErrorKind::Compression(format!("unknown content encoding {unknown:?}")))
        }
    }
}

fn read_all(reader: impl Read, limit: usize) -> Result<Bytes, ErrorKind> {
    let mut out = Vec::new();
    let mut bounded = reader.take(limit as u64 + 1);
    bounded.read_to_end(&mut out).map_err(|error| ErrorKind::Compression(error.to_string()))?;
    if out.len() > limit { Err(ErrorKind::BodyTooLarge(limit)) } else { Ok(out.into()) }
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
