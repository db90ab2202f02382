//! Web seeds: sources of pieces that are no peers.

use std::ops::Range;
use std::time::Instant;

use tinytorrent_types::{BlockInfo, PieceIndex};

use super::Swarm;
use crate::PeerKey;
use crate::contract::{Action, BlockVerdict, FetchKey, FetchOutcome, WebSeedKey, WebSeedView};
use crate::download::Received;

impl Swarm {
    /// Web seeds at most.
    pub const MAX_WEB_SEEDS: usize = crate::web_seeds::MAX_WEB_SEEDS;

    /// Adds a web seed, before or after the content is known. `None` if there are
    /// [`MAX_WEB_SEEDS`](Self::MAX_WEB_SEEDS).
    pub fn add_web_seed(&mut self, now: Instant) -> Option<WebSeedKey> {
        self.advance(now);
        self.web_seeds.get_or_insert_default().add()
    }

    /// Removes a web seed. What is being fetched from it is asked of others.
    pub fn remove_web_seed(&mut self, now: Instant, seed: WebSeedKey) {
        self.advance(now);
        if let Some(seeds) = &mut self.web_seeds {
            seeds.remove(seed, &mut self.download, self.stage.picker_mut(), &mut self.out);
        }
    }

    /// The web seeds, in the order in which they were added.
    pub fn web_seeds(&mut self, now: Instant) -> Vec<WebSeedView> {
        self.web_seeds.as_mut().map_or_else(Vec::new, |seeds| seeds.views(now))
    }

    /// Bytes of blocks accepted from web seeds since the start.
    pub fn downloaded_from_web_seeds(&self) -> u64 {
        self.download.fetched()
    }

    /// Takes in a block of an [`Action::Fetch`]; the bytes stay with the caller, who acts on the verdict at once.
    pub fn handle_fetched(
        &mut self,
        now: Instant,
        fetch: FetchKey,
        block: BlockInfo,
    ) -> BlockVerdict {
        self.advance(now);
        let is_awaited = self
            .web_seeds
            .as_mut()
            .is_some_and(|seeds| seeds.on_block(self.now, fetch, block, &mut self.out));
        let picker = self.stage.picker_mut().filter(|_| is_awaited);
        let Some(picker) = picker else {
            self.download.on_waste(block.length().into());
            return BlockVerdict::Discard;
        };
        let source = fetch.seed().source();
        let Received { verdict, other } = self.download.on_fetched(self.now, source, picker, block);
        if verdict != BlockVerdict::Discard {
            self.roster.note_gift(self.now);
        }
        if let Some(other) = other.and_then(|other| self.peers.get_mut(other)) {
            self.download.take_back(self.now, other, &mut self.out, block);
        }
        verdict
    }

    pub(super) fn on_fetch_ended(&mut self, fetch: FetchKey, outcome: FetchOutcome) {
        if let Some(seeds) = &mut self.web_seeds {
            let picker = self.stage.picker_mut();
            seeds.on_ended(self.now, fetch, outcome, &mut self.download, picker);
        }
    }

    pub(super) fn on_web_seed_lacks(&mut self, seed: WebSeedKey, pieces: Range<u32>) {
        if let (Some(seeds), Some(picker)) = (&mut self.web_seeds, self.stage.picker_mut()) {
            seeds.lack(seed, pieces, &mut self.download, picker, &mut self.out);
        }
    }

    /// Ends all fetches: nobody is to be asked for anything.
    pub(super) fn cancel_fetches(&mut self) {
        if let Some(seeds) = &mut self.web_seeds {
            seeds.cancel_all(&mut self.download, self.stage.picker_mut(), &mut self.out);
        }
    }

    /// Asks peers and web seeds for as much as they may be asked for.
    pub(super) fn refill(&mut self) {
        let is_open = self.is_open();
        let Some(picker) = self.stage.picker_mut() else { return };
        let Self { now, download, peers, out, .. } = self;
        download.refill(*now, peers, picker, out);
        let idle = download.take_idle();
        let Some(seeds) = self.web_seeds.as_mut().filter(|_| is_open) else { return };
        if seeds.give_way(*now, &idle, peers, download, picker, out) {
            // Before the web seeds: they would take back what they have given up.
            download.refill(*now, peers, picker, out);
        }
        seeds.refill(*now, download, picker, out);
        if seeds.take_over(*now, peers, download, picker, out) {
            seeds.refill(*now, download, picker, out);
        }
    }

    /// A source of blocks is proven to have sent wrong ones of this piece.
    pub(super) fn on_guilty(&mut self, source: PeerKey, piece: PieceIndex) {
        match source.web_seed() {
            Some(seed) => self.out.act(Action::DoubtFiles { seed, piece }),
            None => self.ban(source, Some(piece)),
        }
    }
}
