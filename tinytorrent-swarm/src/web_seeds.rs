//! Web seeds: sources of pieces that are no peers (BEP 19, BEP 17).

mod giving_way;
mod pace;
mod spans;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use tinytorrent_types::{BLOCK_LENGTH, Bitfield, BlockInfo, Geometry, PieceIndex};

use self::pace::Pace;
use self::spans::Course;
use crate::contract::{
    Action, FetchKey, FetchOutcome, FetchTask, WebSeedKey, WebSeedState, WebSeedView,
};
use crate::download::Download;
use crate::outbox::Outbox;
use crate::piece::Picker;
use crate::planted::{Bug, is_planted};
use crate::rate::RateMeter;

/// The web seeds of a swarm, and what is being fetched from them.
///
/// A fetch is a run of blocks, over the borders of pieces and files. Its blocks are requested as those of a peer are,
/// so that no peer is asked for them. The driver may report as many of them as it has been granted, which is how the
/// limit and the budget of the disk reach it.
#[derive(Debug, Default)]
pub(crate) struct WebSeeds {
    seeds: Vec<WebSeed>,
    /// The numbers of the next seed and of the next fetch.
    next_seed: u32,
    next_fetch: u64,
    /// The last look at peers for one that is slow.
    looked: Option<Instant>,
}

#[derive(Debug)]
struct WebSeed {
    key: WebSeedKey,
    /// Pieces that it does not have, if there are any.
    lacks: Option<Bitfield>,
    is_forbidden: bool,
    takes_whole_files: bool,
    /// The oldest comes first.
    fetches: Vec<Fetch>,
    /// Nothing is taken from it for a while after this: its first fetch, or the last time that something was taken.
    left_alone: Option<Instant>,
    course: Course,
    pace: Pace,
    meter: RateMeter,
}

#[derive(Debug)]
struct Fetch {
    number: u64,
    /// The blocks that have not come.
    blocks: VecDeque<BlockInfo>,
    /// Blocks that the driver may still report.
    granted: u32,
    /// The instant of the last block, or of the fetch's beginning.
    last: Instant,
    /// The driver knows of more blocks, which others are asked for.
    is_cut: bool,
    /// It was asked for as one of whole files.
    takes_whole_files: bool,
}

/// Web seeds at most. More come from nobody who means well.
pub(crate) const MAX_WEB_SEEDS: usize = 64;

/// Blocks that may be reported of one fetch before it is granted more: what comes within a few turns of the driver.
const WINDOW: u32 = 64;

impl WebSeeds {
    /// Adds a web seed; `None` if there are too many.
    pub(crate) fn add(&mut self) -> Option<WebSeedKey> {
        if self.seeds.len() >= MAX_WEB_SEEDS {
            return None;
        }
        let key = WebSeedKey(self.next_seed);
        self.next_seed += 1;
        self.seeds.push(WebSeed {
            key,
            lacks: None,
            is_forbidden: false,
            takes_whole_files: false,
            fetches: Vec::new(),
            left_alone: None,
            course: Course::default(),
            pace: Pace::default(),
            meter: RateMeter::new(),
        });
        Some(key)
    }

    /// Removes a web seed, and cancels what is fetched from it.
    pub(crate) fn remove(
        &mut self,
        key: WebSeedKey,
        download: &mut Download,
        picker: Option<&mut Picker>,
        out: &mut Outbox,
    ) {
        let Some(at) = self.seeds.iter().position(|seed| seed.key == key) else { return };
        let mut seed = self.seeds.remove(at);
        seed.cancel(|_| true, download, picker, out);
    }

    pub(crate) fn views(&mut self, now: Instant) -> Vec<WebSeedView> {
        self.seeds.iter_mut().map(|seed| seed.view(now)).collect()
    }

    /// The next instant at which one may be asked again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.seeds
            .iter()
            .filter(|seed| !seed.is_useless())
            .filter_map(|seed| seed.pace.rests_until())
            .min()
    }

    /// Lets those be asked again whose time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.seeds.iter_mut().for_each(|seed| seed.pace.end_rest(now));
    }

    /// Cancels all fetches, for instance at a pause.
    pub(crate) fn cancel_all(
        &mut self,
        download: &mut Download,
        mut picker: Option<&mut Picker>,
        out: &mut Outbox,
    ) {
        for seed in &mut self.seeds {
            seed.cancel(|_| true, download, picker.as_deref_mut(), out);
            seed.course.restart();
        }
    }

    /// Cancels the fetches with blocks of pieces that are not among these.
    pub(crate) fn cancel_unwanted(
        &mut self,
        wanted: &Bitfield,
        download: &mut Download,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        for seed in &mut self.seeds {
            let is_unwanted =
                |fetch: &Fetch| fetch.blocks.iter().any(|block| !wanted.contains(block.piece()));
            seed.cancel(is_unwanted, download, Some(picker), out);
        }
    }

    /// Takes in a block that a fetch reports. Returns false if it was not awaited.
    pub(crate) fn on_block(
        &mut self,
        now: Instant,
        key: FetchKey,
        block: BlockInfo,
        out: &mut Outbox,
    ) -> bool {
        let Some(seed) = self.get_mut(key.seed) else { return false };
        let Some(at) = seed.fetches.iter().position(|fetch| fetch.number == key.number) else {
            return false;
        };
        let fetch = &mut seed.fetches[at];
        if fetch.granted == 0 || fetch.blocks.front() != Some(&block) {
            return false;
        }
        fetch.blocks.pop_front();
        fetch.granted -= 1;
        fetch.last = now;
        if fetch.is_cut && fetch.blocks.is_empty() {
            seed.fetches.remove(at);
            out.act(Action::CancelFetch { fetch: key });
        }
        seed.pace.note_block();
        seed.meter.add(now, block.length().into());
        true
    }

    /// A fetch has ended. What has not come of it can be asked of others.
    pub(crate) fn on_ended(
        &mut self,
        now: Instant,
        key: FetchKey,
        outcome: FetchOutcome,
        download: &mut Download,
        picker: Option<&mut Picker>,
    ) {
        let Some(seed) = self.get_mut(key.seed) else { return };
        let Some(at) = seed.fetches.iter().position(|fetch| fetch.number == key.number) else {
            return;
        };
        let fetch = seed.fetches.remove(at);
        let is_whole = fetch.takes_whole_files;
        let geometry = picker.as_ref().map(|picker| picker.geometry().clone());
        let is_complete = fetch.blocks.is_empty();
        give_back(seed.key, fetch.blocks, fetch.granted, download, picker);
        match outcome {
            FetchOutcome::Complete if is_complete => seed.pace.note_complete(now),
            FetchOutcome::Missing { pieces } => {
                if let Some(geometry) = geometry {
                    seed.lose(pieces, &geometry);
                }
            }
            // The other fetches of the moment, which were asked for in the same way, end in the same way.
            FetchOutcome::NoRanges if !is_whole => {
                seed.takes_whole_files = true;
                seed.course.restart();
            }
            FetchOutcome::Busy { pause } => seed.pace.note_busy(now, pause),
            FetchOutcome::Complete | FetchOutcome::NoRanges | FetchOutcome::Failed => {
                seed.pace.note_failure(now);
            }
            FetchOutcome::Forbidden => seed.is_forbidden = true,
        }
    }

    /// A web seed does not have these pieces, or has others in their place.
    pub(crate) fn lack(
        &mut self,
        key: WebSeedKey,
        pieces: Range<u32>,
        download: &mut Download,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        let geometry = picker.geometry().clone();
        let Some(seed) = self.get_mut(key) else { return };
        let is_lost =
            |fetch: &Fetch| fetch.blocks.iter().any(|block| pieces.contains(&block.piece().get()));
        seed.cancel(is_lost, download, Some(picker), out);
        seed.lose(pieces, &geometry);
    }

    /// Begins what can be begun, and grants what limit and budget let through.
    pub(crate) fn refill(
        &mut self,
        now: Instant,
        download: &mut Download,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        for seed in &mut self.seeds {
            seed.make_way(download, picker, out);
            seed.begin(now, &mut self.next_fetch, download, picker, out);
        }
        // The oldest fetch comes first, so that under a limit one connection is busy rather than all of them slow.
        let waiting: u64 = self.fetches().map(|fetch| u64::from(fetch.granted)).sum();
        let mut waiting = waiting * u64::from(BLOCK_LENGTH);
        for seed in &mut self.seeds {
            for fetch in &mut seed.fetches {
                let window = WINDOW.min(fetch.blocks.len() as u32);
                // Many at once: a message for each block would cost more than the block.
                if fetch.granted > window / 2 {
                    continue;
                }
                let mut blocks = 0;
                while fetch.granted < window && download.may_fetch(now, waiting) {
                    (fetch.granted, blocks) = (fetch.granted + 1, blocks + 1);
                    waiting += u64::from(BLOCK_LENGTH);
                }
                if blocks > 0 {
                    let key = FetchKey { seed: seed.key, number: fetch.number };
                    out.act(Action::GrantFetch { fetch: key, blocks });
                }
            }
        }
    }

    fn get_mut(&mut self, key: WebSeedKey) -> Option<&mut WebSeed> {
        self.seeds.iter_mut().find(|seed| seed.key == key)
    }

    fn fetches(&self) -> impl Iterator<Item = &Fetch> {
        self.seeds.iter().flat_map(|seed| &seed.fetches)
    }

    pub(crate) fn check_invariants(&self, is_loaded: bool) {
        assert!(self.seeds.len() <= MAX_WEB_SEEDS);
        for seed in &self.seeds {
            assert!(seed.fetches.len() <= pace::MOST);
            for fetch in &seed.fetches {
                assert!(fetch.granted as usize <= fetch.blocks.len(), "no more than is to come");
                assert!(is_loaded, "nothing is fetched of what is not known");
            }
        }
    }
}

impl WebSeed {
    fn is_useless(&self) -> bool {
        self.is_forbidden || self.lacks.as_ref().is_some_and(Bitfield::is_full)
    }

    fn view(&mut self, now: Instant) -> WebSeedView {
        let state = if self.is_useless() {
            WebSeedState::Useless
        } else if let Some(until) = self.pace.rests_until() {
            WebSeedState::Resting(until)
        } else if self.fetches.is_empty() {
            WebSeedState::Idle
        } else {
            WebSeedState::Fetching
        };
        WebSeedView {
            key: self.key,
            state,
            downloaded: self.meter.total(),
            bytes_per_second: self.meter.bytes_per_second(now),
            failures: self.pace.failures(),
        }
    }

    /// Begins as many fetches as the server takes.
    fn begin(
        &mut self,
        now: Instant,
        next: &mut u64,
        download: &mut Download,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        if self.is_useless() || self.pace.rests_until().is_some() {
            return;
        }
        let most = if self.takes_whole_files { 1 } else { self.pace.most_fetches() };
        while self.fetches.len() < most && !download.is_held_back() {
            let bytes = if self.takes_whole_files { WHOLE } else { self.pace.span() };
            let blocks = self.course.take(picker, self.lacks.as_ref(), self.key.source(), bytes);
            if blocks.is_empty() {
                return;
            }
            let key = FetchKey { seed: self.key, number: *next };
            *next += 1;
            self.pace.note_begun(now);
            if self.fetches.is_empty() {
                self.left_alone = Some(now);
            }
            self.fetches.push(Fetch {
                number: key.number,
                blocks: blocks.iter().copied().collect(),
                granted: 0,
                last: now,
                is_cut: false,
                takes_whole_files: self.takes_whole_files,
            });
            out.act(Action::Fetch(FetchTask {
                key,
                blocks,
                takes_whole_files: self.takes_whole_files,
            }));
        }
    }

    /// Cancels what nobody waits for, if somebody waits for something else and all connections are busy.
    fn make_way(&mut self, download: &mut Download, picker: &mut Picker, out: &mut Outbox) {
        if self.fetches.is_empty() || !picker.has_urgent() {
            return;
        }
        let lacks = self.lacks.as_ref();
        let has = |piece: &PieceIndex| lacks.is_none_or(|lacks| !lacks.contains(*piece));
        if self.fetches.len() < self.pace.most_fetches()
            || !picker.free_urgent().any(|piece| has(&piece))
        {
            return;
        }
        let urgent = picker.urgent_pieces();
        let is_idle =
            |fetch: &Fetch| !fetch.blocks.iter().any(|block| urgent.contains(&block.piece()));
        self.cancel(is_idle, download, Some(picker), out);
    }

    /// Cancels fetches, and gives their blocks back.
    fn cancel(
        &mut self,
        which: impl Fn(&Fetch) -> bool,
        download: &mut Download,
        mut picker: Option<&mut Picker>,
        out: &mut Outbox,
    ) {
        let mut at = 0;
        while at < self.fetches.len() {
            if which(&self.fetches[at]) {
                let fetch = self.fetches.remove(at);
                let key = FetchKey { seed: self.key, number: fetch.number };
                out.act(Action::CancelFetch { fetch: key });
                let picker = picker.as_deref_mut();
                give_back(self.key, fetch.blocks, fetch.granted, download, picker);
            } else {
                at += 1;
            }
        }
    }

    fn lose(&mut self, pieces: Range<u32>, geometry: &Geometry) {
        let lacks = self.lacks.get_or_insert_with(|| Bitfield::new(geometry.piece_count()));
        for piece in pieces.map_while(|index| geometry.piece(index)) {
            lacks.insert(piece);
        }
        self.course.restart();
    }
}

/// Lets others have blocks that a web seed was asked for, of which so many had been granted.
fn give_back(
    seed: WebSeedKey,
    blocks: VecDeque<BlockInfo>,
    granted: u32,
    download: &mut Download,
    picker: Option<&mut Picker>,
) {
    download.repay_fetch(granted as usize);
    if is_planted(Bug::KeepsFetch) {
        return;
    }
    if let Some(picker) = picker
        && !blocks.is_empty()
    {
        for block in blocks {
            picker.release(seed.source(), block);
        }
        download.on_fetch_released();
    }
}

/// Bytes to ask of a server that sends whole files only: it is asked for as long a run as memory for its blocks allows.
const WHOLE: u64 = 1 << 30;
