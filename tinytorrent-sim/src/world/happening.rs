//! The happenings of a world, and what nodes make of them.

use std::time::Duration;

use bytes::Bytes;
use tinytorrent_swarm::{
    AnnounceOutcome, AnnounceTask, BlockDigest, BlockVerdict, ConnectionError, FetchKey, Input,
    PeerKey, Transport,
};
use tinytorrent_tracker::{AnnounceResponse, Peer};
use tinytorrent_types::{Bitfield, BlockInfo, PieceIndex};
use tinytorrent_wire::{Handshake, Message, PieceHeader};

use super::nat::Dial;
use super::{Cause, Node, World};
use crate::node::Link;
use crate::{Behaviour, Quality};

#[derive(Debug)]
pub(super) enum Happening {
    Dialled(Dial),
    Answered {
        key: PeerKey,
        by: Node,
        their_key: PeerKey,
        handshake: Handshake,
        transport: Transport,
    },
    Refused {
        key: PeerKey,
    },
    Arrives {
        key: PeerKey,
        message: Message,
    },
    Block {
        key: PeerKey,
        block: BlockInfo,
        quality: Quality,
    },
    Served {
        key: PeerKey,
        block: BlockInfo,
    },
    /// The next block of a fetch from a web seed comes.
    Fetched {
        fetch: FetchKey,
    },
    /// Its driver tells it something.
    Told(Input),
    Closed {
        key: PeerKey,
    },
    /// It closes the connection by itself.
    Leaves {
        key: PeerKey,
    },
    /// It sends a message of which its engine knows nothing.
    Sends {
        key: PeerKey,
        message: Message,
    },
    /// Its engine is told that a block was sent, which was not.
    Pretends {
        key: PeerKey,
        block: BlockInfo,
    },
    /// A stranger connects, from its next address.
    Calls {
        stranger: usize,
        count: usize,
    },
    /// A stranger answers, and shakes hands.
    Greets {
        key: PeerKey,
        stranger: usize,
    },
    /// A stranger has its turn to speak.
    Speaks {
        key: PeerKey,
        stranger: usize,
        turn: u64,
    },
    /// A stranger closes the connection.
    HangsUp {
        key: PeerKey,
    },
    /// No handshake came in time.
    TimedOut {
        key: PeerKey,
    },
    Verdict {
        piece: PieceIndex,
        digests: bool,
    },
    Written {
        bytes: u64,
    },
    Metadata {
        info: Bytes,
    },
    Tracker(AnnounceTask),
}

/// Time that a disk takes to write a block.
const WRITING: Duration = Duration::from_millis(1);

/// Time that a disk takes to hash a piece.
pub(super) const HASHING: Duration = Duration::from_millis(2);

/// The failure of a connection to a node that takes none.
const REFUSED: ConnectionError = ConnectionError::Io(std::io::ErrorKind::ConnectionRefused);

/// Time that a node waits for a handshake.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl World {
    pub(super) fn happen(&mut self, node: Node, happening: Happening) {
        match happening {
            Happening::Dialled(dial) => {
                if let Some(dial) = self.let_in(node, dial) {
                    self.dialled(node, dial);
                }
            }
            Happening::Answered { key, by, their_key, handshake, transport } => {
                if self.answered(node, key, by, their_key) {
                    let greeted = Input::HandshakeCompleted { peer: key, transport, handshake };
                    self.input(node, greeted);
                }
            }
            Happening::Refused { key } => self.came_to_nothing(node, key, REFUSED),
            Happening::TimedOut { key } => {
                self.came_to_nothing(node, key, ConnectionError::TimedOut);
            }
            Happening::Arrives { key, message } => {
                // The connection may have been closed while the message was under way.
                if self.nodes[node].links.contains_key(&key) {
                    self.input(node, Input::MessageReceived { peer: key, message });
                }
            }
            Happening::Block { key, block, quality } => self.block(node, key, block, quality),
            Happening::Served { key, block } => self.served(node, key, block),
            Happening::Fetched { fetch } => self.fetched(node, fetch),
            Happening::Told(input) => self.input(node, input),
            Happening::Closed { key } => {
                self.closed(node, key);
            }
            Happening::Leaves { key } => {
                if let Some(Link { to, their_key: Some(key) }) = self.closed(node, key) {
                    self.later(self.latency, to, Happening::Closed { key });
                }
            }
            Happening::Sends { key, message } => self.send(node, key, message),
            Happening::Pretends { key, block } => {
                self.input(node, Input::BlockServed { peer: key, block, sent: true });
            }
            Happening::Calls { stranger, count } => self.stranger_calls(node, stranger, count),
            Happening::Greets { key, stranger } => self.stranger_greets(node, key, stranger),
            Happening::Speaks { key, stranger, turn } => {
                self.stranger_speaks(node, key, stranger, turn);
            }
            Happening::HangsUp { key } => self.stranger_hangs_up(node, key),
            Happening::Verdict { piece, digests } => self.verdict(node, piece, digests),
            Happening::Written { bytes } => self.input(node, Input::BlocksWritten { bytes }),
            Happening::Metadata { info } => self.checked(node, &info),
            Happening::Tracker(task) => self.announced(node, &task),
        }
    }

    /// The node that it connected to has let it in. Returns false if it has given up meanwhile.
    fn answered(&mut self, node: Node, key: PeerKey, by: Node, their_key: PeerKey) -> bool {
        let link = self.nodes[node].links.get_mut(&key);
        let is_there = link.map(|link| link.their_key = Some(their_key)).is_some();
        if !is_there {
            self.later(self.latency, by, Happening::Closed { key: their_key });
        }
        is_there
    }

    fn came_to_nothing(&mut self, node: Node, key: PeerKey, error: ConnectionError) {
        self.nodes[node].links.remove(&key);
        self.nodes[node].strangers.remove(&key);
        self.input(node, Input::ConnectFailed { peer: key, error });
    }

    /// A connection is gone. Gives its link if it was there.
    fn closed(&mut self, node: Node, key: PeerKey) -> Option<Link> {
        let link = self.nodes[node].links.remove(&key)?;
        let error = ConnectionError::Closed;
        self.input(node, Input::ConnectionClosed { peer: key, error });
        Some(link)
    }

    /// The uplink is through with a block.
    fn served(&mut self, node: Node, key: PeerKey, block: BlockInfo) {
        let Some(link) = self.nodes[node].links.get(&key).copied() else { return };
        let quality = self.nodes[node].quality(block);
        if let Some(key) = link.their_key {
            self.later(self.latency, link.to, Happening::Block { key, block, quality });
        }
        self.input(node, Input::BlockServed { peer: key, block, sent: true });
    }

    /// The bytes taken for the info dictionary have been hashed.
    fn checked(&mut self, node: Node, info: &Bytes) {
        if *info == self.nodes[node].info {
            let count = self.nodes[node].geometry.piece_count();
            self.ready(node, Bitfield::new(count));
        } else {
            self.input(node, Input::MetadataRefused);
        }
    }

    /// A tracker answers.
    fn announced(&mut self, node: Node, task: &AnnounceTask) {
        let simulated = &self.nodes[node];
        let response =
            simulated.trackers.get(&task.url.to_string()).cloned().unwrap_or_else(|| {
                let peers = simulated.tracker_peers.iter();
                let mut response = AnnounceResponse::default();
                response.peers = peers.map(|&address| Peer { address, id: None }).collect();
                response.reached_at = self.tracker;
                // The interval of most deployed trackers.
                response.interval = Some(Duration::from_secs(1_800));
                response
            });
        let outcome = AnnounceOutcome { id: task.id, result: Ok(response) };
        self.input(node, Input::Announced(outcome));
    }

    /// Somebody connects to a node, and has sent its handshake if it ever does.
    fn dialled(&mut self, node: Node, dial: Dial) {
        let Dial { from, from_key, handshake, transport, .. } = dial;
        let refused = Happening::Refused { key: from_key };
        match self.nodes[node].behaviour {
            Behaviour::Unreachable => return self.later(self.latency, from, refused),
            // The connection opens, so that the caller waits until its timeout.
            Behaviour::NeverGreets => {
                return self.later(PATIENCE, from, Happening::TimedOut { key: from_key });
            }
            _ => {}
        }
        let caller = self.nodes[from].address;
        // The engine may be paused, have no place, or not admit this address.
        let Some(key) = self.accept(node, caller) else {
            return self.later(self.latency, from, refused);
        };
        // Neither node gets a handshake, so that both give up.
        if self.nodes[from].behaviour == Behaviour::NeverGreets {
            self.later(PATIENCE, node, Happening::TimedOut { key });
            return self.later(PATIENCE, from, Happening::TimedOut { key: from_key });
        }
        self.nodes[node].links.insert(key, Link { to: from, their_key: Some(from_key) });
        let handshake_of_node = self.handshake(node);
        let answered = Happening::Answered {
            key: from_key,
            by: node,
            their_key: key,
            handshake: handshake_of_node,
            transport,
        };
        self.later(self.latency, from, answered);
        self.input(node, Input::HandshakeCompleted { peer: key, transport, handshake });
    }

    fn block(&mut self, node: Node, key: PeerKey, block: BlockInfo, quality: Quality) {
        // The connection was closed while the block was under way.
        if !self.nodes[node].links.contains_key(&key) {
            return;
        }
        let (now, index) = (self.now, block.piece().get());
        let header = PieceHeader { index, begin: block.begin(), length: block.length() };
        let cause = Cause::Message(PieceHeader::FRAME_LENGTH);
        let verdict = self.engine(node, cause, |swarm| swarm.handle_block(now, key, header));
        self.store(node, verdict, quality);
    }

    /// Does with a block that came what the engine says.
    pub(super) fn store(&mut self, node: Node, verdict: BlockVerdict, quality: Quality) {
        let (stored, verify) = match verdict {
            BlockVerdict::Store(block) => (Some(block), None),
            BlockVerdict::StoreLast { block, digests } => (Some(block), Some(digests)),
            BlockVerdict::Discard => (None, None),
        };
        if let Some(block) = stored {
            self.nodes[node].received.insert(block, quality);
            let bytes = u64::from(block.length());
            self.later(WRITING, node, Happening::Written { bytes });
        }
        if let Some((block, digests)) = stored.zip(verify) {
            let piece = block.piece();
            self.later(HASHING, node, Happening::Verdict { piece, digests });
        }
        self.settle(node);
    }

    fn verdict(&mut self, node: Node, piece: PieceIndex, digests: bool) {
        let simulated = &mut self.nodes[node];
        let geometry = simulated.geometry.clone();
        let qualities: Vec<_> = geometry
            .blocks(piece)
            .map(|block| *simulated.received.get(&block).expect("every block came before"))
            .collect();
        let is_right = qualities.iter().all(|quality| *quality == Quality::Right);
        let digest = |quality: &Quality| -> BlockDigest {
            match quality {
                Quality::Right => BlockDigest::from_bytes([0; 20]),
                Quality::Wrong(by) => BlockDigest::from_bytes([*by; 20]),
            }
        };
        let all: Vec<BlockDigest> = qualities.iter().map(digest).collect();
        let input = if is_right {
            Input::PieceVerified { piece, digests: if digests { all } else { Vec::new() } }
        } else {
            for block in geometry.blocks(piece) {
                // A failed piece is requested again, perhaps from others.
                simulated.received.remove(&block);
            }
            Input::PieceFailed { piece, digests: all }
        };
        self.input(node, input);
    }
}
