//! Entries for the fuzz targets into code that reads bytes of strangers and is not public.

use super::{content_coding, dns_txt};

/// Decodes a body; `None` if it is damaged or larger than the limit.
pub fn decode_body(bytes: &[u8], encodings: &str, limit: usize) -> Option<Vec<u8>> {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    content_coding::decode(bytes, encodings, limit).ok().map(Into::into)
}

/// The TXT records of a DNS response.
pub fn read_dns(message: &[u8]) -> Option<Vec<Vec<u8>>> {
    dns_txt::read_answers(message)
}
