use std::io::{BufRead, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::ErrorKind;

/// Decodes the content codings of a body (RFC 9110, section 8.4), as far as its bytes agree.
///
/// Servers name codings that they did not apply, apply gzip without naming it, and write words
/// into the header that are no codings. So the bytes decide: a body that does not look compressed,
/// or that has an unknown coding, is returned as it is.
///
/// # Errors
/// [`ErrorKind::BodyTooLarge`] beyond `limit` bytes after any of the steps, and
/// [`ErrorKind::Compression`] for compressed bytes that are damaged or end early.
pub(super) fn decode(bytes: Bytes, encodings: &str, limit: usize) -> Result<Bytes, ErrorKind> {
    let mut bytes = bytes;
    // The header lists the codings in the order in which they were applied.
    for coding in encodings.rsplit(',').map(str::trim).take(MAX_CODINGS) {
        if coding.eq_ignore_ascii_case("deflate") {
            bytes = undo_deflate(bytes, limit)?;
        } else if ["gzip", "x-gzip"].iter().any(|name| coding.eq_ignore_ascii_case(name)) {
            bytes = undo_gzip(bytes, limit)?;
        }
    }
    // A file can be compressed itself, as a `.torrent.gz` is.
    undo_gzip(bytes, limit)
}

fn undo_gzip(bytes: Bytes, limit: usize) -> Result<Bytes, ErrorKind> {
    if bytes.starts_with(&GZIP_MAGIC) { gunzip(&bytes, limit) } else { Ok(bytes) }
}

/// Decodes `deflate`, which means zlib (RFC 9110, section 8.4.1.2).
fn undo_deflate(bytes: Bytes, limit: usize) -> Result<Bytes, ErrorKind> {
    // Some servers send gzip under this name, and some a deflate stream without the zlib header.
    if bytes.starts_with(&GZIP_MAGIC) {
        return gunzip(&bytes, limit);
    }
    let is_zlib = is_zlib(&bytes);
    if is_zlib && let Some(plain) = inflate(ZlibDecoder::new(&bytes[..]), limit)? {
        return Ok(plain);
    }
    // A deflate stream without a header can begin with the bytes of a zlib header.
    match inflate(DeflateDecoder::new(&bytes[..]), limit)? {
        Some(plain) => Ok(plain),
        None if is_zlib => Err(ErrorKind::Compression("the zlib stream is damaged".into())),
        None => Ok(bytes),
    }
}

/// Returns `None` if the decoder cannot read the bytes to their end.
fn inflate(decoder: impl Read, limit: usize) -> Result<Option<Bytes>, ErrorKind> {
    let mut plain = Vec::new();
    match append(decoder, &mut plain, limit) {
        Ok(()) => Ok(Some(plain.into())),
        Err(ErrorKind::Compression(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Decodes all members of a gzip file (RFC 1952, section 2.2). Bytes behind the last member are
/// ignored, as gzip itself does.
fn gunzip(bytes: &[u8], limit: usize) -> Result<Bytes, ErrorKind> {
    let (mut rest, mut plain) = (bytes, Vec::new());
    for _ in 0..MAX_MEMBERS {
        if !rest.starts_with(&GZIP_MAGIC) {
            return Ok(plain.into());
        }
        // A decoder over `BufRead` takes the bytes of its member and none of the next.
        append(GzDecoder::new(&mut rest as &mut dyn BufRead), &mut plain, limit)?;
    }
    Err(ErrorKind::Compression(format!("more than {MAX_MEMBERS} gzip members")))
}

fn append(decoder: impl Read, plain: &mut Vec<u8>, limit: usize) -> Result<(), ErrorKind> {
    // One byte more than allowed tells a body at the limit from one beyond it.
    let room = limit.saturating_sub(plain.len()) as u64;
    let read = decoder.take(room + 1).read_to_end(plain);
    read.map_err(|error| ErrorKind::Compression(error.to_string()))?;
    if plain.len() > limit { Err(ErrorKind::BodyTooLarge(limit)) } else { Ok(()) }
}

/// True if the bytes begin with a zlib header (RFC 1950, section 2.2): method 8 in the low half
/// of the first byte, and a multiple of 31.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..]
        if method & 15 == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Some tools write a member for each 64 KiB; this is four times the number that 64 MiB then have.
/// A limit is needed as an empty member takes 20 bytes to send, and a decoder of 40 KiB to read.
const MAX_MEMBERS: usize = 4096;

/// The number of codings that are decoded. Servers apply one; each more could multiply the work
/// that a small body costs.
const MAX_CODINGS: usize = 4;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = b"d8:intervali1800e5:peers0:e";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bare(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(body: &[u8], encodings: &str) -> Vec<u8> {
        decode(Bytes::copy_from_slice(body), encodings, 1000).unwrap().to_vec()
    }

    /// H-30, RFC 1952 section 2.2
    #[test]
    fn members_of_a_gzip_file_are_read_to_the_last() {
        let (one, two) = TEXT.split_at(5);
        for cut in [vec![TEXT], vec![one, two], vec![b"", one, b"", two, b""]] {
            let members: Vec<u8> = cut.into_iter().flat_map(gzip).collect();
            assert_eq!(decoded(&members, "gzip"), TEXT);
            let padded = [&members[..], &[0; 512]].concat();
            assert_eq!(decoded(&padded, ""), TEXT);
            for length in members.len() - 8..members.len() {
                let cut = Bytes::copy_from_slice(&members[..length]);
                assert!(matches!(decode(cut, "gzip", 1000), Err(ErrorKind::Compression(_))));
            }
        }
    }

    /// H-30
    #[test]
    fn codings_are_undone_where_the_bytes_bear_them_out() {
        for encodings in ["gzip", "x-gzip", "GZip", "deflate", "", "identity", "utf-8", "br,"] {
            assert_eq!(decoded(&gzip(TEXT), encodings), TEXT, "gzip as {encodings:?}");
        }
        for (body, name) in [(zlib(TEXT), "zlib"), (bare(TEXT), "bare deflate")] {
            assert_eq!(decoded(&body, "deflate"), TEXT, "{name}");
            assert_eq!(decoded(&body, "none"), body, "{name}");
        }
        for encodings in ["", "gzip", "deflate", "br", "zstd", "none", "utf-8", ", ;q=1", "\u{e9}"]
        {
            assert_eq!(decoded(TEXT, encodings), TEXT, "plain as {encodings:?}");
            assert_eq!(decoded(b"", encodings), b"", "nothing as {encodings:?}");
        }
    }

    /// H-30
    #[test]
    fn codings_on_top_of_each_other_are_undone_from_the_last() {
        assert_eq!(decoded(&gzip(&zlib(TEXT)), "deflate, gzip"), TEXT);
        assert_eq!(decoded(&gzip(&gzip(TEXT)), "gzip, gzip"), TEXT);
        // A `.torrent.gz` that was compressed once more on its way.
        assert_eq!(decoded(&gzip(&gzip(TEXT)), "gzip"), TEXT);
    }

    /// H-31
    #[test]
    fn plain_bytes_are_limited_over_all_members_and_in_every_coding() {
        let (half, whole) = ([b'x'; 600], [b'x'; 1001]);
        let two = [gzip(&half), gzip(&half)].concat();
        let nested = gzip(&gzip(&whole));
        for (body, encodings) in
            [(two, "gzip"), (nested, "gzip"), (zlib(&whole), "deflate"), (bare(&whole), "deflate")]
        {
            let outcome = decode(body.into(), encodings, 1000);
            assert!(matches!(outcome, Err(ErrorKind::BodyTooLarge(1000))), "{outcome:?}");
        }
        let empty = gzip(b"").repeat(MAX_MEMBERS);
        let outcome = decode(empty.into(), "", 1000);
        assert!(matches!(outcome, Err(ErrorKind::Compression(_))), "{outcome:?}");
        let exact = [gzip(&half), gzip(&[b'x'; 400])].concat();
        assert_eq!(decoded(&exact, "").len(), 1000);
    }

    #[test]
    fn damage_is_told() {
        let mut damaged = zlib(TEXT);
        damaged[8] ^= 0xff;
        let outcome = decode(damaged.into(), "deflate", 1000);
        assert!(matches!(outcome, Err(ErrorKind::Compression(_))), "{outcome:?}");
    }
}
