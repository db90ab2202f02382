use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::Metainfo;
use tinytorrent_types::InfoHashes;
use tokio::sync::watch;

use crate::Event;
use crate::event::{Hub, Queue, Subscribers, TorrentEvent};
use crate::torrent::State;

/// The events and the state of one turn, which are published together at its end, and what is known of
/// the torrent.
///
/// The state is published first, so that a program that receives an event finds the state that belongs
/// to it.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) hashes: InfoHashes,
    events: Vec<Event>,
    subscribers: Subscribers,
    /// The subscribers to all torrents of the client.
    hub: Arc<Hub>,
    state: watch::Sender<State>,
    pub(super) metainfo: Option<Arc<Metainfo>>,
    pub(super) content_path: Option<PathBuf>,
}

impl Outbox {
    pub(super) fn new(
        hashes: InfoHashes,
        hub: Arc<Hub>,
        state: watch::Sender<State>,
        metainfo: Option<Arc<Metainfo>>,
    ) -> Self {
        let (events, subscribers) = (Vec::new(), Subscribers::default());
        Self { hashes, events, subscribers, hub, state, metainfo, content_path: None }
    }

    /// Adds a subscriber. Its first event is this one.
    pub(super) fn subscribe(&mut self, queue: &Arc<Queue<TorrentEvent>>, first: Event) {
        queue.push(TorrentEvent { hashes: self.hashes, event: first });
        self.subscribers.add(queue);
    }

    /// Passes an event to the subscribers to all torrents, ahead of those of the turn.
    pub(super) fn tell_hub(&self, event: Event) {
        self.hub.push(&TorrentEvent { hashes: self.hashes, event });
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Publishes the state, if it has changed, and then the events. Returns `true` if it has.
    pub(super) fn publish(&mut self, state: State) -> bool {
        // Most turns do not change it.
        let is_changed = *self.state.borrow() != state;
        if is_changed {
            self.state.send_replace(state);
            self.events.push(Event::StateChanged(state));
        }
        // The memory is given back, as most torrents have no events for long.
        for event in std::mem::take(&mut self.events) {
            let event = TorrentEvent { hashes: self.hashes, event };
            self.hub.push(&event);
            self.subscribers.push(&event);
        }
        is_changed
    }

    /// Publishes the last state and the last event.
    pub(super) fn publish_end(&mut self, state: State, last: Event) {
        self.state.send_replace(state);
        self.push(last);
        self.publish(state);
        self.subscribers.close();
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::InfoHashV1;

    use super::*;
    use crate::event::Taken;

    fn outbox() -> (Outbox, Arc<Queue<TorrentEvent>>, watch::Receiver<State>) {
        let (sender, state) = watch::channel(State::Checking);
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut outbox = Outbox::new(hashes, Arc::default(), sender, None);
        let queue = Queue::new(9);
        outbox.subscribe(&queue, Event::Stopped);
        (outbox, queue, state)
    }

    async fn next(queue: &Queue<TorrentEvent>) -> Option<Event> {
        match queue.next().await? {
            Taken::Item(item) => Some(item.event),
            Taken::Missed(_) => panic!("nothing is missed"),
        }
    }

    #[tokio::test]
    async fn a_turn_is_published_at_once_and_its_state_first() {
        let (mut outbox, queue, state) = outbox();
        assert!(matches!(next(&queue).await, Some(Event::Stopped)), "the first one");
        outbox.push(Event::Missed(3));
        assert!(!state.has_changed().unwrap());
        outbox.publish(State::Downloading);
        assert_eq!(*state.borrow(), State::Downloading);
        assert!(matches!(next(&queue).await, Some(Event::Missed(3))));
        assert!(matches!(next(&queue).await, Some(Event::StateChanged(State::Downloading))));
    }

    #[tokio::test]
    async fn a_turn_without_a_change_publishes_nothing_and_the_end_is_the_end() {
        let (mut outbox, queue, state) = outbox();
        outbox.publish(State::Checking);
        assert!(!state.has_changed().unwrap());
        outbox.publish_end(State::Stopped, Event::Stopped);
        let mut rest = Vec::new();
        while let Some(event) = next(&queue).await {
            rest.push(event);
        }
        assert!(matches!(rest[1..], [Event::Stopped]), "the last event tells of the last state");
    }
}
