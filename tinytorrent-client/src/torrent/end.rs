use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::Metainfo;
use tinytorrent_swarm::Stats;

use super::State;
use crate::event::Snapshot;
use crate::session::Entry;
use crate::{Counts, Event, TorrentError};

/// What is left of a torrent that has ended.
#[derive(Debug)]
pub(crate) struct End {
    /// The error that has ended it; `None` after a stop.
    pub(crate) error: Option<TorrentError>,
    pub(crate) name: Option<String>,
    pub(crate) stats: Stats,
    pub(crate) counts: Counts,
    pub(crate) metainfo: Option<Arc<Metainfo>>,
    pub(crate) content_path: Option<PathBuf>,
    /// Its files in the kept session, where a torrent stays that has failed.
    pub(crate) entry: Option<Entry>,
}

impl End {
    /// The events of a subscription after the end.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        let now = Event::Now(Arc::new(Snapshot {
            state: self.state(),
            stats: self.stats,
            metainfo: self.metainfo.clone(),
            content_path: self.content_path.clone(),
            pieces: None,
        }));
        [now, self.last_event()].into_iter()
    }

    /// The last event of the torrent.
    pub(crate) fn last_event(&self) -> Event {
        self.error.clone().map_or(Event::Stopped, Event::Failed)
    }

    pub(crate) fn state(&self) -> State {
        if self.error.is_some() { State::Failed } else { State::Stopped }
    }
}
