//! Recordings without what their users may not want to give away.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use thiserror::Error;
use tinytorrent_wire::Message;

use super::Call;
use super::code::{Code, Reader, Writer};
use super::disguise::Disguise;
use super::head;
use super::primitives::nanos_between;
use super::recording::Entry;
use super::replay::{Parting, Replay, ReplayError};
use crate::config::{Sha1, SwarmConfig};
use crate::{Action, Event, Swarm};

/// The result of masking a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Masked {
    /// Calls in the recording.
    pub calls: u64,
    /// The first call at which the engine does something else under the mask; `None` if it does the same to the end. What
    /// follows can be replayed all the same, but is another story.
    pub parts_at: Option<u64>,
}

/// The error of a recording that cannot be masked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The recording cannot be read or replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The engine parts from the recording: under a mask, nobody could find out why.
    #[error("the engine differs from the recording in call {}: only what replays equal can be masked", .0.entry.number)]
    Parted(Box<Parting>),
    /// The masked recording cannot be written.
    #[error("masked recording cannot be written: {0}")]
    Write(io::Error),
}

/// Writes a recording with other addresses, peer ids, info-hashes, URLs and texts of errors, and without info
/// dictionaries and hashes of the content. The engine is led through it, and its answers are written, so that the result
/// replays equal.
///
/// The same value is masked alike everywhere. Addresses of the internet keep their port and whether others are in the
/// same network or the same host; local ones stay. Peer ids keep the name of their program, URLs their protocol and
/// port. Pieces, sizes, times and rates are the real ones.
///
/// The order in which peers are tried (BEP 40) and sets of pieces that may always be requested (BEP 6) follow from
/// addresses and the info-hash. So a masked engine may do something else from some call on, which the result tells.
///
/// The recording is read twice: `open` opens it. `start` is any instant, and `sha1` as for [`Replay::new`].
///
/// # Errors
/// The recording cannot be read, does not replay equal, or the result cannot be written.
pub fn mask<R: Read>(
    start: Instant,
    mut open: impl FnMut() -> io::Result<R>,
    sha1: &[Sha1],
    mut out: impl Write,
) -> Result<Masked, MaskError> {
    let mut opened = || -> Result<Replay<R>, ReplayError> {
        Replay::new(start, open().map_err(super::RecordingError::Io)?, sha1)
    };
    // Proven equal first, and looked through for addresses, as a list of those to avoid may come before them.
    let mut real = opened()?;
    let mut disguise = Disguise::new(real.config());
    while let Some(step) = real.step()? {
        disguise.call(step.entry.call.clone());
        if step.differs() {
            return Err(MaskError::Parted(Box::new(real.parting(step))));
        }
    }
    let real = opened()?;
    let masked = Masking::new(start, disguise, real);
    masked.run(&mut out).and_then(|masked| {
        out.flush().map_err(MaskError::Write)?;
        Ok(masked)
    })
}

/// The second reading.
struct Masking<R> {
    start: Instant,
    disguise: Disguise,
    real: Replay<R>,
    config: SwarmConfig,
    /// The engine that is told of the masked values.
    swarm: Swarm,
    last: Instant,
    masked: Masked,
}

impl<R: Read> Masking<R> {
    fn new(start: Instant, mut disguise: Disguise, real: Replay<R>) -> Self {
        let config = disguise.config(real.config().clone());
        let swarm = Swarm::new(start, config.clone());
        let masked = Masked { calls: 0, parts_at: None };
        Self { start, disguise, real, config, swarm, last: start, masked }
    }

    fn run(mut self, out: &mut impl Write) -> Result<Masked, MaskError> {
        let mut bytes = head::MAGIC.to_vec();
        let mut entry = Writer::new(self.start);
        head::encode(&self.config, true, &mut entry);
        head::append(&mut bytes, &mut entry.bytes);
        while let Some(real) = self.real.read()? {
            out.write_all(&bytes).map_err(MaskError::Write)?;
            bytes.clear();
            self.write(real, &mut entry);
            head::append(&mut bytes, &mut entry.bytes);
        }
        out.write_all(&bytes).map_err(MaskError::Write)?;
        Ok(self.masked)
    }

    /// Makes a call under the mask, and writes it with its answer.
    fn write(&mut self, real: Entry, out: &mut Writer) {
        let tag = real.call.tag();
        let call = self.disguise.call(real.call);
        out.bytes.push(tag);
        if Call::is_timed(tag) {
            out.signed(nanos_between(self.last, real.now));
            self.last = real.now;
        }
        call.encode(out);
        let mut answer = Writer::new(self.start);
        call.make(&mut self.swarm, real.now, &mut answer);
        out.bytes.extend_from_slice(&answer.bytes);
        self.masked.calls += 1;
        // The program that was recorded may have ended in the call.
        if real.answer.is_empty() || self.masked.parts_at.is_some() {
            return;
        }
        let expected = self.shape(tag, &real.answer, true);
        if expected != self.shape(tag, &answer.bytes, false) {
            self.masked.parts_at = Some(real.number);
        }
    }

    /// The parts of an answer that a mask does not change, and masked addresses.
    fn shape(&mut self, tag: u8, answer: &[u8], is_real: bool) -> Option<Vec<u8>> {
        let mut input = Reader::new(answer, self.start, self.real.recording.geometry().cloned());
        let mut out = Writer::new(self.start);
        let masked = |address| match is_real {
            true => self.disguise.addresses.socket(address),
            false => address,
        };
        if tag == Call::PollAction.tag() {
            if let Some(action) = Option::decode(&mut input).ok()? {
                shape_of_action(action, masked, &mut out);
            }
        } else if tag == Call::PollEvent.tag() {
            if let Some(event) = Option::decode(&mut input).ok()? {
                shape_of_event(event, masked, &mut out);
            }
        } else if tag != (Call::Peers {}).tag() {
            // Views of peers have addresses; all other answers are keys and numbers.
            out.bytes.extend_from_slice(answer);
        }
        Some(out.bytes)
    }
}

fn shape_of_action(
    action: Action,
    masked: impl FnOnce(SocketAddr) -> SocketAddr,
    out: &mut Writer,
) {
    match action {
        Action::Connect { peer, address, route, .. } => {
            (0_u8, (peer, (masked(address), route))).encode(out);
        }
        Action::Send { peer, message } => {
            (1_u8, (peer, message.name())).encode(out);
            // They say more than a mask leaves, or follow from what it changes.
            let is_free = matches!(
                message,
                Message::Extended(_)
                    | Message::AllowedFast(_)
                    | Message::Hashes(_)
                    | Message::HashRequest(_)
                    | Message::HashReject(_)
            );
            if !is_free {
                Code::encode(&message, out);
            }
        }
        Action::CheckMetadata { info } => (2_u8, info.len()).encode(out),
        Action::CheckHashes { peer, .. } | Action::ReadHashes { peer, .. } => {
            (3_u8, peer).encode(out);
        }
        Action::Announce(task) => (4_u8, (task.id, task.request.event)).encode(out),
        Action::LookUp(task) => (5_u8, (task.announce, task.is_seed)).encode(out),
        Action::Scrape(task) => (6_u8, task.id).encode(out),
        same @ (Action::ServeBlock { .. }
        | Action::VerifyPiece { .. }
        | Action::Fetch(_)
        | Action::GrantFetch { .. }
        | Action::CancelFetch { .. }
        | Action::DoubtFiles { .. }
        | Action::Disconnect { .. }) => (7_u8, same).encode(out),
    }
}

fn shape_of_event(event: Event, masked: impl FnOnce(SocketAddr) -> SocketAddr, out: &mut Writer) {
    match event {
        Event::PeerJoined { peer, address, .. } => (0_u8, (peer, masked(address))).encode(out),
        Event::PeerLeft { peer, address, reason } => {
            (1_u8, (peer, (masked(address), reason))).encode(out);
        }
        Event::PeerBanned { address, piece } => (2_u8, (masked(address), piece)).encode(out),
        Event::OwnAddressAgreed { .. } => 3_u8.encode(out),
        Event::TrackerAnswered { peers, .. } => (4_u8, peers).encode(out),
        Event::TrackerFailed { .. } => 5_u8.encode(out),
        Event::TrackerScraped { .. } => 6_u8.encode(out),
        Event::ScrapeFailed { .. } => 7_u8.encode(out),
        Event::DhtNodeFound { address } => (8_u8, masked(address)).encode(out),
        Event::Paused { error } => (9_u8, error.kind).encode(out),
        same @ (Event::MetadataProgress { .. }
        | Event::MetadataTooLarge { .. }
        | Event::PieceFailed { .. }
        | Event::PieceCompleted { .. }
        | Event::Finished
        | Event::Unfinished
        | Event::PieceLost { .. }) => (10_u8, same).encode(out),
    }
}
