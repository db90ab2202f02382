//! Things that happen to members of a world.

use std::io;
use std::time::Duration;

use tinytorrent_types::Bitfield;

use crate::{Node, Recovery, TrackerState, World};

/// An incident, and the time from the world's beginning at which it happens.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its number in the plan as it was drawn.
    pub number: usize,
    /// The time.
    pub at: Duration,
    /// The number of the member to whom it happens.
    pub member: usize,
    /// The incident.
    pub incident: Incident,
}

/// Something that happens to a member, or that its user does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// Nothing gets through for a while, and then all that was sent does.
    CutOff(Duration),
    /// The process is suspended for a while.
    Suspend(Duration),
    /// Its connections break, and both ends know.
    Reset,
    /// Its connections break, and neither end is told.
    Sever,
    /// It crashes, and comes back.
    Crash(Recovery),
    /// Its disk does nothing for a while.
    StallDisk(Duration),
    /// Its disk answers with this failure, until it is mended and the torrent resumed.
    FailDisk(io::ErrorKind, Duration),
    /// Its user pauses it for a while.
    Pause(Duration),
    /// Its user wants every n-th piece only, for a while, and then all.
    Select(u32, Duration),
    /// Its user needs some pieces at once.
    Urgent(u32),
    /// Its user asks the trackers again.
    Reannounce,
    /// Its user chooses other limits, down and up.
    Limit(Option<u64>, Option<u64>),
    /// It leaves for good.
    Leave,
    /// A tracker of the world changes for a while.
    Tracker(usize, TrackerState, Duration),
    /// The nodes of the DHT that are no peers say nothing for a while.
    SilenceDht(Duration),
}

impl Incident {
    /// The time after which it is over.
    pub fn lasts(&self) -> Duration {
        match self {
            Self::CutOff(time)
            | Self::Suspend(time)
            | Self::StallDisk(time)
            | Self::FailDisk(_, time)
            | Self::Pause(time)
            | Self::Select(_, time)
            | Self::Tracker(_, _, time)
            | Self::SilenceDht(time) => *time,
            Self::Crash(recovery) => recovery.down,
            _ => Duration::ZERO,
        }
    }

    /// Begins to happen to a node.
    pub(super) fn begin(&self, world: &mut World, node: Node) {
        match *self {
            Self::CutOff(time) => world.cut_off(node, time),
            Self::Suspend(time) => world.suspend(node, time),
            Self::Reset => world.reset_links(node),
            Self::Sever => world.sever_links(node),
            Self::Crash(recovery) => world.crash(node, recovery),
            Self::StallDisk(time) => world.stall_disk(node, time),
            Self::FailDisk(kind, _) => world.fail_disk(node, kind),
            Self::Pause(_) => world.with(node, |swarm, now| swarm.pause(now)),
            Self::Select(every, _) => {
                let geometry = &world.nodes[node].geometry;
                let mut wanted = Bitfield::new(geometry.piece_count());
                let chosen = geometry.pieces().filter(|piece| piece.get().is_multiple_of(every));
                chosen.for_each(|piece| _ = wanted.insert(piece));
                // Does nothing as long as the content is not known.
                world.with(node, |swarm, now| swarm.set_wanted(now, wanted));
            }
            Self::Urgent(first) => world.with(node, |swarm, now| {
                if let Some(count) = swarm.have().map(Bitfield::piece_count) {
                    swarm.set_urgent(now, (first % count)..(first % count + 2).min(count));
                }
            }),
            Self::Reannounce => world.with(node, |swarm, now| swarm.reannounce(now)),
            Self::Limit(down, up) => world.with(node, |swarm, now| {
                swarm.set_download_limit(now, down);
                swarm.set_upload_limit(now, up);
            }),
            Self::Leave => world.with(node, |swarm, now| swarm.stop(now)),
            Self::Tracker(number, ref state, _) => {
                set_tracker(world, number, state.clone());
            }
            Self::SilenceDht(_) => world.silence_dht(true),
        }
    }

    /// Is over, if it lasts.
    pub(super) fn end(&self, world: &mut World, node: Node) {
        match *self {
            Self::FailDisk(..) => {
                world.mend_disk(node);
                world.with(node, |swarm, now| swarm.resume(now));
            }
            Self::Pause(_) => world.with(node, |swarm, now| swarm.resume(now)),
            Self::Select(..) => {
                let all = Bitfield::full(world.nodes[node].geometry.piece_count());
                world.with(node, |swarm, now| swarm.set_wanted(now, all));
            }
            Self::Tracker(number, ..) => set_tracker(world, number, TrackerState::Up),
            Self::SilenceDht(_) => world.silence_dht(false),
            _ => {}
        }
    }
}

/// The URL of a tracker of a plan.
pub(super) fn url_of(tracker: usize) -> String {
    format!("udp://tracker{tracker}.example:80/announce")
}

fn set_tracker(world: &mut World, number: usize, state: TrackerState) {
    if let Some(tracker) = world.trackers.get_mut(&url_of(number)) {
        tracker.state = state;
    }
}
