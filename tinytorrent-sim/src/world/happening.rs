//! The happenings of a world, and what nodes make of them.

use std::time::Duration;

use bytes::Bytes;
use tinytorrent_swarm::{
    AnnounceTask, BlockVerdict, ConnectionError, FetchKey, Input, LookUpTask, PeerKey, Transport,
};
use tinytorrent_types::{BlockInfo, PieceIndex};
use tinytorrent_wire::{Handshake, Hashes, Message, PieceHeader};

use super::nat::Dial;
use super::{Cause, Node, Seen, World};
use crate::node::Link;
use crate::{Behaviour, Quality};

#[derive(Debug)]
pub(super) enum Happening {
    Dialled(Dial),
    Answered {
        key: PeerKey,
        by: Node,
        their_key: PeerKey,
        their_life: u32,
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
    /// Its driver gives up a peer that does not read.
    Unreadable {
        key: PeerKey,
    },
    /// No handshake came in time.
    TimedOut {
        key: PeerKey,
    },
    /// A piece was hashed, or the disk has failed since.
    Verdict {
        piece: PieceIndex,
        digests: bool,
        failures: u32,
    },
    /// A block was written, or the disk has failed since.
    Written {
        block: BlockInfo,
        failures: u32,
    },
    /// A block could not be read.
    Unread {
        key: PeerKey,
        block: BlockInfo,
    },
    /// Its user resumes it.
    Resumes,
    /// It writes a record of its content.
    Keeps,
    /// It comes back after a crash.
    ComesBack {
        spoils: bool,
    },
    Metadata {
        info: Bytes,
    },
    /// Hashes of a peer were looked at.
    Hashes {
        peer: PeerKey,
        hashes: Hashes,
    },
    Tracker(AnnounceTask),
    LooksUp(LookUpTask),
}

/// The failure of a connection to a node that takes none.
const REFUSED: ConnectionError = ConnectionError::Io(std::io::ErrorKind::ConnectionRefused);

/// Time that a driver waits for a peer to read.
const UNREAD: Duration = Duration::from_secs(60);

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
            Happening::Answered { key, by, their_key, their_life, handshake, transport } => {
                if self.answered(node, key, by, their_key, their_life) {
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
                if let Some(link) = self.closed(node, key) {
                    self.hang_up(node, link);
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
            Happening::Unreadable { key } => self.gives_up(node, key),
            Happening::Verdict { piece, digests, failures } => {
                self.verdict(node, piece, digests, failures);
            }
            Happening::Written { block, failures } => self.written(node, block, failures),
            Happening::Unread { key, block } => {
                self.input(node, Input::BlockServed { peer: key, block, sent: false });
            }
            Happening::Resumes => self.with(node, |swarm, now| swarm.resume(now)),
            Happening::Keeps => self.keeps(node),
            Happening::ComesBack { spoils } => self.comes_back(node, spoils),
            Happening::Metadata { info } => self.checked(node, &info),
            Happening::Hashes { peer, hashes } => self.hashes_checked(node, peer, &hashes),
            Happening::Tracker(task) => self.announced(node, &task),
            Happening::LooksUp(task) => self.look_up(node, task),
        }
    }

    /// The node that it connected to has let it in. Returns false if it has given up meanwhile.
    fn answered(
        &mut self,
        node: Node,
        key: PeerKey,
        by: Node,
        their_key: PeerKey,
        their_life: u32,
    ) -> bool {
        let link = self.nodes[node].links.get_mut(&key);
        let is_there = link.is_some();
        if let Some(link) = link {
            (link.their_key, link.their_life) = (Some(their_key), their_life);
        } else if self.nodes[by].life == their_life {
            self.later(self.latency, by, Happening::Closed { key: their_key });
        }
        is_there
    }

    /// The caller of a node that is not there is told so.
    pub(super) fn refuse(&mut self, dial: Dial) {
        if self.nodes[dial.from].life == dial.from_life {
            self.later(self.latency, dial.from, Happening::Refused { key: dial.from_key });
        }
    }

    fn came_to_nothing(&mut self, node: Node, key: PeerKey, error: ConnectionError) {
        self.nodes[node].links.remove(&key);
        self.nodes[node].strangers.remove(&key);
        self.input(node, Input::ConnectFailed { peer: key, error });
    }

    /// A connection is gone. Gives its link if it was there.
    pub(super) fn closed(&mut self, node: Node, key: PeerKey) -> Option<Link> {
        let link = self.nodes[node].links.remove(&key)?;
        let error = ConnectionError::Closed;
        self.input(node, Input::ConnectionClosed { peer: key, error });
        Some(link)
    }

    /// The driver closes a connection over which nothing can be sent.
    fn gives_up(&mut self, node: Node, key: PeerKey) {
        if let Some(link) = self.nodes[node].links.remove(&key) {
            let error = ConnectionError::Unread;
            self.input(node, Input::ConnectionClosed { peer: key, error });
            self.hang_up(node, link);
        }
    }

    /// The uplink is through with a block.
    fn served(&mut self, node: Node, key: PeerKey, block: BlockInfo) {
        self.send_next(node);
        let Some(link) = self.nodes[node].links.get(&key).copied() else { return };
        let quality = self.nodes[node].quality(block);
        if self.nodes[link.to].behaviour == Behaviour::ReadsNothing {
            // Its window is full, and stays so until the driver has had enough.
            return self.later(UNREAD, node, Happening::Unreadable { key });
        }
        if let Some(their_key) = link.their_key {
            self.deliver(node, key, Happening::Block { key: their_key, block, quality });
        }
        self.input(node, Input::BlockServed { peer: key, block, sent: true });
    }

    /// The bytes taken for the info dictionary have been hashed.
    fn checked(&mut self, node: Node, info: &Bytes) {
        if *info == self.nodes[node].info {
            self.has_info(node);
        } else {
            self.input(node, Input::MetadataRefused);
        }
    }

    /// Somebody connects to a node, and has sent its handshake if it ever does.
    fn dialled(&mut self, node: Node, dial: Dial) {
        let Dial { from, from_key, handshake, transport, from_life, .. } = dial;
        // The caller crashed meanwhile.
        if self.nodes[from].life != from_life {
            return;
        }
        let refused = Happening::Refused { key: from_key };
        if self.is_cut_off(node) || self.is_cut_off(from) {
            return self.later(PATIENCE, from, Happening::TimedOut { key: from_key });
        }
        if self.nodes[node].access.is_down {
            return self.later(self.latency, from, refused);
        }
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
        let (their_key, their_life) = (Some(from_key), from_life);
        self.nodes[node].links.insert(key, Link { their_key, their_life, ..Link::to(from) });
        let handshake_of_node = self.handshake(node);
        let answered = Happening::Answered {
            key: from_key,
            by: node,
            their_key: key,
            their_life: self.nodes[node].life,
            handshake: handshake_of_node,
            transport,
        };
        self.deliver(node, key, answered);
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
        self.saw(node, Seen::Block(key, header, verdict));
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
            self.write_later(node, block);
        }
        if let Some((block, digests)) = stored.zip(verify) {
            self.hash_later(node, block.piece(), digests);
        }
        self.settle(node);
    }
}
