//! The times in which the threads leave a torrent alone.

use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

use tinytorrent_types::PieceIndex;

use super::{
    Completion, Subject,
    shared::{Shared, report_incomplete},
    torrent::Replaced,
};
use crate::resume::Recovered;

impl Shared {
    /// Waits until no worker has a job of the torrent. None takes one until [`release`](Self::release).
    pub(super) fn hold(&self, id: u64) {
        let mut state = self.lock();
        if let Some(torrent) = state.torrents.get_mut(&id) {
            torrent.waiters.calm += 1;
        }
        while state.torrents.get(&id).is_some_and(|torrent| torrent.has_worker()) {
            state = self.calm.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn release(&self, id: u64) {
        let mut state = self.lock();
        if let Some(torrent) = state.torrents.get_mut(&id) {
            torrent.waiters.calm -= 1;
        }
        self.schedule(state, id, Instant::now());
    }

    /// Waits until all blocks of the torrent are written, and all requests to verify pieces are carried
    /// out.
    pub(super) fn drain(&self, id: u64) {
        let mut state = self.lock();
        if let Some(torrent) = state.torrents.get_mut(&id) {
            torrent.waiters.written += 1;
        }
        self.schedule(state, id, Instant::now());
        let mut state = self.lock();
        while state.torrents.get(&id).is_some_and(|torrent| !torrent.is_written()) {
            state = self.calm.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(torrent) = state.torrents.get_mut(&id) {
            torrent.waiters.written -= 1;
        }
    }

    /// Puts a held torrent into this state. Blocks in memory are dropped.
    pub(super) fn replace(&self, content: &Arc<Subject>, recovered: Recovered) {
        let Replaced { bytes, asked, dropped } = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let Some(torrent) = state.torrents.get_mut(&content.id) else { return };
            torrent.replace(recovered, &mut state.pins)
        };
        // No worker has a block of them.
        dropped.into_iter().for_each(|piece| content.storage.discard(piece));
        self.cache.forget_torrent(content.id);
        self.count_stored(content, bytes);
        if bytes > 0 {
            (content.on_completion)(Completion::BlocksWritten { bytes });
        }
        let geometry = content.storage.geometry();
        let missing = |piece: PieceIndex| geometry.block_count(piece);
        asked.into_iter().for_each(|piece| report_incomplete(content, piece, missing(piece)));
    }

    /// The pieces and blocks that are on disk.
    pub(super) fn state(&self, content: &Subject) -> Recovered {
        let state = self.lock();
        match state.torrents.get(&content.id) {
            Some(torrent) => Recovered {
                partial: torrent.partial(),
                ..Recovered::with_pieces(torrent.have().clone())
            },
            None => Recovered::nothing(content.storage.geometry().piece_count()),
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }
}
