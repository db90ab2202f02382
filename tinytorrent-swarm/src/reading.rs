//! The readers of the content, and the pieces that they will need.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use tinytorrent_types::Geometry;

use crate::piece::Urgent;
use crate::rate::RateMeter;

/// A reader of the content, as its [`Swarm`](crate::Swarm) knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderKey(pub(crate) u64);

/// The readers of the content, and the pieces that the user wants first.
///
/// Each reader needs the bytes before it at the rate at which it reads. So each piece has a time by which it is
/// needed, and the pieces of all readers are put in the order of these times.
#[derive(Debug)]
pub(crate) struct Readings {
    readers: BTreeMap<ReaderKey, Reading>,
    /// Number of readers so far.
    count: u64,
    /// The pieces that the user wants before all others, in this order, and since when.
    wished: (Instant, Vec<u32>),
}

/// The place of one reader.
#[derive(Debug)]
struct Reading {
    /// The bytes of the content that are not read yet.
    bytes: Range<u64>,
    /// When the reader was there.
    at: Instant,
    meter: RateMeter,
    /// The rate at that time, in bytes a second.
    rate: u64,
}

/// Time of reading for which pieces are fetched ahead.
const READ_AHEAD: Duration = Duration::from_secs(15);

/// Bytes a second at which a reader is taken to read at least. Its rate is not known at first, and players
/// read at once what they have to show later.
const LEAST_RATE: u64 = 1 << 20;

/// Bytes to fetch ahead at most.
const MAX_READ_AHEAD: u64 = 256 << 20;

impl Readings {
    /// Pieces that are urgent at the same time at most: each that is verified costs a walk over them.
    pub(crate) const MAX_URGENT: usize = 1_024;

    pub(crate) fn new(now: Instant) -> Self {
        Self { readers: BTreeMap::new(), count: 0, wished: (now, Vec::new()) }
    }

    /// Returns true if somebody waits for certain pieces, or may do so at any time.
    pub(crate) fn is_any(&self) -> bool {
        !self.readers.is_empty() || !self.wished.1.is_empty()
    }

    /// Sets the pieces that the user wants before all others.
    pub(crate) fn wish(&mut self, now: Instant, pieces: impl IntoIterator<Item = u32>) {
        self.wished = (now, pieces.into_iter().take(Self::MAX_URGENT).collect());
    }

    /// Adds a reader of these bytes of the content.
    pub(crate) fn add(&mut self, now: Instant, bytes: Range<u64>) -> ReaderKey {
        let key = ReaderKey(self.count);
        self.count += 1;
        let (meter, rate) = (RateMeter::new(), LEAST_RATE);
        self.readers.insert(key, Reading { bytes, at: now, meter, rate });
        key
    }

    /// Notes that a reader has jumped: it reads these bytes from now on.
    pub(crate) fn jump(&mut self, now: Instant, reader: ReaderKey, bytes: Range<u64>) {
        if let Some(reading) = self.readers.get_mut(&reader) {
            (reading.bytes, reading.at) = (bytes, now);
        }
    }

    /// Notes that a reader has read so many bytes more.
    pub(crate) fn advance(&mut self, now: Instant, reader: ReaderKey, count: u64) {
        if let Some(reading) = self.readers.get_mut(&reader) {
            reading.bytes.start = reading.bytes.start.saturating_add(count);
            reading.at = now;
            reading.meter.add(now, count);
            reading.rate = reading.meter.bytes_per_second(now).max(LEAST_RATE);
        }
    }

    pub(crate) fn remove(&mut self, reader: ReaderKey) {
        self.readers.remove(&reader);
    }

    /// The pieces that are needed next, the first one first.
    pub(crate) fn urgent(&self, geometry: &Geometry) -> Vec<Urgent> {
        let (since, wished) = &self.wished;
        let wished = wished.iter().filter_map(|&index| geometry.piece(index));
        let wished = wished.map(|piece| Urgent::new(piece, *since));
        let read = self.readers.values().flat_map(|reading| reading.urgent(geometry));
        let mut urgent: Vec<Urgent> = wished.chain(read).collect();
        // Stable, so that the order of the user stays.
        urgent.sort_by_key(|urgent| urgent.due);
        let mut seen = BTreeSet::new();
        urgent.retain(|urgent| seen.insert(urgent.piece));
        urgent.truncate(Self::MAX_URGENT);
        urgent
    }
}

impl Reading {
    /// The pieces ahead, each with the time at which the reader comes to it.
    fn urgent(&self, geometry: &Geometry) -> impl Iterator<Item = Urgent> {
        let ahead = self.rate.saturating_mul(READ_AHEAD.as_secs()).min(MAX_READ_AHEAD);
        let Range { start, end } = self.bytes;
        let end = end.min(start.saturating_add(ahead));
        let first = geometry.piece_at(start).filter(|_| start < end);
        let indices = first.map_or(0..0, |first| first.get()..geometry.piece_count());
        let pieces = indices.filter_map(|index| geometry.piece(index));
        let pieces = pieces.take_while(move |&piece| geometry.piece_offset(piece) < end);
        pieces.take(Readings::MAX_URGENT).map(move |piece| {
            let distance = geometry.piece_offset(piece).saturating_sub(start);
            let time = Duration::from_secs_f64(distance as f64 / self.rate as f64);
            Urgent::new(piece, self.at + time)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// 100 pieces of 1 MiB.
    fn geometry() -> Geometry {
        Geometry::new(100 << 20, 1 << 20).unwrap()
    }

    fn indices(readings: &Readings) -> Vec<u32> {
        readings.urgent(&geometry()).iter().map(|urgent| urgent.piece.get()).collect()
    }

    #[test]
    fn a_reader_needs_the_pieces_before_it_at_its_rate() {
        let start = Instant::now();
        let mut readings = Readings::new(start);
        let reader = readings.add(start, 10 << 20..100 << 20);
        assert_eq!(indices(&readings), Vec::from_iter(10..25), "15 s at the least rate");
        for second in 1..=20 {
            readings.advance(start + SECOND * second, reader, 2 << 20);
        }
        let urgent = readings.urgent(&geometry());
        assert_eq!(urgent[0].piece.get(), 50);
        assert!((28..=32).contains(&urgent.len()), "{}", urgent.len());
        let last = urgent.last().unwrap().due - (start + 20 * SECOND);
        assert!((14..=15).contains(&last.as_secs()), "{last:?}");
    }

    #[test]
    fn a_reader_needs_nothing_behind_its_end() {
        let now = Instant::now();
        let mut readings = Readings::new(now);
        let reader = readings.add(now, (5 << 20) + 1..(7 << 20) + 1);
        assert_eq!(indices(&readings), [5, 6, 7]);
        readings.advance(now, reader, 2 << 20);
        assert!(indices(&readings).is_empty() && readings.is_any());
        for bytes in [200 << 20..300 << 20, u64::MAX..u64::MAX, Range { start: 9, end: 3 }] {
            readings.jump(now, reader, bytes);
            assert!(indices(&readings).is_empty());
        }
    }

    #[test]
    fn a_jump_drops_what_was_needed_before() {
        let now = Instant::now();
        let mut readings = Readings::new(now);
        let reader = readings.add(now, 0..100 << 20);
        readings.jump(now, reader, 98 << 20..100 << 20);
        assert_eq!(indices(&readings), [98, 99]);
        readings.remove(reader);
        assert!(indices(&readings).is_empty() && !readings.is_any());
    }

    #[test]
    fn the_pieces_of_several_readers_are_in_the_order_in_which_they_are_needed() {
        let now = Instant::now();
        let mut readings = Readings::new(now);
        readings.add(now, (10 << 20) + (1 << 19)..13 << 20);
        readings.add(now, 50 << 20..53 << 20);
        readings.add(now, 11 << 20..12 << 20);
        // Pieces 11 and 51 begin half a second and a second ahead of their readers.
        assert_eq!(indices(&readings), [10, 50, 11, 51, 12, 52]);
    }

    #[test]
    fn what_the_user_wishes_comes_in_his_order_and_once() {
        let now = Instant::now();
        let mut readings = Readings::new(now);
        readings.wish(now, [7, 3, 500, 7, 2]);
        readings.add(now + SECOND, 2 << 20..4 << 20);
        assert_eq!(indices(&readings), [7, 3, 2]);
        readings.wish(now, []);
        assert_eq!(indices(&readings), [2, 3]);
    }
}
