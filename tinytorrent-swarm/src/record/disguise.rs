//! Masks of the values in a recording: the same value is masked alike everywhere.

use std::sync::Arc;

use bytes::Bytes;
use tinytorrent_tracker::{Failure, TrackerUrl};
use tinytorrent_types::{InfoHashV1, InfoHashV2, InfoHashes, IpRanges, PeerId, WireInfoHash};
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, Holepunch, MetadataMessage, OurExtensions,
    PexMessage, TexMessage, TheirExtensionId, TheirExtensions,
};
use tinytorrent_wire::{Extended, HashRequest, Hashes, Message};

use super::Call;
use super::addresses::Addresses;
use super::numbers::Numbers;
use crate::config::SwarmConfig;
use crate::extensions::Extensions;
use crate::{AnnounceOutcome, Content, Input, ScrapeOutcome};

/// A mask over the values of one recording.
pub(super) struct Disguise {
    /// The numbers under which peers send us messages.
    ours: OurExtensions,
    real: InfoHashes,
    pub(super) addresses: Addresses,
    ids: Numbers<PeerId>,
    hashes: Numbers<Vec<u8>>,
    texts: Numbers<String>,
}

/// The text in place of others.
const MASKED: &str = "masked";

impl Disguise {
    /// `config` is the real one.
    pub(super) fn new(config: &SwarmConfig) -> Self {
        let mut disguise = Self {
            ours: Extensions::new(config).ours,
            real: config.info_hashes,
            addresses: Addresses::default(),
            ids: Numbers::default(),
            hashes: Numbers::default(),
            texts: Numbers::default(),
        };
        // So that all addresses are known in the second reading.
        disguise.config(config.clone());
        disguise
    }

    pub(super) fn config(&mut self, mut config: SwarmConfig) -> SwarmConfig {
        config.info_hashes = self.info_hashes();
        config.peer_id = self.id(config.peer_id);
        for address in &mut config.own_addresses {
            *address = self.addresses.socket(*address);
        }
        self.tiers(&mut config.trackers);
        for url in config.tracker_exchange.iter_mut().flatten() {
            *url = self.url(url);
        }
        config
    }

    pub(super) fn call(&mut self, mut call: Call) -> Call {
        match &mut call {
            Call::HandleInput { input } => self.input(input),
            Call::Accept { address } => *address = self.addresses.socket(*address),
            Call::AddTrackers { tiers } | Call::SetTrackers { tiers } => self.tiers(tiers),
            Call::SetBlocked { ranges } => *ranges = self.ranges(ranges.take()),
            _ => {}
        }
        call
    }

    fn input(&mut self, input: &mut Input) {
        match input {
            Input::PeersFound { addresses, .. } => {
                addresses.iter_mut().for_each(|one| *one = self.addresses.socket(*one));
            }
            Input::HandshakeCompleted { handshake, .. } => {
                handshake.info_hash = self.wire_hash(handshake.info_hash);
                handshake.peer_id = self.id(handshake.peer_id);
            }
            Input::MessageReceived { message, .. } => self.message(message),
            Input::PieceVerified { digests, .. } | Input::PieceFailed { digests, .. } => {
                for digest in digests {
                    *digest =
                        tinytorrent_types::BlockDigest::from_bytes(self.hash(digest.as_bytes()));
                }
            }
            Input::DiskFailed { error, .. } => MASKED.clone_into(&mut error.message),
            Input::HashesNeeded(requests) => {
                requests.iter_mut().for_each(|request| self.hash_request(request));
            }
            Input::HashesChecked { request, .. } => self.hash_request(request),
            Input::HashesRead { request, hashes, .. } => {
                self.hash_request(request);
                if let Some(hashes) = hashes {
                    *hashes = zeros(hashes.len());
                }
            }
            Input::ContentReady(Content { info, .. }) => *info = zeros(info.len()),
            Input::Announced(outcome) => self.announced(outcome),
            Input::Scraped(outcome) => self.scraped(outcome),
            Input::ConnectFailed { .. }
            | Input::ConnectionClosed { .. }
            | Input::BlockServed { .. }
            | Input::BlocksWritten { .. }
            | Input::PieceLost { .. }
            | Input::MetadataRefused
            | Input::FetchEnded { .. }
            | Input::WebSeedLacks { .. } => {}
        }
    }

    fn announced(&mut self, outcome: &mut AnnounceOutcome) {
        match &mut outcome.result {
            Ok(response) => {
                for peer in &mut response.peers {
                    peer.address = self.addresses.socket(peer.address);
                    peer.id = peer.id.map(|id| self.id(id));
                }
                response.external_ip = response.external_ip.map(|ip| self.addresses.ip(ip));
                response.reached_at = response.reached_at.map(|ip| self.addresses.ip(ip));
                if let Some(id) = &mut response.tracker_id {
                    *id = self.hashes.of(id.clone()).to_be_bytes().to_vec();
                }
                if let Some(warning) = &mut response.warning {
                    MASKED.clone_into(warning);
                }
            }
            Err(failure) => mask_failure(failure),
        }
    }

    fn scraped(&mut self, outcome: &mut ScrapeOutcome) {
        match &mut outcome.result {
            Ok(response) => {
                for (hash, _) in &mut response.files {
                    *hash = self.wire_hash(*hash);
                }
            }
            Err(failure) => mask_failure(failure),
        }
    }

    fn message(&mut self, message: &mut Message) {
        match message {
            Message::Extended(extended) => *extended = self.extended(extended),
            Message::HashRequest(request) | Message::HashReject(request) => {
                self.hash_request(request);
            }
            Message::Hashes(hashes) => {
                let Hashes { request, hashes } = &mut **hashes;
                self.hash_request(request);
                *hashes = zeros(hashes.len());
            }
            // Nobody knows what it says.
            Message::Unknown { payload, .. } => *payload = zeros(payload.len()),
            Message::KeepAlive
            | Message::Choke
            | Message::Unchoke
            | Message::Interested
            | Message::NotInterested
            | Message::Have(_)
            | Message::Bitfield(_)
            | Message::Request(_)
            | Message::Piece(_)
            | Message::Cancel(_)
            | Message::Port(_)
            | Message::Suggest(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::Reject(_)
            | Message::AllowedFast(_) => {}
        }
    }

    /// A message of an extension under the same number. One that cannot be read stays unreadable, and has no content.
    fn extended(&mut self, extended: &Extended) -> Extended {
        let id = extended.id;
        let payload = match self.ours.read(extended) {
            Ok(ExtensionMessage::Handshake(handshake)) => self.handshake(*handshake),
            Ok(ExtensionMessage::Metadata(mut message)) => {
                if let MetadataMessage::Data { data, .. } = &mut message {
                    *data = zeros(data.len());
                }
                any_peer().map(|to| message.to_message(to).payload)
            }
            Ok(ExtensionMessage::PeerExchange(message)) => {
                let message = self.exchange(message);
                any_peer().map(|to| message.to_message(to).payload)
            }
            Ok(ExtensionMessage::TrackerExchange(message)) => {
                let added = message.added.iter().map(|url| self.url(url)).collect();
                any_peer().map(|to| TexMessage { added }.to_message(to).payload)
            }
            Ok(ExtensionMessage::Holepunch(message)) => {
                let message = self.holepunch(message);
                any_peer().map(|to| ExtensionMessage::holepunch(to, message).payload)
            }
            // Proofs between engines, of nothing that a user knows.
            Ok(
                ExtensionMessage::DontHave(_)
                | ExtensionMessage::UploadOnly(_)
                | ExtensionMessage::Other(..),
            ) => Some(extended.payload.clone()),
            Ok(ExtensionMessage::NotOurs { .. }) | Err(_) => None,
        };
        Extended { id, payload: payload.unwrap_or_default() }
    }

    /// The extended handshake of a peer, without keys that only others understand.
    fn handshake(&mut self, mut handshake: ExtendedHandshake) -> Option<Bytes> {
        handshake.your_ip = handshake.your_ip.map(|ip| self.addresses.ip(ip));
        // Whatever the family, an address of it stays one.
        handshake.ipv4 = handshake.ipv4.map(|ip| self.addresses.v4(ip));
        handshake.ipv6 = handshake.ipv6.map(|ip| self.addresses.v6(ip));
        handshake.tracker_list = handshake.tracker_list.map(|hash| self.hash(&hash));
        handshake.unknown.clear();
        Some(handshake.to_message().payload)
    }

    fn exchange(&mut self, mut message: PexMessage) -> PexMessage {
        for peer in &mut message.added {
            peer.address = self.addresses.socket(peer.address);
        }
        for address in &mut message.dropped {
            *address = self.addresses.socket(*address);
        }
        message
    }

    fn holepunch(&mut self, message: Holepunch) -> Holepunch {
        match message {
            Holepunch::Rendezvous(address) => Holepunch::Rendezvous(self.addresses.socket(address)),
            Holepunch::Connect(address) => Holepunch::Connect(self.addresses.socket(address)),
            Holepunch::Error { target, reason } => {
                Holepunch::Error { target: self.addresses.socket(target), reason }
            }
            unknown @ Holepunch::Unknown(_) => unknown,
        }
    }

    /// The hashes of the torrent under the mask.
    fn info_hashes(&mut self) -> InfoHashes {
        let v1 = self.real.v1().map(|hash| InfoHashV1::from_bytes(self.hash(hash.as_bytes())));
        let v2 = self.real.v2().map(|hash| InfoHashV2::from_bytes(self.hash(hash.as_bytes())));
        InfoHashes::new(v1, v2).unwrap_or(self.real)
    }

    /// A hash that a peer names: one of the torrent, or that of another one.
    fn wire_hash(&mut self, hash: WireInfoHash) -> WireInfoHash {
        let masked = self.info_hashes();
        match (self.real.v1(), self.real.v2(), masked.v1(), masked.v2()) {
            (Some(v1), _, Some(masked), _) if v1.to_wire() == hash => masked.to_wire(),
            (_, Some(v2), _, Some(masked)) if v2.to_wire() == hash => masked.to_wire(),
            _ => WireInfoHash::from_bytes(self.hash(hash.as_bytes())),
        }
    }

    fn hash_request(&mut self, request: &mut HashRequest) {
        request.pieces_root = self.hash(&request.pieces_root);
    }

    /// A number in place of a hash.
    fn hash<const N: usize>(&mut self, hash: &[u8; N]) -> [u8; N] {
        // In front, as the beginning of a hash stands for it on the wire (BEP 52).
        let mut masked = [0; N];
        for (to, from) in masked.iter_mut().zip(self.hashes.of(hash.to_vec()).to_be_bytes()) {
            *to = from;
        }
        masked
    }

    /// An id of the same program.
    fn id(&mut self, id: PeerId) -> PeerId {
        let number = self.ids.of(id);
        let mut masked = *id.as_bytes();
        // The name and version of the program, by custom (BEP 20).
        let (_, rest) = masked.split_at_mut(8);
        rest.copy_from_slice(format!("{number:012}").as_bytes());
        PeerId::from_bytes(masked)
    }

    fn tiers(&mut self, tiers: &mut [Vec<String>]) {
        for url in tiers.iter_mut().flatten() {
            *url = self.url(url);
        }
    }

    /// A URL of the same protocol and port; what is none stays none.
    fn url(&mut self, text: &str) -> String {
        let number = self.texts.of(text.to_owned());
        match text.parse::<TrackerUrl>() {
            Ok(url) => {
                let (scheme, port) = (url.scheme().as_str(), url.port());
                // Other paths cannot be scraped (BEP 48).
                let path = if url.to_scrape().is_some() { "announce" } else { "other" };
                format!("{scheme}://tracker-{number}.invalid:{port}/{path}")
            }
            Err(_) => format!("{MASKED} {number}"),
        }
    }

    /// The addresses to avoid, of those in the recording. The others decide nothing.
    fn ranges(&mut self, ranges: Option<Arc<IpRanges>>) -> Option<Arc<IpRanges>> {
        let ranges = ranges?;
        let mut masked = IpRanges::builder();
        for (_, address) in self.addresses.known().filter(|(real, _)| ranges.contains(*real)) {
            // Both ends are of one family.
            let _ = masked.add(address, address);
        }
        Some(Arc::new(masked.build()))
    }
}

fn mask_failure(failure: &mut Failure) {
    match failure {
        Failure::Refused(refusal) => MASKED.clone_into(&mut refusal.reason),
        other => *other = Failure::Failed(MASKED.to_owned()),
    }
}

fn zeros(count: usize) -> Bytes {
    Bytes::from(vec![0; count])
}

/// The number of any peer for any extension: messages are made for one, and the number is replaced.
fn any_peer() -> Option<TheirExtensionId> {
    let mut theirs = TheirExtensions::default();
    theirs.update(&ExtendedHandshake::new(&OurExtensions::new([Extension::Metadata])));
    theirs.id(Extension::Metadata)
}
