//! The upkeep of files: what the user asks to be done with them, and what follows for the torrent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tinytorrent_storage::{MoveProgress, Moved, Recovered, StorageError, VerifyProgress};
use tinytorrent_swarm::Input;
use tinytorrent_types::Bitfield;
use tokio::sync::oneshot;

use super::Driver;
use super::cancellation::Cancellation;
use super::chores::{Chore, Due, Order, Reply, Task, Work, Worked};
use super::data;
use super::gauge::Gauge;
use super::job::Job;
use super::step::Step;
use crate::torrent::CheckScope;
use crate::{Event, FilesError};

impl Driver {
    /// Takes an order. It begins once the content is open and earlier ones are done.
    pub(crate) fn order(&mut self, order: Order) {
        match order.chore {
            Chore::Choose(wish) if self.lifecycle.stage().is_before_opening() => {
                // There is no file yet.
                let mut choice = self.lifecycle.choice();
                choice.follow(&wish);
                choice.put_into(self.options_mut());
                // Fails if nobody waits any more.
                let _ = order.reply.send(Ok(()));
            }
            _ => self.chores.get_or_insert_default().push(order),
        }
    }

    /// Begins what is due.
    pub(super) fn do_chores(&mut self, now: Instant) {
        let (is_open, is_saved) = (self.lifecycle.stage().is_running(), self.keeping.is_saved());
        let Some(chores) = &mut self.chores else { return };
        match chores.next(is_open, is_saved) {
            Some(Due::Order(order)) => self.begin(now, order),
            Some(Due::Move(order)) => self.begin_work(order),
            None => {}
        }
    }

    fn begin(&mut self, now: Instant, order: Order) {
        match &order.chore {
            Chore::Move(folder) if self.keeping.is_kept() => {
                let folder = folder.clone();
                self.options_mut().moving_to = Some(folder.into());
                self.chores.get_or_insert_default().announce(order);
            }
            Chore::Check(_) => {
                self.swarm.begin_check(now);
                self.begin_work(order);
            }
            Chore::Move(_) | Chore::Choose(_) | Chore::Rename(_) => self.begin_work(order),
        }
    }

    fn begin_work(&mut self, order: Order) {
        let mut choice = self.lifecycle.choice();
        let mut moving = None;
        let task = match order.chore {
            Chore::Choose(wish) => {
                choice.follow(&wish);
                Task::Choose
            }
            Chore::Rename(renames) => Task::Rename(renames),
            Chore::Move(folder) => {
                let progress = Gauge::default();
                moving = Some(progress.clone());
                Task::Move { folder, progress }
            }
            Chore::Check(scope) => {
                let progress = Gauge::default();
                self.lifecycle.begin_recheck(progress.clone());
                Task::Check { scope, progress }
            }
        };
        let resources = Arc::clone(&self.resources);
        let (cancellation, stop) = (order.cancellation, self.lifecycle.stop_flag());
        let Some(running) = self.lifecycle.running() else { return };
        let files = running.plane.files();
        self.chores.get_or_insert_default().work(order.reply, moving);
        self.spawn_thread(Job::Work(Box::new(Work {
            task,
            files,
            resources,
            choice,
            cancellation,
            stop,
        })));
    }

    /// Takes in what a thread has done.
    pub(super) fn on_worked(&mut self, now: Instant, worked: Result<Worked, FilesError>) {
        let reply = self.chores.as_mut().and_then(|chores| chores.take_reply());
        let outcome = match worked {
            Ok(Worked::Moved { folder, moved }) => {
                return self.on_moved(folder, Some(moved), reply);
            }
            Ok(Worked::Chosen { choice, pieces }) => {
                choice.put_into(self.options_mut());
                let none = Bitfield::new(pieces.wanted.piece_count());
                let (low, high) = pieces.ranked.unwrap_or_else(|| (none.clone(), none));
                self.swarm.set_priorities(now, low, high);
                self.swarm.set_wanted(now, pieces.wanted);
                // What they wait for may not be wanted any more.
                self.readers.wake_all();
                self.save(now);
                Ok(())
            }
            Ok(Worked::Renamed(paths)) => {
                let renamed =
                    paths.into_iter().map(|(file, path)| Event::FileRenamed { file, path });
                renamed.for_each(|event| self.outbox.push(event));
                self.show_content_path();
                Ok(())
            }
            Ok(Worked::Checked { state, wanted, outcome }) => {
                self.on_rechecked(now, state, wanted, outcome.as_ref().err());
                outcome
            }
            Err(error) => {
                self.forget_move();
                Err(error)
            }
        };
        self.chores.get_or_insert_default().finish(reply, outcome);
    }

    /// Checks everything, as nobody has asked for.
    pub(super) fn check(&mut self) {
        let (reply, _) = oneshot::channel();
        let (chore, cancellation) = (Chore::Check(CheckScope::All), Cancellation::default());
        self.order(Order { chore, cancellation, reply });
    }

    fn on_rechecked(
        &mut self,
        now: Instant,
        state: Recovered,
        wanted: Bitfield,
        error: Option<&FilesError>,
    ) {
        let info = self.metainfo().map(|metainfo| Arc::clone(metainfo.info()));
        let is_known = error.is_none();
        let content =
            info.and_then(|info| self.lifecycle.end_recheck(&info, state, wanted, is_known));
        let Some(content) = content else { return };
        let mut steps = vec![Step::Input(Input::ContentReady(content)), Step::PublishChecked];
        if let Some(FilesError::Storage(error)) = error
            && self.lifecycle.fail_look()
        {
            let error = data::disk_error(error);
            steps.push(Step::Input(Input::DiskFailed { piece: None, error }));
        }
        self.take_steps(now, steps);
        self.save(now);
    }

    /// The content is in another folder. The note of that is deleted once the session knows.
    pub(super) fn on_moved(&mut self, folder: PathBuf, moved: Option<Moved>, reply: Option<Reply>) {
        let options = self.options_mut();
        (options.folder, options.moving_to) = (folder.clone(), None);
        self.show_content_path();
        self.outbox.push(Event::Moved { folder });
        self.chores.get_or_insert_default().settle(moved, reply);
    }

    fn show_content_path(&mut self) {
        let Some(running) = self.lifecycle.running() else { return };
        let path = running.plane.storage().content_path();
        self.outbox.content_path = path;
    }

    /// The session cannot be saved.
    pub(super) fn on_unsaved(&mut self, error: StorageError) {
        tracing::warn!(%error, "the torrent was not saved in the session");
        let error = Arc::new(error);
        if self.chores.as_mut().is_some_and(|chores| chores.on_unsaved(&error)) {
            self.forget_move();
        }
    }

    /// Lets the session know of no move, if it knows of one.
    fn forget_move(&mut self) {
        if self.lifecycle.options().moving_to.is_some() {
            self.options_mut().moving_to = None;
        }
    }

    /// Tells those who wait for what is done.
    pub(super) fn tell_chores(&mut self) {
        if let Some(chores) = &mut self.chores {
            chores.tell();
            if chores.is_empty() {
                self.chores = None;
            }
        }
    }

    /// Begins to write the resume data.
    pub(super) fn save(&mut self, now: Instant) {
        let totals = self.totals(now);
        if let Some(running) = self.lifecycle.running() {
            running.plane.save(totals);
        }
    }

    /// Returns `true` if nobody is at work on the files.
    pub(super) fn is_upkeep_done(&self) -> bool {
        self.chores.as_ref().is_none_or(|chores| chores.is_idle())
    }

    /// The progress of the check that is under way.
    pub(crate) fn check_progress(&self) -> Option<VerifyProgress> {
        self.lifecycle.stage().check_progress()
    }

    /// The progress of the move that is under way.
    pub(crate) fn move_progress(&self) -> Option<MoveProgress> {
        self.chores.as_ref().and_then(|chores| chores.move_progress())
    }
}
