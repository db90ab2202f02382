use std::time::{Duration, Instant};

use tinytorrent_types::BLOCK_LENGTH;

use super::Slot;
use crate::rate::RateMeter;

/// Our answers to the requests of one peer. The requests themselves are in its session.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    pub(crate) slot: Slot,
    /// Bytes of the blocks that the driver has and the peer has not been sent.
    bytes: u64,
    /// The last block that was sent, or the first of a row that was handed over.
    last_progress: Option<Instant>,
    /// The last block that was sent.
    sent_at: Option<Instant>,
    /// Blocks that the driver may have at a time, fewer than [`SERVING_BLOCKS`] once the peer is known to be slow.
    window: Option<usize>,
    /// The peer stands in line for the upload limit.
    pub(crate) is_waiting: bool,
    /// Bytes that the peer was sent.
    pub(crate) meter: RateMeter,
}

/// Bytes handed to the driver for one peer and not written yet. Two of the largest socket
/// buffers' worth would be waste; less than one would leave it dry.
pub(crate) const SERVING_WINDOW: u64 = 1 << 20;

/// Blocks handed to the driver for one peer and not written yet: as many whole ones as the window
/// holds. Each costs a read, be it of one byte.
pub(crate) const SERVING_BLOCKS: usize = (SERVING_WINDOW / BLOCK_LENGTH as u64) as usize;

/// Blocks that the driver has of the slowest peer: one on its way, and the next.
const LEAST_BLOCKS: usize = 2;

/// Longest time that a peer may read nothing of the blocks that it asked for: they wait in memory,
/// and at 1 KiB a second the largest takes half of this.
pub(super) const MAX_UNREAD: Duration = Duration::from_secs(240);

impl Serving {
    /// Returns true if the driver has room for a block, beside so many that it has.
    pub(crate) fn has_room(&self, begun: usize) -> bool {
        self.bytes < SERVING_WINDOW && begun < self.window.unwrap_or(SERVING_BLOCKS)
    }

    /// Notes that a block is handed to the driver, beside so many that it has.
    pub(crate) fn note_begun(&mut self, now: Instant, begun: usize, bytes: u64) {
        if begun == 0 {
            self.last_progress = Some(now);
        }
        self.bytes += bytes;
    }

    /// Notes that a block was sent, or could not be.
    pub(crate) fn note_ended(&mut self, now: Instant, bytes: u64, is_sent: bool) {
        self.bytes -= bytes;
        self.last_progress = Some(now);
        if is_sent {
            self.sent_at = Some(now);
            self.slot.note_use(now);
            self.meter.add(now, bytes);
            let rate = self.meter.bytes_per_second(now);
            // A second's worth: what the driver has can be cancelled no more, and peers ask others for what is late.
            let blocks = (rate / u64::from(BLOCK_LENGTH)) as usize;
            self.window = (rate > 0).then(|| blocks.clamp(LEAST_BLOCKS, SERVING_BLOCKS));
        }
    }

    /// The instant at which the last block was sent.
    pub(crate) fn sent_at(&self) -> Option<Instant> {
        self.sent_at
    }

    /// Returns true if the last progress is at least so long ago.
    pub(super) fn is_unread_for(&self, now: Instant, time: Duration) -> bool {
        self.last_progress.is_some_and(|at| now >= at + time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_byte_take_as_many_places_as_whole_ones() {
        let now = Instant::now();
        let mut serving = Serving::default();
        let begun = (0..).take_while(|&begun| {
            let has_room = serving.has_room(begun);
            serving.note_begun(now, begun, 1);
            has_room
        });
        assert_eq!(begun.count(), SERVING_BLOCKS);
    }

    #[test]
    fn the_driver_has_a_second_s_worth_of_a_slow_peer() {
        let mut now = Instant::now();
        let mut serving = Serving::default();
        let block = u64::from(BLOCK_LENGTH);
        let mut send = |serving: &mut Serving, time| {
            for _ in 0..200 {
                now += time;
                serving.note_begun(now, 0, block);
                serving.note_ended(now, block, true);
            }
        };
        let room = |serving: &Serving| (0..).take_while(|&begun| serving.has_room(begun)).count();
        assert_eq!(room(&serving), SERVING_BLOCKS, "nothing is known");
        send(&mut serving, Duration::from_millis(100));
        assert!((9..=11).contains(&room(&serving)), "{}", room(&serving));
        send(&mut serving, Duration::from_secs(10));
        assert_eq!(room(&serving), LEAST_BLOCKS);
        (0..10).for_each(|_| send(&mut serving, Duration::from_millis(1)));
        assert_eq!(room(&serving), SERVING_BLOCKS, "it has become quick");
    }

    #[test]
    fn unread_time_counts_from_the_last_block_that_went_out() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut serving = Serving::default();
        assert!(!serving.is_unread_for(now + 1_000 * second, second), "nothing was handed over");
        serving.note_begun(now, 0, 10);
        serving.note_begun(now + 9 * second, 1, 10);
        assert!(serving.is_unread_for(now + 10 * second, 10 * second));
        serving.note_ended(now + 10 * second, 10, true);
        assert!(!serving.is_unread_for(now + 19 * second, 10 * second));
        assert_eq!((serving.bytes, serving.meter.total()), (10, 10));
    }
}
