//! The encoding of what the engine and its driver tell each other.

use tinytorrent_types::Bitfield;

use super::code::{Code, Malformed, Reader, Writer, code};
use crate::config::{DhtPorts, SwarmConfig};
use crate::{
    Action, AnnounceOutcome, AnnounceTask, BlockVerdict, ChokeReason, ConnectionError, Content,
    DiskError, Event, FetchKey, FetchOutcome, FetchTask, Input, LeaveReason, LookUpTask, PeerFlow,
    PeerKey, PeerSource, PeerView, ReaderKey, Route, ScrapeOutcome, ScrapeTask, Stats, Transport,
    Transports, WebSeedKey, WebSeedState, WebSeedView,
};

code! {
    enum Input {
        0 PeersFound { source, addresses },
        1 ConnectFailed { peer, error },
        2 HandshakeCompleted { peer, transport, handshake },
        3 MessageReceived { peer, message },
        4 ConnectionClosed { peer, error },
        5 BlockServed { peer, block, sent },
        6 BlocksWritten { bytes },
        7 PieceVerified { piece, digests },
        8 PieceFailed { piece, digests },
        9 DiskFailed { piece, error },
        10 PieceLost { piece },
        11 MetadataRefused,
        12 HashesNeeded(requests),
        13 HashesChecked { peer, request, is_right },
        14 HashesRead { peer, request, hashes },
        15 ContentReady(content),
        16 FetchEnded { fetch, outcome },
        17 WebSeedLacks { seed, pieces },
        18 Announced(outcome),
        19 Scraped(outcome),
    }
    enum PeerSource {
        0 User, 1 Tracker, 2 LocalTracker, 3 Exchange, 4 Dht, 5 LocalDht, 6 Lsd, 7 Magnet, 8 Incoming,
    }
    enum FetchOutcome {
        0 Complete, 1 Missing { pieces }, 2 NoRanges, 3 Busy { pause }, 4 Failed, 5 Forbidden,
    }
    enum Action {
        0 Connect { peer, address, route, info_hash },
        1 Send { peer, message },
        2 ServeBlock { peer, block },
        3 VerifyPiece { piece, digests },
        4 CheckMetadata { info },
        5 CheckHashes { peer, hashes },
        6 ReadHashes { peer, request },
        7 Announce(task),
        8 LookUp(task),
        9 Scrape(task),
        10 Fetch(task),
        11 GrantFetch { fetch, blocks },
        12 CancelFetch { fetch },
        13 DoubtFiles { seed, piece },
        14 Disconnect { peer, reason },
    }
    enum BlockVerdict { 0 Discard, 1 Store(block), 2 StoreLast { block, digests } }
    enum Event {
        0 PeerJoined { peer, address, id },
        1 PeerLeft { peer, address, reason },
        2 PeerBanned { address, piece },
        3 MetadataProgress { bytes, total },
        4 MetadataTooLarge { bytes, limit },
        5 PieceFailed { piece },
        6 PieceCompleted { piece },
        7 Finished,
        8 Unfinished,
        9 OwnAddressAgreed { ip },
        10 TrackerAnswered { url, peers },
        11 TrackerFailed { url, failure },
        12 TrackerScraped { url },
        13 ScrapeFailed { url, failure },
        14 DhtNodeFound { address },
        15 PieceLost { piece },
        16 Paused { error },
    }
    enum LeaveReason {
        0 ConnectFailed(error),
        1 Closed(error),
        2 Violation(violation),
        3 WrongTorrent,
        4 Banned,
        5 Blocked,
        6 Idle,
        7 OurselvesFound,
        8 Duplicate,
        9 Useless,
        10 Crowded,
        11 GaveNothing,
        12 NotOfTracker,
        13 TrackerChanged,
        14 Checking,
        15 Stopped,
    }
    enum ConnectionError {
        0 Io(kind),
        1 Closed,
        2 TimedOut,
        3 Handshake(error),
        4 WrongTorrent,
        5 Encryption,
        6 Framing(error),
        7 Unread,
        8 Abandoned,
    }
    enum Transport { 0 Tcp, 1 Utp }
    enum Transports { 0 Tcp, 1 Utp, 2 Both }
    enum Route { 0 Either, 1 First(transport), 2 Only(transport) }
    enum ChokeReason { 0 NotInterested, 1 UnusedTurn, 2 Snubs, 3 NoSlot }
    enum WebSeedState { 0 Idle, 1 Fetching, 2 Resting(until), 3 Useless }
}

code! {
    struct DiskError { kind, message }
    struct AnnounceTask { id, url, request }
    struct AnnounceOutcome { id, result }
    struct ScrapeTask { id, url }
    struct ScrapeOutcome { id, result }
    struct LookUpTask { hash, announce, is_seed }
    struct FetchTask { key, blocks, takes_whole_files }
    struct FetchKey { seed, number }
    struct PeerView {
        key, address, listens_at, is_incoming, transport, source, id, client, connected, pieces,
        is_seed, flow, downloaded, uploaded, download_rate, upload_rate,
    }
    struct PeerFlow {
        we_are_interested, peer_chokes, peer_is_snubbing, our_requests, peer_is_interested,
        we_choke, peer_requests,
    }
    struct WebSeedView { key, state, downloaded, bytes_per_second, failures }
    struct Stats {
        downloaded, uploaded, wasted, download_rate, upload_rate, peers, seeds, known_peers,
        hash_failures, have_bytes, left, wanted_left,
    }
    struct DhtPorts { v4, v6 }
    // Of the function a recording has a sample instead.
    struct SwarmConfig {
        info_hashes, peer_id, seed, listen_port, own_addresses, trackers, transports, max_peers,
        max_connecting, upload_slots, store_budget, max_requests, download_limit, upload_limit,
        sequential, super_seeding, needs_metadata, exchange, tracker_exchange, local_peers,
        refuses_bogons, max_metadata, metadata_memory, client, dht, dht_ports,
    } without { sha1 }
}

impl Code for PeerKey {
    fn encode(&self, out: &mut Writer) {
        let bits = self.to_bits();
        // Both are small.
        (bits >> 32, bits & 0xffff_ffff).encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (slot, generation) = <(u32, u32)>::decode(input)?;
        Ok(Self::from_bits(u64::from(slot) << 32 | u64::from(generation)))
    }
}

impl Code for WebSeedKey {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::decode(input).map(Self)
    }
}

impl Code for ReaderKey {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        u64::decode(input).map(Self)
    }
}

/// The geometry comes first: the rest cannot be read without it.
impl Code for Content {
    fn encode(&self, out: &mut Writer) {
        let Self { geometry, have, wanted, partial, info, is_private } = self;
        geometry.encode(out);
        have.encode(out);
        wanted.encode(out);
        partial.encode(out);
        info.encode(out);
        is_private.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("sets of all pieces");
        let geometry = Code::decode(input)?;
        let (have, wanted) = <(Bitfield, Bitfield)>::decode(input)?;
        let (partial, info, is_private) =
            (Code::decode(input)?, Code::decode(input)?, Code::decode(input)?);
        let content = Self { geometry, have, wanted, partial, info, is_private };
        let count = content.geometry.piece_count();
        let is_whole =
            [&content.have, &content.wanted].iter().all(|set| set.piece_count() == count);
        if is_whole { Ok(content) } else { Err(error) }
    }
}
