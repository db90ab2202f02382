//! Web seeds: servers that give blocks one after the other.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use tinytorrent_swarm::{
    BlockVerdict, FetchKey, FetchOutcome, FetchTask, Input, PieceIndex, WebSeedKey,
};
use tinytorrent_types::BlockInfo;

use super::happening::Happening;
use super::{Cause, Node, Seen, World};
use crate::Quality;

/// A web server, as one node sees it.
#[derive(Debug, Clone)]
pub struct WebServer {
    /// Bytes a second, for all fetches together.
    pub bytes_per_second: u64,
    /// Pieces whose file it does not have.
    pub missing: Range<u32>,
    /// Pieces of a file that is another one there.
    pub wrong: Range<u32>,
    /// It sends whole files only: a fetch that begins behind the first piece has to be one of whole files.
    pub sends_whole_files: bool,
    /// Answers that it is busy, to so many fetches.
    pub busy: u32,
    /// Connections that break after one block, so often.
    pub breaks: u32,
    /// All blocks that it has sent.
    pub sent: Vec<BlockInfo>,
}

impl WebServer {
    /// A server that has all files and gives so many bytes a second.
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            missing: 0..0,
            wrong: 0..0,
            sends_whole_files: false,
            busy: 0,
            breaks: 0,
            sent: Vec::new(),
        }
    }
}

/// A fetch under way.
#[derive(Debug)]
pub(crate) struct Running {
    blocks: VecDeque<BlockInfo>,
    takes_whole_files: bool,
    granted: u32,
    is_sending: bool,
}

impl World {
    /// Adds a web seed to a node.
    pub fn add_web_seed(&mut self, node: Node, server: WebServer) -> WebSeedKey {
        let mut key = None;
        self.with(node, |swarm, now| key = swarm.add_web_seed(now));
        let key = key.expect("few web seeds");
        self.nodes[node].web_seeds.insert(key, server);
        // Its first fetch may have been decided before the server was there.
        self.settle(node);
        key
    }

    pub(super) fn begin_fetch(&mut self, node: Node, task: FetchTask) {
        let running = Running {
            blocks: task.blocks.into(),
            takes_whole_files: task.takes_whole_files,
            granted: 0,
            is_sending: false,
        };
        self.nodes[node].fetches.insert(task.key, running);
        let latency = 2 * self.latency;
        self.later(latency, node, Happening::Fetched { fetch: task.key });
    }

    pub(super) fn grant_fetch(&mut self, node: Node, fetch: FetchKey, blocks: u32) {
        if let Some(running) = self.nodes[node].fetches.get_mut(&fetch) {
            running.granted += blocks;
            if running.is_sending {
                running.is_sending = false;
                self.later(Duration::ZERO, node, Happening::Fetched { fetch });
            }
        }
    }

    pub(super) fn cancel_fetch(&mut self, node: Node, fetch: FetchKey) {
        self.nodes[node].fetches.remove(&fetch);
    }

    pub(super) fn doubt_files(&mut self, node: Node, seed: WebSeedKey, piece: PieceIndex) {
        let wrong = self.nodes[node].web_seeds[&seed].wrong.clone();
        let pieces = if wrong.contains(&piece.get()) { wrong } else { 0..u32::MAX };
        let input = Input::WebSeedLacks { seed, pieces };
        self.later(Duration::ZERO, node, Happening::Told(input));
    }

    /// The next block of a fetch comes, or its end.
    pub(super) fn fetched(&mut self, node: Node, fetch: FetchKey) {
        let now = self.now;
        let simulated = &mut self.nodes[node];
        let Some(running) = simulated.fetches.get_mut(&fetch) else { return };
        let Some(server) = simulated.web_seeds.get_mut(&fetch.seed()) else { return };
        let ended = match running.blocks.front() {
            None => Some(FetchOutcome::Complete),
            Some(_) if server.busy > 0 => {
                server.busy -= 1;
                Some(FetchOutcome::Busy { pause: None })
            }
            Some(block)
                if server.sends_whole_files
                    && !running.takes_whole_files
                    && block.piece().get() > 0 =>
            {
                Some(FetchOutcome::NoRanges)
            }
            Some(block) if server.missing.contains(&block.piece().get()) => {
                Some(FetchOutcome::Missing { pieces: server.missing.clone() })
            }
            Some(_) if server.breaks > 0 && !server.sent.is_empty() => {
                server.breaks -= 1;
                Some(FetchOutcome::Failed)
            }
            Some(_) => None,
        };
        if let Some(outcome) = ended {
            simulated.fetches.remove(&fetch);
            return self.input(node, Input::FetchEnded { fetch, outcome });
        }
        if running.granted == 0 {
            // Goes on with the next grant.
            running.is_sending = true;
            return;
        }
        running.granted -= 1;
        let Some(block) = running.blocks.pop_front() else { return };
        server.sent.push(block);
        let is_wrong = server.wrong.contains(&block.piece().get());
        let cost = f64::from(block.length()) / server.bytes_per_second as f64;
        // The others share what the server gives.
        let count = simulated.fetches.keys().filter(|other| other.seed() == fetch.seed()).count();
        let cost = Duration::from_secs_f64(cost * count as f64);
        let quality = if is_wrong { Quality::Wrong(7) } else { Quality::Right };
        let cause = Cause::Told;
        let verdict: BlockVerdict =
            self.engine(node, cause, |swarm| swarm.handle_fetched(now, fetch, block));
        self.saw(node, Seen::Fetched(verdict));
        self.store(node, verdict, quality);
        self.later(cost, node, Happening::Fetched { fetch });
    }
}
