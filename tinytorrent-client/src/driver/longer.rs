//! Files that are longer than their torrent says.

use std::sync::Arc;

use tinytorrent_storage::{Misfit, Storage};
use tinytorrent_swarm::Event as SwarmEvent;

use super::Driver;
use super::lookups::Found;
use crate::Event;

/// Wanted files that are longer than they should be, and are cut when all that is wanted is there.
#[derive(Debug, Default)]
pub(super) struct Longer {
    waiting: Vec<Misfit>,
    /// They are being cut, and the end of the download is told after that.
    is_cutting: bool,
}

impl Longer {
    pub(super) fn new(files: Vec<Misfit>) -> Self {
        Self { waiting: files, is_cutting: false }
    }

    pub(super) fn is_cutting(&self) -> bool {
        self.is_cutting
    }
}

impl Driver {
    /// Begins to cut what is too long; `false` if there is nothing to cut.
    pub(super) fn begin_to_cut(&mut self) -> bool {
        let waiting = std::mem::take(&mut self.longer.waiting);
        let Some(plane) = self.data.as_ref().filter(|_| !waiting.is_empty()) else { return false };
        let storage = Arc::clone(plane.storage());
        self.longer.is_cutting = true;
        self.lookups.work(move || {
            Found::Cut(waiting.into_iter().map(|file| cut(&storage, file)).collect())
        });
        true
    }

    /// Tells of the files that were cut, and of what was held back until then.
    pub(super) fn on_cut(&mut self, files: Vec<Event>) {
        self.longer.is_cutting = false;
        files.into_iter().for_each(|file| self.tell(file));
        self.update_state();
        self.tell(Event::Swarm(SwarmEvent::Finished));
    }
}

fn cut(storage: &Storage, misfit: Misfit) -> Event {
    let is_cut = match storage.cut(misfit.file) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a file that is too long was not cut");
            false
        }
    };
    event(storage, misfit, is_cut)
}

/// Tells of a file that is too long.
pub(super) fn event(storage: &Storage, misfit: Misfit, is_cut: bool) -> Event {
    let path = storage.file_path(misfit.file).unwrap_or_default();
    let size = misfit.size.unwrap_or_default();
    Event::LongerFile { path, size, length: misfit.length, is_cut }
}
