use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::Metainfo;
use tinytorrent_swarm::Input;

use super::job::Job;
use crate::{Event, PeerAddress};

/// A step that the driver takes for a torrent on its way from one stage to the next.
pub(super) enum Step {
    /// Hands the engine an input.
    Input(Input),
    /// Runs a job on a thread.
    Job(Job),
    /// Makes the peers of the magnet link known to the engine.
    AddLinkPeers(Vec<PeerAddress>),
    /// Limits the bytes that the engine has received and not seen written.
    SetStoreBudget(u64),
    /// Publishes the metainfo.
    ShowMetainfo(Arc<Metainfo>),
    /// Publishes the path of the content.
    ShowContentPath(PathBuf),
    /// Publishes an event.
    Publish(Event),
    /// Publishes that the content is checked, with the figures of the engine.
    PublishChecked,
}
