use std::{
    fmt, io,
    path::Path as FolderPath,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use object_store::{ObjectStore, path::Path};
use tinytorrent_metainfo::{Info, Layout};
use tinytorrent_storage::{Fault, StorageError};
use tinytorrent_types::InfoHashes;
use tokio::runtime::{Builder, Handle};
use url::Url;

use crate::{
    ObjectContent, ObjectOptions,
    calls::{CallRuntime, Calls},
    chunks::Chunks,
    content::{Shape, Shared},
};

/// A place for contents in an object store: a store, a prefix of names, and the memory and the runtime that the
/// contents share. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    shared: Shared,
    next: Arc<AtomicU64>,
    run: u64,
}

impl Bucket {
    /// The contents below this prefix of the store, which is empty for all of it. Requests are made on two threads
    /// of the bucket's own.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        options: &ObjectOptions,
    ) -> io::Result<Self> {
        let runtime = own_runtime()?;
        Ok(Self::on(store, Path::from(prefix), runtime, options))
    }

    /// The contents below this prefix of the store. Requests are made on this runtime, which must have I/O and
    /// time, and must not wait for the contents: they block threads until its answers.
    pub fn on_runtime(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        runtime: Handle,
        options: &ObjectOptions,
    ) -> Self {
        Self::on(store, Path::from(prefix), CallRuntime::Given(runtime), options)
    }

    /// The contents below this URL, such as `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix`, `file:///folder` or `memory:///`, of those that the features have. `settings` are
    /// those of the store, with the names that `object_store` documents for them, such as `aws_endpoint`.
    ///
    /// # Errors
    /// The URL or a setting is wrong, or of no store that was built in ([`Fault::Caller`],
    /// [`Fault::Unsupported`]). The store is not asked.
    pub fn from_url<K, V>(
        url: &str,
        settings: impl IntoIterator<Item = (K, V)>,
        options: &ObjectOptions,
    ) -> Result<Self, StorageError>
    where
        K: AsRef<str>,
        V: Into<String>,
    {
        #[cfg(feature = "http")]
        prepare_tls();
        let wrong = |error| StorageError::content(Fault::Caller, url, error);
        let parsed = Url::parse(url).map_err(|error| wrong(error.into()))?;
        let (store, prefix) = object_store::parse_url_opts(&parsed, settings)
            .map_err(|error| wrong(Box::<dyn std::error::Error + Send + Sync>::from(error)))?;
        let failed = |error| StorageError::content(Fault::Device, url, error);
        Ok(Self::on(store.into(), prefix, own_runtime().map_err(failed)?, options))
    }

    /// Opens the content of the torrent with this info dictionary. Its objects are named after the folder, which
    /// may be empty, and the info-hash. Lists those that are there, and blocks meanwhile.
    ///
    /// One that is read only is never written to, so that any number of programs may seed from what one has
    /// downloaded. Only one program at a time should write: two would harm nothing, but each would download what
    /// the other has.
    ///
    /// # Errors
    /// The store refuses, or does not answer.
    pub fn open(
        &self,
        info: &Arc<Info>,
        folder: &FolderPath,
        is_read_only: bool,
    ) -> Result<ObjectContent, StorageError> {
        let (shape, identity) = (Shape::Info(Arc::clone(info)), info.hashes());
        self.open_shape(shape, identity, folder, is_read_only)
    }

    /// Opens the content with this layout; see [`open`](Self::open).
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_layout(
        &self,
        layout: Arc<Layout>,
        identity: InfoHashes,
        folder: &FolderPath,
        is_read_only: bool,
    ) -> Result<ObjectContent, StorageError> {
        self.open_shape(Shape::Layout(layout), identity, folder, is_read_only)
    }

    /// Bytes of memory: those of unfinished pieces, and those of objects that were read.
    pub fn memory(&self) -> (u64, u64) {
        (self.shared.drafts.load(Ordering::Relaxed), self.shared.chunks.bytes())
    }

    fn on(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        runtime: CallRuntime,
        options: &ObjectOptions,
    ) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let read_memory = options.read_memory.max(2 * options.read_ahead);
        Self {
            shared: Shared {
                calls: Calls::new(store, runtime, options),
                chunks: Arc::new(Chunks::new(read_memory)),
                drafts: Arc::default(),
                options: Arc::new(options.clone()),
                prefix,
            },
            next: Arc::default(),
            // Tells the drafts of this run from those of others.
            run: since.as_nanos() as u64 ^ u64::from(std::process::id()) << 48,
        }
    }

    fn open_shape(
        &self,
        shape: Shape,
        identity: InfoHashes,
        folder: &FolderPath,
        is_read_only: bool,
    ) -> Result<ObjectContent, StorageError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let run = self.run.wrapping_add(id);
        let shared = self.shared.clone();
        ObjectContent::open(shared, id, run, shape, identity, folder, is_read_only)
    }
}

fn own_runtime() -> io::Result<CallRuntime> {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(2).thread_name("object store").enable_all();
    Ok(CallRuntime::Own(Some(runtime.build()?)))
}

/// Makes ring the cryptography of TLS in this process, unless the program has chosen another. With the features of
/// this crate, a store of `object_store` that speaks HTTP panics without any; [`Bucket::from_url`] sees to it, and
/// a program that builds its store calls this before.
#[cfg(feature = "http")]
pub fn prepare_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("calls", &self.shared.calls)
            .field("prefix", &self.shared.prefix.as_ref())
            .finish_non_exhaustive()
    }
}
