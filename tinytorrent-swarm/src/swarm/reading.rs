//! Readers of the content, for whom it comes in time.

use std::ops::Range;
use std::time::Instant;

use super::Swarm;
use crate::reading::{ReaderKey, Readings};

impl Swarm {
    /// Pieces that can be [urgent](Self::set_urgent) at once: each that is verified costs a walk over
    /// them.
    pub const MAX_URGENT: usize = Readings::MAX_URGENT;

    /// Adds a reader of these bytes of the content, which are counted over all files. The pieces before it
    /// come before all others, in the order in which the readers come to them: so many as are read in
    /// 15 s, by the rate at which it reads. What was requested and is not needed so soon is cancelled.
    ///
    /// While there are readers, few requests are in flight to each peer, so that one that jumps does not wait
    /// behind them. Pieces that are verified or not wanted are left out. A reader may be added before the
    /// content is known.
    pub fn add_reader(&mut self, now: Instant, bytes: Range<u64>) -> ReaderKey {
        self.advance(now);
        let key = self.readings().add(now, bytes);
        self.hurry(true);
        key
    }

    /// A reader has jumped: it reads these bytes from now on, and nothing else is urgent for it.
    pub fn move_reader(&mut self, now: Instant, reader: ReaderKey, bytes: Range<u64>) {
        self.advance(now);
        self.readings().jump(now, reader, bytes);
        self.hurry(true);
    }

    /// A reader has read so many bytes more. To be told before it waits for a piece, and about once for each
    /// piece.
    pub fn advance_reader(&mut self, now: Instant, reader: ReaderKey, count: u64) {
        self.advance(now);
        self.readings().advance(now, reader, count);
        self.hurry(false);
    }

    /// Removes a reader.
    pub fn remove_reader(&mut self, now: Instant, reader: ReaderKey) {
        self.advance(now);
        self.readings().remove(reader);
        self.hurry(false);
    }

    /// Fetches these pieces before all others, in this order, as if they were needed at once. They take the
    /// place of those that were urgent before; an empty list goes back to the rarest first. Those that are
    /// there or not wanted are left out, and so is what goes beyond [`MAX_URGENT`](Self::MAX_URGENT).
    /// [Readers](Self::add_reader) are not concerned.
    pub fn set_urgent(&mut self, now: Instant, pieces: impl IntoIterator<Item = u32>) {
        self.advance(now);
        self.readings().wish(now, pieces);
        self.hurry(true);
    }

    fn readings(&mut self) -> &mut Readings {
        self.readings.get_or_insert_with(|| Box::new(Readings::new(self.now)))
    }

    /// Puts the urgent pieces in order. If somebody waits for other ones than before, peers are asked for them
    /// at once.
    pub(super) fn hurry(&mut self, is_jump: bool) {
        let Some(readings) = &self.readings else { return };
        self.download.set_read(readings.is_any());
        let Some(picker) = self.stage.picker_mut().filter(|picker| !picker.is_finished()) else {
            return;
        };
        picker.set_urgent(readings.urgent(picker.geometry()));
        if is_jump {
            for peer in self.peers.iter_mut() {
                self.download.make_way(self.now, peer, picker, &mut self.out);
            }
            self.download.choice_has_changed();
        }
    }
}
