use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Reports of threads and tasks that must not wait for the driver. It holds no memory while it is empty,
/// so that a torrent that does nothing costs little.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    items: Arc<Mutex<Vec<T>>>,
    wake: Arc<Notify>,
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self { items: Arc::clone(&self.items), wake: Arc::clone(&self.wake) }
    }
}

impl<T> Inbox<T> {
    /// An empty inbox, which wakes this up.
    pub(super) fn new(wake: &Arc<Notify>) -> Self {
        Self { items: Arc::default(), wake: Arc::clone(wake) }
    }

    /// Adds a report, and wakes the driver up.
    pub(super) fn push(&self, item: T) {
        self.with(|items| items.push(item));
        self.wake.notify_one();
    }

    /// Takes out all reports, in order.
    pub(super) fn take(&self) -> Vec<T> {
        self.with(std::mem::take)
    }

    /// Exchanges the reports for an empty list, whose memory serves the next ones.
    pub(super) fn swap(&self, empty: &mut Vec<T>) {
        self.with(|items| std::mem::swap(items, empty));
    }

    fn with<R>(&self, act: impl FnOnce(&mut Vec<T>) -> R) -> R {
        // A panic under the lock cannot leave the list in a bad state.
        act(&mut self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_in_comes_out_in_order_and_wakes() {
        let wake = Arc::new(Notify::new());
        let inbox = Inbox::new(&wake);
        let sender = inbox.clone();
        std::thread::spawn(move || (0..3).for_each(|item| sender.push(item))).join().unwrap();
        wake.notified().await;
        assert_eq!(inbox.take(), [0, 1, 2]);
        inbox.push(3);
        let mut items = Vec::new();
        inbox.swap(&mut items);
        assert_eq!((items, inbox.take()), (vec![3], vec![]));
    }
}
