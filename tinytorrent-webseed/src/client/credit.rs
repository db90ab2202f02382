use tokio::sync::Semaphore;

/// The number of blocks of a [`Fetch`](super::Fetch) that may still be reported, and the way to end it.
#[derive(Debug)]
pub struct Credit {
    blocks: Semaphore,
    /// Never has a permit. Closed once the fetch is cancelled, which wakes all who wait for one.
    end: Semaphore,
}

impl Credit {
    /// Credit for so many blocks.
    pub fn new(blocks: u32) -> Self {
        Self { blocks: Semaphore::new(blocks as usize), end: Semaphore::new(0) }
    }

    /// Lets so many more blocks come.
    pub fn grant(&self, blocks: u32) {
        self.blocks.add_permits(blocks as usize);
    }

    /// Cancels the fetch: nothing more of it is reported, and a connection that waits for it is closed at once.
    pub fn cancel(&self) {
        self.blocks.close();
        self.end.close();
    }

    /// True once the fetch is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.end.is_closed()
    }

    /// Takes the credit for one block, if there is some.
    pub(super) fn try_take(&self) -> bool {
        self.blocks.try_acquire().map(|permit| permit.forget()).is_ok()
    }

    /// Waits for the credit for one block. Returns false if the fetch is cancelled.
    pub(super) async fn take(&self) -> bool {
        self.blocks.acquire().await.map(|permit| permit.forget()).is_ok()
    }

    /// Waits until the fetch is cancelled.
    pub(super) async fn cancelled(&self) {
        // Fails once it is closed, which is all that can happen to it.
        let _ = self.end.acquire().await;
    }
}
