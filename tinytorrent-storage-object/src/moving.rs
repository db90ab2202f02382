//! Copies of a content under other names, within the store.

use std::{collections::BTreeSet, ops::ControlFlow};

use object_store::path::Path;
use tinytorrent_storage::{MoveProgress, StorageError};

use crate::{calls::Calls, keys::Keys};

/// The objects of a content that are being copied.
pub(crate) struct Copies<'a> {
    calls: &'a Calls,
    old: &'a Keys,
    new: &'a Keys,
    copied: BTreeSet<Path>,
    bytes_done: u64,
}

impl<'a> Copies<'a> {
    pub(crate) fn new(calls: &'a Calls, old: &'a Keys, new: &'a Keys) -> Self {
        Self { calls, old, new, copied: BTreeSet::new(), bytes_done: 0 }
    }

    /// Copies what was not copied yet, but for drafts, which keep their names. The record is copied each time.
    pub(crate) fn copy(
        &mut self,
        progress: &mut dyn FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let (calls, all) = (self.calls.clone(), self.old.all().clone());
        let mut objects = self.calls.wait(async move { calls.list(&all).await })?;
        let drafts = self.old.drafts();
        objects.retain(|object| {
            !object.location.prefix_matches(&drafts) && !self.copied.contains(&object.location)
        });
        let left: u64 = objects.iter().map(|object| object.size).sum();
        let bytes_total = self.bytes_done + left;
        // As many at a time as may be called at a time, so that a listing of a million starts no million tasks.
        for objects in objects.chunks(AT_ONCE) {
            let mut started = Vec::new();
            for object in objects {
                let Some(to) = self.new.in_place_of(self.old, &object.location) else { continue };
                let (calls, from) = (self.calls.clone(), object.location.clone());
                let copy = self.calls.start(async move { calls.copy(&from, &to).await });
                started.push((object, copy));
            }
            for (object, copy) in started {
                copy.wait()?;
                if object.location != self.old.record() {
                    self.copied.insert(object.location.clone());
                }
                self.bytes_done += object.size;
            }
            let done = MoveProgress::new(self.bytes_done, bytes_total);
            if progress(done).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Deletes the old objects or, if nothing was moved, the copies. Those that stay cost their room.
    pub(crate) fn clear(self, is_moved: bool) {
        for from in self.copied.iter().cloned().chain([self.old.record()]) {
            let copy = self.new.in_place_of(self.old, &from);
            if let Some(useless) = if is_moved { Some(from) } else { copy } {
                let calls = self.calls.clone();
                if let Err(error) = self.calls.wait(async move { calls.delete(&useless).await }) {
                    tracing::warn!(%error, "an object of a move was not deleted");
                }
            }
        }
    }
}

/// Copies at a time.
const AT_ONCE: usize = 16;
