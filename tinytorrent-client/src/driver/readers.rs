//! Readers of the content: where they are, and which of them wait for a piece.

use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use tinytorrent_storage::Storage;
use tinytorrent_swarm::{Event as SwarmEvent, ReaderKey};
use tinytorrent_types::{Bitfield, Geometry, PieceIndex};

use super::Driver;

/// The readers that wait for a piece.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Each reader once. They are few, and mostly there are none.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    reader: ReaderKey,
    /// `None` as long as the content is not checked.
    piece: Option<PieceIndex>,
    waker: Waker,
}

/// The place of a reader, with what the engine has not been told of it.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None` as long as the engine does not know the reader.
    key: Option<ReaderKey>,
    /// Bytes that were read since the engine was told.
    read: u64,
    /// It was changed by a seek since then.
    has_jumped: bool,
}

/// What a reader finds at its place.
#[derive(Debug)]
pub(crate) enum Access {
    /// So many bytes are verified and on disk.
    Verified { storage: Arc<Storage>, count: u64 },
    /// The piece is not there. The reader is woken when it is, or when it has to look again.
    Missing,
    /// The piece is not there, and is not among those to be downloaded.
    NotWanted(PieceIndex),
}

impl Place {
    /// A place that the engine does not know.
    pub(crate) fn new() -> Self {
        Self { key: None, read: 0, has_jumped: false }
    }

    pub(crate) fn note_read(&mut self, count: u64) {
        self.read += count;
    }

    pub(crate) fn note_jump(&mut self) {
        self.has_jumped = true;
    }
}

impl Readers {
    fn wait(&mut self, reader: ReaderKey, piece: Option<PieceIndex>, waker: &Waker) {
        self.remove(reader);
        self.waiting.push(Waiting { reader, piece, waker: waker.clone() });
    }

    fn remove(&mut self, reader: ReaderKey) {
        self.waiting.retain(|waiting| waiting.reader != reader);
    }

    /// Wakes those up that wait for a piece which is there now.
    pub(super) fn on_event(&mut self, event: &SwarmEvent) {
        if let SwarmEvent::PieceCompleted { piece } = event
            && !self.waiting.is_empty()
        {
            self.wake(|waiting| waiting.piece.is_none_or(|wanted| wanted == *piece));
        }
    }

    /// Wakes all up: they have to look again.
    pub(super) fn wake_all(&mut self) {
        self.wake(|_| true);
    }

    fn wake(&mut self, is_concerned: impl Fn(&Waiting) -> bool) {
        let concerned = self.waiting.extract_if(.., |waiting| is_concerned(waiting));
        concerned.for_each(|waiting| waiting.waker.wake());
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // The torrent has ended.
        self.wake_all();
    }
}

impl Driver {
    /// Looks for the bytes at the place of a reader, `most` of them at most, and tells the engine of the place.
    /// `bytes` are those from the place to the end of the file. The second value is `true` if the task of the
    /// torrent has to act.
    pub(crate) fn read_at(
        &mut self,
        now: Instant,
        place: &mut Place,
        bytes: &Range<u64>,
        most: u64,
        waker: &Waker,
    ) -> (Access, bool) {
        // With all pieces there, nothing is left to be decided.
        let is_told = !self.swarm.is_finished();
        if is_told {
            self.tell_engine(now, place, bytes);
        }
        let verified = match (self.swarm.have(), self.lifecycle.running()) {
            (Some(have), Some(running)) => {
                let storage = running.plane.storage();
                match verified(storage.geometry(), have, bytes, most) {
                    Ok(count) => Ok(Access::Verified { storage: Arc::clone(storage), count }),
                    Err(piece) => Err(Some(piece)),
                }
            }
            _ => Err(None),
        };
        let is_wanted = |piece| self.swarm.wanted().is_some_and(|wanted| wanted.contains(piece));
        let access = match verified {
            Ok(verified) => verified,
            Err(Some(piece)) if !is_wanted(piece) => Access::NotWanted(piece),
            Err(piece) => {
                if let Some(key) = place.key {
                    self.readers.wait(key, piece, waker);
                }
                Access::Missing
            }
        };
        (access, is_told)
    }

    fn tell_engine(&mut self, now: Instant, place: &mut Place, bytes: &Range<u64>) {
        let Place { key, read, has_jumped } = place;
        let (read, has_jumped) = (std::mem::take(read), std::mem::take(has_jumped));
        let Some(key) = *key else {
            *key = Some(self.swarm.add_reader(now, bytes.clone()));
            return;
        };
        if read > 0 {
            self.swarm.advance_reader(now, key, read);
        }
        if has_jumped {
            self.swarm.move_reader(now, key, bytes.clone());
        }
    }

    /// Forgets a reader.
    pub(crate) fn end_reader(&mut self, now: Instant, place: &Place) {
        if let Some(key) = place.key {
            self.readers.remove(key);
            self.swarm.remove_reader(now, key);
        }
    }
}

/// Counts the verified bytes at the beginning of these bytes of the content, `most` at most.
///
/// # Errors
/// There are none: this piece is missing.
fn verified(
    geometry: &Geometry,
    have: &Bitfield,
    bytes: &Range<u64>,
    most: u64,
) -> Result<u64, PieceIndex> {
    let end = bytes.end.min(bytes.start.saturating_add(most));
    let mut at = bytes.start;
    while at < end
        && let Some(piece) = geometry.piece_at(at)
    {
        if !have.contains(piece) {
            return if at > bytes.start { Ok(at - bytes.start) } else { Err(piece) };
        }
        at = geometry.piece_offset(piece) + u64::from(geometry.padded_length(piece));
    }
    Ok(end - bytes.start)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::super::testing::swarm;
    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_reader_is_woken_by_its_piece_and_by_the_end() {
        let mut swarm = swarm();
        let mut key = || swarm.add_reader(Instant::now(), 0..1);
        let geometry = Geometry::new(9, 1).unwrap();
        let completed = |index| {
            let piece = geometry.piece(index).unwrap();
            SwarmEvent::PieceCompleted { piece }
        };
        let mut readers = Readers::default();
        let counts = [(); 3].map(|()| Arc::<Count>::default());
        for (count, piece) in counts.iter().zip([Some(1), Some(2), None]) {
            let piece = piece.and_then(|index| geometry.piece(index));
            readers.wait(key(), piece, &Waker::from(Arc::clone(count)));
        }
        let woken = || counts.each_ref().map(|count| count.0.load(Ordering::Relaxed));
        readers.on_event(&completed(1));
        assert_eq!(woken(), [1, 0, 1], "who does not know its piece looks again");
        readers.on_event(&completed(1));
        readers.on_event(&completed(3));
        assert_eq!(woken(), [1, 0, 1]);
        drop(readers);
        assert_eq!(woken(), [1, 1, 1]);
    }

    #[test]
    fn bytes_are_there_as_far_as_their_pieces_are() {
        // Pieces of 10 bytes, of which the last one has 5.
        let geometry = Geometry::new(45, 10).unwrap();
        let mut have = Bitfield::new(5);
        for index in [1, 2, 4] {
            have.insert(geometry.piece(index).unwrap());
        }
        let verified = |start, end, most| {
            verified(&geometry, &have, &(start..end), most).map_err(PieceIndex::get)
        };
        assert_eq!(verified(10, 45, 100), Ok(20));
        assert_eq!(verified(15, 45, 7), Ok(7));
        assert_eq!(verified(15, 45, 100), Ok(15));
        assert_eq!(verified(15, 18, 100), Ok(3));
        assert_eq!(verified(30, 45, 100), Err(3));
        assert_eq!(verified(9, 45, 100), Err(0));
        assert_eq!(verified(41, 45, u64::MAX), Ok(4));
        assert_eq!(verified(45, 45, 100), Ok(0));
    }
}
