//! Requests to the store: on a runtime, a limited number at a time, and again if they fail.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, mpsc},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, path::Path,
};
use tinytorrent_storage::{Fault, StorageError};
use tokio::{
    runtime::{Handle, Runtime},
    sync::Semaphore,
};

use crate::ObjectOptions;

/// The way to a store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Calls {
    store: Arc<dyn ObjectStore>,
    runtime: Arc<CallRuntime>,
    gate: Arc<Semaphore>,
    attempts: u32,
    timeout: Duration,
}

/// The runtime that requests are made on.
#[derive(Debug)]
pub(crate) enum CallRuntime {
    Own(Option<Runtime>),
    Given(Handle),
}

/// The reason why an attempt has failed.
#[derive(Debug)]
enum Failure {
    Store(Error),
    /// The object ends early, or the answer did.
    Short {
        found: u64,
        expected: u64,
    },
    Timeout(Duration),
    /// An object that should be small is not.
    TooLong(u64),
}

impl Calls {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        runtime: CallRuntime,
        options: &ObjectOptions,
    ) -> Self {
        Self {
            store,
            runtime: Arc::new(runtime),
            gate: Arc::new(Semaphore::new(options.parallel)),
            attempts: options.attempts,
            timeout: options.timeout,
        }
    }

    /// Runs a future on the runtime, and waits for it. Blocks the thread.
    ///
    /// # Errors
    /// The runtime has ended.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, StorageError>> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.start(future).wait()
    }

    /// Begins to run a future on the runtime.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, StorageError>> + Send + 'static,
    ) -> Started<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.spawn(async move {
            // Fails if nobody waits any more.
            let _ = sender.send(future.await);
        });
        Started { receiver, place: self.store.to_string() }
    }

    /// Runs a future in the background.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(handle) = self.runtime.handle() {
            handle.spawn(future);
        }
    }

    /// Replaces an object as a whole.
    pub(crate) async fn put(&self, key: &Path, payload: PutPayload) -> Result<(), StorageError> {
        self.retry(key, || async {
            self.store.put(key, payload.clone()).await.map(drop).map_err(Failure::Store)
        })
        .await
    }

    /// Reads a range of an object.
    pub(crate) async fn get(&self, key: &Path, range: Range<u64>) -> Result<Bytes, StorageError> {
        let expected = range.end - range.start;
        let attempt = || async {
            let found = self.store.get_range(key, range.clone()).await.map_err(Failure::Store)?;
            match found.len() as u64 {
                length if length == expected => Ok(found),
                found => Err(Failure::Short { found, expected }),
            }
        };
        self.retry(key, attempt).await
    }

    /// Reads an object of at most `limit` bytes; `None` if there is none.
    pub(crate) async fn find(&self, key: &Path, limit: u64) -> Result<Option<Bytes>, StorageError> {
        let attempt = || async {
            let options = GetOptions { range: Some(GetRange::Offset(0)), ..GetOptions::default() };
            let found = match self.store.get_opts(key, options).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                found => found.map_err(Failure::Store)?,
            };
            let expected = found.meta.size;
            if expected > limit {
                return Err(Failure::TooLong(expected));
            }
            let mut bytes = BytesMut::new();
            let mut stream = found.into_stream();
            while let Some(part) = stream.try_next().await.map_err(Failure::Store)? {
                bytes.extend_from_slice(&part);
            }
            let found = bytes.len() as u64;
            if found < expected {
                return Err(Failure::Short { found, expected });
            }
            Ok(Some(bytes.freeze()))
        };
        self.retry(key, attempt).await
    }

    /// All objects below a prefix.
    pub(crate) async fn list(&self, prefix: &Path) -> Result<Vec<ObjectMeta>, StorageError> {
        let attempt =
            || async { self.store.list(Some(prefix)).try_collect().await.map_err(Failure::Store) };
        self.retry(prefix, attempt).await
    }

    /// Deletes an object, if it is there.
    pub(crate) async fn delete(&self, key: &Path) -> Result<(), StorageError> {
        let attempt = || async {
            match self.store.delete(key).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(Failure::Store(error)),
            }
        };
        self.retry(key, attempt).await
    }

    /// Copies an object within the store.
    pub(crate) async fn copy(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        let attempt = || async { self.store.copy(from, to).await.map_err(Failure::Store) };
        self.retry(from, attempt).await
    }

    /// Deletes an object in the background. One that stays costs its room.
    pub(crate) fn delete_later(&self, key: Path) {
        let calls = self.clone();
        self.spawn(async move {
            if let Err(error) = calls.delete(&key).await {
                tracing::debug!(%error, "an object of no use was not deleted");
            }
        });
    }

    async fn retry<T, F>(&self, key: &Path, attempt: impl Fn() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (mut pause, mut number) = (FIRST_PAUSE, 0);
        loop {
            number += 1;
            let outcome = {
                // It is never closed, so that there is no error; it is not held during a pause.
                let _permit = self.gate.acquire().await;
                tokio::time::timeout(self.timeout, attempt()).await
            };
            let failure = match outcome {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Timeout(self.timeout),
            };
            if number >= self.attempts || failure.is_final() {
                let place = format!("{key} in {}", self.store);
                return Err(StorageError::content(failure.fault(), place, failure));
            }
            tracing::debug!(%key, number, %failure, "a request to the store is made again");
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

/// A future that runs on the runtime.
pub(crate) struct Started<T> {
    receiver: mpsc::Receiver<Result<T, StorageError>>,
    place: String,
}

impl<T> Started<T> {
    /// Waits for the future. Blocks the thread.
    pub(crate) fn wait(self) -> Result<T, StorageError> {
        // Nobody sends if the future was dropped.
        let ended = || StorageError::content(Fault::Caller, self.place, RUNTIME_ENDED);
        self.receiver.recv().unwrap_or_else(|_| Err(ended()))
    }
}

impl CallRuntime {
    fn handle(&self) -> Option<&Handle> {
        match self {
            CallRuntime::Own(runtime) => runtime.as_ref().map(Runtime::handle),
            CallRuntime::Given(handle) => Some(handle),
        }
    }
}

impl Drop for CallRuntime {
    fn drop(&mut self) {
        // The last owner may be dropped by a task, where waiting for the threads is a panic.
        if let CallRuntime::Own(runtime) = self
            && let Some(runtime) = runtime.take()
        {
            runtime.shutdown_background();
        }
    }
}

impl Failure {
    /// Returns `true` if trying again is of no use.
    fn is_final(&self) -> bool {
        match self {
            Failure::Store(error) => fault_of(error) != Fault::Device,
            Failure::TooLong(_) => true,
            Failure::Short { .. } | Failure::Timeout(_) => false,
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Failure::Store(error) => fault_of(error),
            Failure::Short { .. } => Fault::Missing,
            Failure::Timeout(_) => Fault::Device,
            Failure::TooLong(_) => Fault::Obstructed,
        }
    }
}

fn fault_of(error: &Error) -> Fault {
    match error {
        Error::NotFound { .. } => Fault::Missing,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Fault::Denied,
        Error::NotSupported { .. } | Error::NotImplemented { .. } => Fault::Unsupported,
        Error::InvalidPath { .. } | Error::UnknownConfigurationKey { .. } => Fault::Caller,
        _ => Fault::Device,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Store(error) => error.fmt(f),
            Failure::Short { found, expected } => write!(f, "it has {found} of {expected} bytes"),
            Failure::Timeout(time) => write!(f, "no answer within {} s", time.as_secs_f32()),
            Failure::TooLong(length) => write!(f, "it has {length} bytes, which is too long"),
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("store", &self.store.to_string()).finish_non_exhaustive()
    }
}

pub(crate) const RUNTIME_ENDED: &str = "the runtime has ended";

/// The pause after the first attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(5);
