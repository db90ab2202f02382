use std::time::{Duration, Instant};

use tinytorrent_types::{BLOCK_LENGTH, BlockInfo};

/// The number of requests that keeps a peer busy, and no more.
///
/// Whoever reads the content jumps, and what he needs then is sent behind all that was requested before. So
/// as long as somebody reads, no more is in flight than the peer sends in the time of one answer, and in the
/// longest pause between two of its blocks.
///
/// One request at a time is a probe: the time until its block comes, and the bytes that come meanwhile, are
/// measured.
#[derive(Debug, Default)]
pub(crate) struct Depth {
    probe: Option<Probe>,
    /// Bytes of all blocks.
    received: u64,
    /// The shortest time in which a probe was answered.
    answer: Option<Duration>,
    /// The greatest number of bytes a second that came during a probe.
    rate: Recent<u64>,
    /// The longest time between two blocks while others were awaited.
    pause: Recent<Duration>,
    last_block: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    block: BlockInfo,
    sent: Instant,
    /// Bytes that had come before.
    received: u64,
    /// Other blocks were awaited, so that the bytes that come are those of a peer that is busy.
    is_behind_others: bool,
}

/// Requests to a peer of which nothing is known.
const FIRST_DEPTH: usize = 16;

/// The fewest requests to a peer.
const LEAST_DEPTH: usize = 2;

/// Bytes before pauses count: TCP sends few at first, with a pause after each flight of segments.
const SLOW_START: u64 = 16 * BLOCK_LENGTH as u64;

/// Time that is covered beyond what was measured, so that a peer can show that it is quicker: this, and a part of
/// the time of an answer. More makes jumps slower, less makes the search for the rate slower. A guess.
const SLACK: Duration = Duration::from_millis(2);

/// The part of the time of an answer.
const SLACK_PART: u32 = 4;

impl Depth {
    /// Notes a request that is sent.
    pub(crate) fn note_request(&mut self, now: Instant, block: BlockInfo, in_flight: usize) {
        if in_flight == 0 {
            // Nobody was waiting, so that this is no pause of the peer.
            self.last_block = None;
            self.probe = None;
        }
        // A peer may drop a request without a word.
        self.probe.take_if(|probe| now >= probe.sent + LONGEST_PROBE);
        let is_behind_others = in_flight > 0;
        self.probe.get_or_insert(Probe {
            block,
            sent: now,
            received: self.received,
            is_behind_others,
        });
    }

    /// Notes a block that was requested.
    pub(crate) fn note_block(&mut self, now: Instant, block: BlockInfo) {
        self.received += u64::from(block.length());
        if let Some(last) = self.last_block.replace(now)
            && self.received > SLOW_START
        {
            self.pause.note(now, now.saturating_duration_since(last));
        }
        if let Some(probe) = self.probe.take_if(|probe| probe.block == block) {
            let time = now.saturating_duration_since(probe.sent);
            if probe.is_behind_others {
                let bytes = (self.received - probe.received) as f64;
                self.rate.note(now, (bytes / time.as_secs_f64().max(SHORTEST_PROBE)) as u64);
            }
            self.answer = Some(self.answer.map_or(time, |least| least.min(time)));
        }
    }

    /// Notes that requests were withdrawn or refused: the probe may be among them.
    pub(crate) fn note_void(&mut self) {
        self.probe = None;
    }

    /// The number of requests to have in flight.
    pub(crate) fn requests(&mut self, now: Instant) -> usize {
        let (Some(answer), Some(rate)) = (self.answer, self.rate.greatest(now)) else {
            return FIRST_DEPTH;
        };
        let rate = rate.max(1) as f64 / f64::from(BLOCK_LENGTH);
        // One block after the other is no pause.
        let between = Duration::try_from_secs_f64(1.0 / rate).unwrap_or_default();
        let pause = self.pause.greatest(now).unwrap_or_default().saturating_sub(between);
        // Half of the probes begin within a pause and end before its end, so that one is not enough.
        let time = answer + answer / SLACK_PART + 2 * pause + SLACK;
        // One more is there when a block has been sent. A cast of a float stays within the integer.
        ((rate * time.as_secs_f64()) as usize).saturating_add(1).max(LEAST_DEPTH)
    }
}

/// A probe is not quicker than this, in seconds, however coarse the clock is.
const SHORTEST_PROBE: f64 = 1e-5;

/// A probe that was not answered for so long is given up.
const LONGEST_PROBE: Duration = Duration::from_secs(300);

/// The greatest value of the last seconds.
#[derive(Debug, Default)]
struct Recent<T> {
    /// When the present term began.
    since: Option<Instant>,
    present: Option<T>,
    /// The greatest of the term before.
    before: Option<T>,
}

/// Time after which a value of [`Recent`] may be forgotten; after twice the time it is.
const TERM: Duration = Duration::from_secs(5);

impl<T: Copy + Ord> Recent<T> {
    fn note(&mut self, now: Instant, value: T) {
        self.turn(now);
        self.present = self.present.max(Some(value));
    }

    fn greatest(&mut self, now: Instant) -> Option<T> {
        self.turn(now);
        self.present.max(self.before)
    }

    fn turn(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        // A value is not forgotten before there is another one: in a pause, the last one stays.
        if now >= since + TERM && self.present.is_some() {
            self.before = self.present.take();
            self.since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tinytorrent_types::Geometry;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// A peer that sends a block each `every`, but only in portions, and `delay` away.
    struct Link {
        delay: Duration,
        every: Duration,
        /// It works at these times only.
        tick: Duration,
    }

    impl Link {
        /// Keeps as many requests in flight as the depth says. Returns blocks in each second.
        fn run(&self, depth: &mut Depth, seconds: u64) -> Vec<u32> {
            let start = Instant::now();
            let geometry = Geometry::new(1 << 40, 1 << 20).unwrap();
            let mut blocks = geometry.pieces().flat_map(|piece| geometry.blocks(piece));
            let mut coming: VecDeque<(Instant, BlockInfo)> = VecDeque::new();
            let mut now = start;
            let mut busy_until = start;
            let mut come = vec![0; seconds as usize];
            loop {
                while coming.len() < depth.requests(now).min(4_000) {
                    let block = blocks.next().unwrap();
                    depth.note_request(now, block, coming.len());
                    let heard = now + self.delay / 2;
                    let tick = self.tick.as_micros().max(1);
                    let since = (heard - start).as_micros().div_ceil(tick) * tick;
                    let begin = busy_until.max(start + Duration::from_micros(since as u64));
                    busy_until = begin + self.every;
                    coming.push_back((busy_until + self.delay / 2, block));
                }
                let (at, block) = coming.pop_front().unwrap();
                now = at;
                let second = (now - start).as_secs();
                if second >= seconds {
                    return come;
                }
                come[second as usize] += 1;
                depth.note_block(now, block);
            }
        }
    }

    #[test]
    fn a_steady_peer_is_kept_busy_with_little_in_flight() {
        // 8 MiB/s, 10 ms away: 5 blocks are on the way at any time.
        let link = Link { delay: 10 * MILLISECOND, every: 2 * MILLISECOND, tick: Duration::ZERO };
        let mut depth = Depth::default();
        let come = link.run(&mut depth, 30);
        assert!(come[1..].iter().all(|&count| count >= 499), "{come:?}");
        let requests = depth.requests(Instant::now() + Duration::from_secs(30));
        assert!((8..=20).contains(&requests), "{requests}");
    }

    #[test]
    fn a_peer_far_away_is_kept_busy() {
        // 100 blocks are on the way at any time.
        let link = Link { delay: 200 * MILLISECOND, every: 2 * MILLISECOND, tick: Duration::ZERO };
        let come = link.run(&mut Depth::default(), 20);
        assert!(come[5..].iter().all(|&count| count >= 480), "{come:?}");
    }

    #[test]
    fn a_peer_that_answers_twice_a_second_is_asked_for_a_second() {
        let link = Link { delay: 4 * MILLISECOND, every: MILLISECOND / 4, tick: 500 * MILLISECOND };
        let come = link.run(&mut Depth::default(), 30);
        assert!(come[20..].iter().all(|&count| count >= 2_000), "{come:?}");
    }

    #[test]
    fn a_slow_peer_has_one_block_behind_the_one_that_it_sends() {
        let link =
            Link { delay: 50 * MILLISECOND, every: 2_000 * MILLISECOND, tick: Duration::ZERO };
        let mut depth = Depth::default();
        link.run(&mut depth, 100);
        let requests = depth.requests(Instant::now() + Duration::from_secs(100));
        assert!((2..=4).contains(&requests), "{requests}");
    }

    #[test]
    fn a_probe_that_was_withdrawn_measures_nothing() {
        let (now, geometry) = (Instant::now(), Geometry::new(1 << 20, 1 << 20).unwrap());
        let blocks: Vec<_> = geometry.blocks(geometry.piece(0).unwrap()).collect();
        let mut depth = Depth::default();
        depth.note_request(now, blocks[0], 0);
        depth.note_void();
        depth.note_request(now + 90 * MILLISECOND, blocks[1], 1);
        depth.note_block(now + 100 * MILLISECOND, blocks[0]);
        assert_eq!(depth.answer, None);
        depth.note_block(now + 110 * MILLISECOND, blocks[1]);
        assert_eq!(depth.answer, Some(20 * MILLISECOND));
    }
}
