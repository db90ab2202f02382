use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::Metainfo;
use tinytorrent_swarm::Stats;
use tokio::sync::{broadcast, watch};

use crate::torrent::{State, Status};
use crate::{Event, TorrentError};

/// The events and the status of one turn, which are published together at its end.
///
/// The status is published first, so that a program that receives an event finds the state that
/// belongs to it.
#[derive(Debug)]
pub(super) struct Outbox {
    events: Vec<Event>,
    event_sender: broadcast::Sender<Event>,
    /// The last published state. Most turns do not change it, and comparing with it needs no lock.
    state: State,
    metainfo: Option<Arc<Metainfo>>,
    content_path: Option<PathBuf>,
    status_sender: watch::Sender<Status>,
}

impl Outbox {
    pub(super) fn new(
        event_sender: broadcast::Sender<Event>,
        status_sender: watch::Sender<Status>,
    ) -> Self {
        let state = status_sender.borrow().state;
        Self {
            events: Vec::new(),
            event_sender,
            state,
            metainfo: None,
            content_path: None,
            status_sender,
        }
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Sets the metainfo to be published.
    pub(super) fn set_metainfo(&mut self, metainfo: Arc<Metainfo>) {
        self.metainfo = Some(metainfo);
    }

    /// Sets the path of the content to be published.
    pub(super) fn set_content_path(&mut self, path: PathBuf) {
        self.content_path = Some(path);
    }

    /// Publishes the status, if it has changed, and then the events.
    pub(super) fn publish(&mut self, state: State) {
        let is_changed =
            self.state != state || self.metainfo.is_some() || self.content_path.is_some();
        if is_changed {
            self.state = state;
            self.modify(|_| {});
        }
        for event in self.events.drain(..) {
            // Fails if the program has not subscribed.
            let _ = self.event_sender.send(event);
        }
    }

    /// Publishes the end of the torrent.
    pub(super) fn publish_end(mut self, error: Option<TorrentError>, stats: Stats) {
        self.push(error.clone().map_or(Event::Stopped, Event::Failed));
        self.state = if error.is_some() { State::Failed } else { State::Stopped };
        self.modify(|status| {
            status.error = Some(error.unwrap_or(TorrentError::Stopped));
            status.stats = stats;
        });
        self.publish(self.state);
    }

    fn modify(&mut self, change: impl FnOnce(&mut Status)) {
        let (state, metainfo) = (self.state, self.metainfo.take());
        let content_path = self.content_path.take();
        self.status_sender.send_modify(|status| {
            status.state = state;
            status.metainfo = metainfo.or(status.metainfo.take());
            status.content_path = content_path.or(status.content_path.take());
            change(status);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> (Outbox, broadcast::Receiver<Event>, watch::Receiver<Status>) {
        let (event_sender, events) = broadcast::channel(8);
        let (status_sender, status) = watch::channel(Status {
            state: State::Checking,
            metainfo: None,
            content_path: None,
            error: None,
            stats: Stats::default(),
        });
        (Outbox::new(event_sender, status_sender), events, status)
    }

    #[test]
    fn a_turn_is_published_at_once_and_at_its_end() {
        let (mut outbox, mut events, mut status) = outbox();
        outbox.push(Event::Checked { have: 1, total: 2 });
        outbox.set_content_path("x".into());
        assert!(events.try_recv().is_err() && !status.has_changed().unwrap());
        outbox.publish(State::Downloading);
        assert!(matches!(events.try_recv(), Ok(Event::Checked { .. })));
        let published = status.borrow_and_update().clone();
        assert_eq!(
            (published.state, published.content_path),
            (State::Downloading, Some("x".into()))
        );
    }

    #[test]
    fn a_turn_without_a_change_is_not_published() {
        let (mut outbox, _, status) = outbox();
        outbox.publish(State::Checking);
        assert!(!status.has_changed().unwrap());
    }

    #[test]
    fn the_end_keeps_what_was_published_before() {
        let (mut outbox, mut events, status) = outbox();
        outbox.set_content_path("x".into());
        outbox.publish(State::Downloading);
        let stats = Stats { downloaded: 5, ..Stats::default() };
        outbox.publish_end(None, stats);
        let end = status.borrow().clone();
        assert_eq!((end.state, end.stats), (State::Stopped, stats));
        assert_eq!(end.content_path, Some("x".into()));
        assert!(matches!(end.error, Some(TorrentError::Stopped)));
        assert!(matches!(events.try_recv(), Ok(Event::Stopped)));
    }
}
