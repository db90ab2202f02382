use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot};

use super::task::Command;
use crate::{Event, Item, Node, NodeAnswer, QueryId, SearchId};

/// A look-up that runs. It is cancelled when this is dropped.
#[derive(Debug)]
pub struct Lookup {
    events: mpsc::UnboundedReceiver<Event>,
    started: oneshot::Receiver<SearchId>,
    commands: mpsc::UnboundedSender<Command>,
}

/// The events of a node that belong to no look-up and to no query.
#[derive(Debug)]
pub struct NodeEvents {
    events: mpsc::Receiver<Event>,
}

/// The receivers of events.
#[derive(Debug, Default)]
pub(super) struct Routes {
    searches: HashMap<SearchId, mpsc::UnboundedSender<Event>>,
    queries: HashMap<QueryId, oneshot::Sender<NodeAnswer>>,
    listeners: Vec<mpsc::Sender<Event>>,
    /// Those who wait for the first node.
    waiting: Vec<oneshot::Sender<()>>,
}

/// The events that wait for a listener. They are rare.
const MOST_WAITING: usize = 64;

impl Lookup {
    pub(super) fn new(
        events: mpsc::UnboundedReceiver<Event>,
        started: oneshot::Receiver<SearchId>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        Self { events, started, commands }
    }

    /// The next event; the last one is [`Event::SearchEnded`], which does not come of those that go on. `None` after
    /// it, and after the end of the runtime. May be cancelled: no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The newest item that it finds up to its end, or to the end of its first round.
    pub async fn newest_item(&mut self) -> Option<Item> {
        let mut newest = None;
        loop {
            match self.next().await? {
                Event::ItemFound { item, .. } => newest = Some(item),
                Event::SearchEnded { .. } | Event::RoundEnded { .. } => return newest,
                _ => {}
            }
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        // If it has not begun yet, it is cancelled when it does.
        if let Ok(id) = self.started.try_recv() {
            let _ = self.commands.send(Box::new(move |_, task| {
                task.node.cancel(id);
                task.routes.searches.remove(&id);
            }));
        }
    }
}

impl NodeEvents {
    pub(super) fn channel() -> (mpsc::Sender<Event>, Self) {
        let (sender, events) = mpsc::channel(MOST_WAITING);
        (sender, Self { events })
    }

    /// The next event; `None` after the end of the runtime. Of those that are not taken, 64 are kept. May be
    /// cancelled: no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Routes {
    pub(super) fn add_search(&mut self, id: SearchId, sender: mpsc::UnboundedSender<Event>) {
        self.searches.insert(id, sender);
    }

    pub(super) fn add_query(&mut self, id: QueryId, sender: oneshot::Sender<NodeAnswer>) {
        self.queries.insert(id, sender);
    }

    pub(super) fn add_listener(&mut self, sender: mpsc::Sender<Event>) {
        self.listeners.push(sender);
    }

    pub(super) fn wait_for_nodes(&mut self, sender: oneshot::Sender<()>) {
        self.waiting.push(sender);
    }

    /// Hands out the events of a node. A look-up that nobody listens to is cancelled.
    pub(super) fn hand_out(&mut self, node: &mut Node, mut on_empty: impl FnMut()) {
        while let Some(event) = node.poll_event() {
            match event {
                Event::Answered { query, answer } => {
                    if let Some(sender) = self.queries.remove(&query) {
                        let _ = sender.send(answer);
                    }
                }
                Event::Failed { query, .. } | Event::SampledBefore { query, .. } => {
                    self.queries.remove(&query);
                }
                Event::PeersFound { search, .. }
                | Event::ItemFound { search, .. }
                | Event::RoundEnded { search, .. } => {
                    let sender = self.searches.get(&search);
                    if sender.is_none_or(|sender| sender.send(event).is_err()) {
                        node.cancel(search);
                        self.searches.remove(&search);
                    }
                }
                Event::SearchEnded { search, .. } => {
                    if let Some(sender) = self.searches.remove(&search) {
                        let _ = sender.send(event);
                    }
                }
                Event::TableEmpty { .. } => {
                    on_empty();
                    self.tell(event);
                }
                Event::AddressAgreed { .. } | Event::ReachChanged { .. } => self.tell(event),
            }
        }
        if !self.waiting.is_empty() && node.nodes().next().is_some() {
            self.waiting.drain(..).for_each(|sender| _ = sender.send(()));
        }
    }

    fn tell(&mut self, event: Event) {
        // Those who are full miss it, and those who are gone are forgotten.
        self.listeners.retain(|listener| {
            let sent = listener.try_send(event.clone());
            !matches!(sent, Err(mpsc::error::TrySendError::Closed(_)))
        });
    }
}
