//! The encoding of addresses, hashes, pieces and trackers.

use std::net::IpAddr;

use tinytorrent_tracker::{
    AnnounceEvent, AnnounceId, AnnounceRequest, AnnounceResponse, Failure, Peer, Refusal, RetryIn,
    ScrapeId, ScrapeResponse, SwarmCounts, TrackerUrl,
};
use tinytorrent_types::{
    Bitfield, BlockDigest, BlockInfo, Geometry, InfoHashV1, InfoHashV2, InfoHashes, IpRanges,
    PeerId, PieceIndex, WireInfoHash,
};

use super::code::{Code, Malformed, Reader, Writer, code};

code! {
    struct Peer { address, id }
    struct Refusal { reason, retry_in }
    struct AnnounceRequest {
        info_hash, peer_id, port, uploaded, downloaded, left, event, num_want, key, ip, tracker_id,
    }
}

code! {
    enum RetryIn { 0 After(time), 1 Never }
    enum AnnounceEvent { 0 None, 1 Started, 2 Completed, 3 Stopped, 4 Paused }
}

/// Encodes types that are their bytes.
macro_rules! bytes {
    ($($name:ty)*) => {$(
        impl Code for $name {
            fn encode(&self, out: &mut Writer) {
                self.as_bytes().encode(out);
            }

            fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                Code::decode(input).map(Self::from_bytes)
            }
        }
    )*};
}

bytes! { InfoHashV1 InfoHashV2 WireInfoHash PeerId BlockDigest }

/// Encodes types that are a number.
macro_rules! bits {
    ($($name:ty)*) => {$(
        impl Code for $name {
            fn encode(&self, out: &mut Writer) {
                self.to_bits().encode(out);
            }

            fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                u64::decode(input).map(Self::from_bits)
            }
        }
    )*};
}

bits! { AnnounceId ScrapeId }

/// Encodes types that others may add fields to, of which these are needed.
macro_rules! open {
    ($($name:ty { $($field:ident),* $(,)? })*) => {$(
        impl Code for $name {
            fn encode(&self, out: &mut Writer) {
                $(self.$field.encode(out);)*
            }

            fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                let mut value = Self::default();
                $(value.$field = Code::decode(input)?;)*
                Ok(value)
            }
        }
    )*};
}

// The engine reads neither the names of hosts, which are looked up before, nor deviations.
open! {
    AnnounceResponse {
        peers, interval, min_interval, seeders, leechers, downloaded, tracker_id, external_ip,
        reached_at, warning,
    }
    ScrapeResponse { files, min_request_interval }
    SwarmCounts { seeders, leechers, completed, downloaders }
}

impl Code for InfoHashes {
    fn encode(&self, out: &mut Writer) {
        self.v1().encode(out);
        self.v2().encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("an info-hash");
        Self::new(Code::decode(input)?, Code::decode(input)?).ok_or(error)
    }
}

impl Code for Failure {
    fn encode(&self, out: &mut Writer) {
        match self {
            Failure::Refused(refusal) => {
                out.bytes.push(0);
                refusal.encode(out);
            }
            other => {
                out.bytes.push(1);
                other.to_string().encode(out);
            }
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a failure");
        Ok(match input.byte()? {
            0 => Failure::Refused(Code::decode(input)?),
            1 => Failure::Failed(Code::decode(input)?),
            _ => return Err(error),
        })
    }
}

/// The whole URL: what is printed leaves out the password.
impl Code for TrackerUrl {
    fn encode(&self, out: &mut Writer) {
        let user = self.user_info().map_or_else(String::new, |user| format!("{user}@"));
        let (scheme, host, path) = (self.scheme().as_str(), self.host(), self.path_and_query());
        format!("{scheme}://{user}{host}:{}{path}", self.port()).encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("the URL of a tracker");
        String::decode(input)?.parse().map_err(|_| error)
    }
}

impl Code for Bitfield {
    fn encode(&self, out: &mut Writer) {
        self.piece_count().encode(out);
        out.bytes.extend_from_slice(self.as_bytes());
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a set of pieces");
        let count = u32::decode(input)?;
        let bytes = input.take(Bitfield::byte_length(count))?;
        Bitfield::from_bytes(bytes, count).map_err(|_| error)
    }
}

impl Code for PieceIndex {
    fn encode(&self, out: &mut Writer) {
        self.get().encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a piece of the content");
        let index = u32::decode(input)?;
        input.geometry().piece(index).ok_or(error)
    }
}

impl Code for BlockInfo {
    fn encode(&self, out: &mut Writer) {
        (self.piece().get(), (self.begin(), self.length())).encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a block of the content");
        let (index, (begin, length)) = Code::decode(input)?;
        input.geometry().block(index, begin, length).ok_or(error)
    }
}

/// Pieces of a content that is read from a recording at most: sixteen times as many as the largest torrents are known
/// to have. The engine has memory for each.
const MAX_PIECES: u32 = 1 << 22;

/// The bytes and the length of pieces, then the pieces whose content ends early: in a gap, or in padding.
impl Code for Geometry {
    fn encode(&self, out: &mut Writer) {
        let ends = |length: fn(&Geometry, PieceIndex) -> u32| -> Vec<(u32, u32)> {
            let lacks = |piece| self.padded_length(piece) - length(self, piece);
            let ends = self.pieces().map(|piece| (piece.get(), lacks(piece)));
            ends.filter(|(_, lacking)| *lacking > 0).collect()
        };
        let gaps = ends(Geometry::piece_length);
        let padding = if gaps.is_empty() { ends(Geometry::payload_length) } else { Vec::new() };
        let end = self
            .pieces()
            .next_back()
            .map_or(0, |last| self.piece_offset(last) + u64::from(self.padded_length(last)));
        (end, self.nominal_piece_length()).encode(out);
        gaps.encode(out);
        padding.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a content of pieces");
        let (end, piece_length) = <(u64, u32)>::decode(input)?;
        let (gaps, padding) = <(Vec<(u32, u32)>, Vec<(u32, u32)>)>::decode(input)?;
        let plain = Geometry::new(end, piece_length).map_err(|_| error)?;
        if plain.piece_count() > MAX_PIECES {
            return Err(error);
        }
        let geometry = if gaps.is_empty() {
            plain.padded(padding)
        } else {
            Geometry::aligned(files(end, piece_length, &gaps).ok_or(error)?, piece_length)
                .map_err(|_| error)?
        };
        // A torrent has one content, however often it is looked at.
        if input.geometry.as_ref().is_some_and(|known| *known != geometry) {
            return Err(error);
        }
        input.geometry = Some(geometry.clone());
        Ok(geometry)
    }
}

/// The lengths of files that end where these gaps begin, one of them at the end.
fn files(end: u64, piece_length: u32, gaps: &[(u32, u32)]) -> Option<Vec<u64>> {
    let (mut files, mut from) = (Vec::with_capacity(gaps.len() + 1), 0);
    for &(piece, gap) in gaps {
        let next = (u64::from(piece) + 1) * u64::from(piece_length);
        // In order, and each within its piece.
        if gap == 0 || gap >= piece_length || next <= from || next > end {
            return None;
        }
        files.push(next - u64::from(gap) - from);
        from = next;
    }
    files.push(end - from);
    Some(files)
}

impl Code for IpRanges {
    fn encode(&self, out: &mut Writer) {
        out.number(self.len() as u64);
        for range in self.iter() {
            (*range.start(), *range.end()).encode(out);
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a range of addresses");
        let mut ranges = IpRanges::builder();
        for _ in 0..input.count()? {
            let (first, last) = <(IpAddr, IpAddr)>::decode(input)?;
            ranges.add(first, last).map_err(|_| error)?;
        }
        Ok(ranges.build())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    fn again<T: Code>(value: &T) -> Result<T, Malformed> {
        let start = Instant::now();
        let mut out = Writer::new(start);
        value.encode(&mut out);
        T::decode(&mut Reader::new(&out.bytes, start, None))
    }

    fn geometry() -> impl Strategy<Value = Geometry> {
        let files = prop::collection::vec(0..200_000_u64, 1..6);
        let padding = prop::collection::vec((0..40_u32, 0..40_000_u32), 0..4);
        (files, padding, prop::sample::select(vec![16_384_u32, 49_152, 65_536]), 0..3_u8).prop_map(
            |(files, padding, piece_length, kind)| match kind {
                0 => Geometry::new(files.iter().sum(), piece_length).expect("few pieces"),
                1 => Geometry::new(files.iter().sum(), piece_length)
                    .expect("few pieces")
                    .padded(padding),
                _ => Geometry::aligned(files, piece_length).expect("few pieces"),
            },
        )
    }

    proptest! {
        #[test]
        fn contents_of_all_kinds_are_read_as_they_were(geometry in geometry()) {
            prop_assert_eq!(again(&geometry), Ok(geometry));
        }
    }

    #[test]
    fn a_content_of_more_pieces_than_there_is_memory_for_is_refused() {
        let most = Geometry::new(u64::from(MAX_PIECES) << 14, 1 << 14).expect("a geometry");
        assert_eq!(again(&most), Ok(most));
        let more = Geometry::new((u64::from(MAX_PIECES) << 14) + 1, 1 << 14).expect("a geometry");
        again(&more).expect_err("it has one piece more");
    }

    #[test]
    fn urls_keep_their_passwords_and_ports() {
        for text in ["http://a:b@c.example/x?y", "https://[::1]:7/announce", "udp://h:1"] {
            let url: TrackerUrl = text.parse().expect("a URL");
            assert_eq!(again(&url), Ok(url));
        }
    }
}
