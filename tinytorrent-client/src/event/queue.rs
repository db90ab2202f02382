use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

/// A bounded queue from torrents to one receiver. The oldest items make room for new ones, and are
/// counted.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    news: Notify,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    missed: u64,
    is_closed: bool,
}

/// An item, or the number of items that were lost before the next one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    Item(T),
    Missed(u64),
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let state = State { items: VecDeque::new(), missed: 0, is_closed: false };
        Arc::new(Self { state: Mutex::new(state), news: Notify::new(), limit })
    }

    /// Adds an item.
    pub(crate) fn push(&self, item: T) {
        let mut state = self.lock();
        if state.items.len() == self.limit {
            state.items.pop_front();
            state.missed += 1;
        }
        state.items.push_back(item);
        drop(state);
        self.news.notify_one();
    }

    /// Lets the receiver come to the end, behind the items that are there.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.news.notify_one();
    }

    /// Waits for the next item. `None` at the end. Safe to cancel.
    pub(crate) async fn next(&self) -> Option<Taken<T>> {
        loop {
            {
                let mut state = self.lock();
                if state.missed > 0 {
                    return Some(Taken::Missed(std::mem::take(&mut state.missed)));
                }
                if let Some(item) = state.items.pop_front() {
                    return Some(Taken::Item(item));
                }
                if state.is_closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic under the lock cannot leave the queue in a bad state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queues that get all items of one source. A queue whose receiver was dropped is forgotten.
#[derive(Debug)]
pub(crate) struct Audience<T> {
    queues: Vec<Weak<Queue<T>>>,
}

impl<T> Default for Audience<T> {
    fn default() -> Self {
        Self { queues: Vec::new() }
    }
}

impl<T: Clone> Audience<T> {
    pub(crate) fn add(&mut self, queue: &Arc<Queue<T>>) {
        self.queues.push(Arc::downgrade(queue));
    }

    pub(crate) fn push(&mut self, item: &T) {
        self.queues.retain(|queue| {
            let queue = queue.upgrade();
            queue.inspect(|queue| queue.push(item.clone())).is_some()
        });
    }

    pub(crate) fn close(&mut self) {
        self.queues.drain(..).filter_map(|queue| queue.upgrade()).for_each(|queue| queue.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_make_room_and_are_counted() {
        let queue = Queue::new(2);
        let mut audience = Audience::default();
        audience.add(&queue);
        (1..=5).for_each(|item| audience.push(&item));
        audience.close();
        assert_eq!(queue.next().await, Some(Taken::Missed(3)));
        assert_eq!(queue.next().await, Some(Taken::Item(4)));
        assert_eq!(queue.next().await, Some(Taken::Item(5)));
        assert_eq!(queue.next().await, None);
        assert_eq!(queue.next().await, None, "the end stays the end");
    }

    #[tokio::test]
    async fn a_receiver_is_woken_and_one_that_is_gone_is_forgotten() {
        let (queue, gone) = (Queue::new(9), Queue::new(9));
        let mut audience = Audience::default();
        audience.add(&queue);
        audience.add(&gone);
        drop(gone);
        let receiver = Arc::clone(&queue);
        let waits = tokio::spawn(async move { receiver.next().await });
        tokio::task::yield_now().await;
        audience.push(&7);
        assert_eq!(waits.await.unwrap(), Some(Taken::Item(7)));
        assert_eq!(audience.queues.len(), 1);
    }
}
