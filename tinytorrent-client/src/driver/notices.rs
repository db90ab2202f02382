use tokio::sync::mpsc;

use crate::connection::{Notice, NoticeSender};

/// Maximum length of the queue of notices. Each may hold a receive buffer.
const MAX_WAITING: usize = 32;

/// The channel through which connections report. It is there only while there are connections, as it takes
/// as much memory as the rest of an idle torrent.
#[derive(Debug, Default)]
pub(super) struct Notices {
    sender: Option<NoticeSender>,
    /// The receiver of a new channel, until the task of the torrent takes it.
    pub(super) fresh: Option<mpsc::Receiver<Notice>>,
}

impl Notices {
    /// A sender for a connection.
    pub(super) fn sender(&mut self) -> NoticeSender {
        let Self { sender, fresh } = self;
        let sender = sender.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(MAX_WAITING);
            *fresh = Some(receiver);
            sender
        });
        sender.clone()
    }

    /// Closes the channel, unless notices are in it. To be called while there is no connection.
    pub(super) fn rest(&mut self) {
        self.sender.take_if(|sender| sender.capacity() == MAX_WAITING);
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_swarm::ConnectionError;

    use super::super::testing::engine;
    use super::*;

    #[tokio::test]
    async fn the_channel_is_closed_when_nothing_is_in_it() {
        let (peer, _) = engine();
        let mut notices = Notices::default();
        notices.rest();
        let sender = notices.sender();
        let mut receiver = notices.fresh.take().unwrap();
        drop((
            notices.sender(),
            sender.try_send(Notice::Failed { peer, error: ConnectionError::Closed }),
        ));
        assert!(notices.fresh.is_none(), "all use one channel");
        drop(sender);
        notices.rest();
        assert!(matches!(receiver.recv().await, Some(Notice::Failed { .. })), "nothing is lost");
        assert!(!receiver.is_closed());
        notices.rest();
        assert!(receiver.recv().await.is_none());
        notices.sender();
        assert!(notices.fresh.is_some());
    }
}
