use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::Metainfo;
use tinytorrent_storage::Moved;
use tinytorrent_swarm::Input;
use tinytorrent_types::Bitfield;

use super::job::Job;
use crate::{Event, PeerAddress};

/// A step of the driver in a change of stage.
pub(super) enum Step {
    /// Passes an input to the engine.
    Input(Input),
    /// Runs a job on a thread.
    Job(Job),
    /// Tells the engine that the torrent is private.
    BecomePrivate,
    /// Adds the peers of the magnet link.
    AddLinkPeers(Vec<PeerAddress>),
    /// Sets the pieces of low and of high priority.
    SetPriorities { low: Bitfield, high: Bitfield },
    /// Sets the budget of bytes that are received and not yet written.
    SetStoreBudget(u64),
    /// Publishes the metainfo.
    ShowMetainfo(Arc<Metainfo>),
    /// Publishes the path of the content.
    ShowContentPath(PathBuf),
    /// Keeps the settings in the session, which have changed.
    KeepSettings,
    /// Takes over the folder in which a move of an earlier run has ended, or from which it has not begun.
    Settle { folder: PathBuf, moved: Option<Moved> },
    /// Checks which pieces are on disk and right.
    Check,
    /// Stops the torrent.
    Stop,
    /// Publishes an event.
    Publish(Event),
    /// Publishes [`Event::Checked`] with the figures of the engine.
    PublishChecked,
}
