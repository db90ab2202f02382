use std::time::{Duration, Instant};

use super::{Credit, Depth, Pace};
use crate::piece::Search;

/// Our side of the requests to one peer: how many to have in flight, and how it makes good on them.
/// The requests themselves are in its session.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) search: Search,
    pub(crate) pace: Pace,
    pub(crate) depth: Depth,
    pub(crate) credit: Credit,
    /// Pieces that the peer has and we want. Of a seed, those that we wanted when it said so, as long
    /// as we want any.
    pub(crate) interesting: u32,
    /// The last block, or the first request after none was in flight.
    pub(crate) last_progress: Instant,
    /// The last block that the peer gave, be it of the content or of what describes it.
    gave_at: Option<Instant>,
    /// Times in a row that the peer sent nothing for [`SNUB`].
    snubs: u32,
    /// The last time that another peer took over what this one was too slow to send.
    overtaken_at: Option<Instant>,
    /// Requests in flight at the last choke, whose rejects are no failure (BEP 6).
    excused: usize,
    /// The peer had a part in a piece that failed, and has given no right one alone since: it gets pieces
    /// of its own, so that the next failure names it.
    pub(crate) is_on_parole: bool,
    /// The peer is in the queue of those to be asked for more.
    pub(crate) is_queued: bool,
    /// The peer is in the list of those that may lack pieces.
    pub(crate) is_partial: bool,
}

/// Longest time that a peer may owe us blocks and send none before others are asked (S-07). Shorter
/// than the customary minute: the end game has long helped itself by then, this is for the rest.
pub(crate) const SNUB: Duration = Duration::from_secs(30);

/// Snubs in a row after which a peer has had its chances.
const MAX_SNUBS: u32 = 4;

impl Pipeline {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            search: Search::default(),
            pace: Pace::new(),
            depth: Depth::default(),
            credit: Credit::default(),
            interesting: 0,
            last_progress: now,
            gave_at: None,
            snubs: 0,
            overtaken_at: None,
            excused: 0,
            is_on_parole: false,
            is_queued: false,
            is_partial: false,
        }
    }

    /// Notes that a request goes out, behind so many in flight.
    pub(crate) fn note_request(&mut self, now: Instant, in_flight: usize) {
        if in_flight == 0 {
            self.last_progress = now;
        }
    }

    /// Notes a block that was requested: nothing is held against the peer any more.
    pub(crate) fn note_block(&mut self, now: Instant, bytes: u64) {
        self.pace.add(now, bytes);
        self.note_gift(now);
        self.last_progress = now;
        self.snubs = 0;
        self.credit.restore();
    }

    /// Notes that the peer gave something that was asked for.
    pub(crate) fn note_gift(&mut self, now: Instant) {
        self.gave_at = Some(now);
    }

    /// The last time that the peer gave something that was asked for.
    pub(crate) fn gave_at(&self) -> Option<Instant> {
        self.gave_at
    }

    /// Returns true if the peer gave something within this time.
    pub(crate) fn gave_within(&self, now: Instant, time: Duration) -> bool {
        self.gave_at.is_some_and(|at| now < at + time)
    }

    /// Notes that the peer chokes: what is in flight may be rejected from now on.
    pub(crate) fn note_choke(&mut self, in_flight: usize) {
        self.excused = in_flight;
        self.search.current = None;
    }

    /// Notes a reject. Returns true if a choke excuses it.
    pub(crate) fn note_reject(&mut self) -> bool {
        self.search.current = None;
        let is_excused = self.excused > 0;
        self.excused -= usize::from(is_excused);
        is_excused
    }

    /// Notes that another peer took over a request.
    pub(crate) fn note_overtaken(&mut self, now: Instant) {
        self.overtaken_at = Some(now);
    }

    /// Returns true if another peer took over a request within this time.
    pub(crate) fn was_overtaken_within(&self, now: Instant, time: Duration) -> bool {
        self.overtaken_at.is_some_and(|at| now < at + time)
    }

    /// Notes that the peer has sent nothing for [`SNUB`]. Returns true if it has had its chances.
    pub(crate) fn note_snub(&mut self) -> bool {
        self.snubs += 1;
        self.snubs >= MAX_SNUBS
    }

    /// Returns true if the peer stopped answering requests.
    pub(crate) fn is_snubbing(&self) -> bool {
        self.snubs > 0
    }

    /// The end of the time in which a block has to come.
    pub(crate) fn snub_at(&self) -> Instant {
        self.last_progress + SNUB
    }

    /// Number of requests to have in flight, as far as the peer's queue takes them.
    pub(crate) fn window(&mut self, now: Instant) -> usize {
        if self.is_snubbing() || self.credit.is_failing() { 1 } else { self.pace.window(now) }
    }

    /// Time that so many requests in flight will take.
    pub(crate) fn drain_time(&mut self, now: Instant, in_flight: usize) -> Duration {
        if in_flight == 0 {
            return Duration::ZERO;
        }
        let silence = now.saturating_duration_since(self.last_progress);
        self.pace.time_for(now, in_flight).max(silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choke_excuses_rejects_of_what_was_under_way() {
        // W-34
        let mut pipeline = Pipeline::new(Instant::now());
        pipeline.note_choke(2);
        let excused = std::array::from_fn(|_| pipeline.note_reject());
        assert_eq!(excused, [true, true, false]);
    }

    #[test]
    fn a_block_ends_what_was_held_against_the_peer() {
        let now = Instant::now();
        let mut pipeline = Pipeline::new(now);
        assert!(pipeline.credit.fail(now) && !pipeline.note_snub());
        assert_eq!(pipeline.window(now), 1);
        pipeline.note_block(now, 16_384);
        assert!(!pipeline.credit.is_failing() && !pipeline.is_snubbing());
        assert!(pipeline.window(now) > 1);
    }

    #[test]
    fn silence_counts_from_the_first_request_of_a_row() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut pipeline = Pipeline::new(start);
        pipeline.note_request(start + 10 * second, 0);
        pipeline.note_request(start + 20 * second, 1);
        assert_eq!(pipeline.snub_at(), start + 10 * second + SNUB);
        assert_eq!(pipeline.drain_time(start + 13 * second, 2), 3 * second);
        assert_eq!(pipeline.drain_time(start + 13 * second, 0), Duration::ZERO);
    }
}
