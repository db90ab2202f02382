//! A store with faults, and contents for the tests.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod clients;

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    memory::InMemory, path::Path,
};
use tinytorrent_metainfo::Layout;
use tinytorrent_storage::PieceHashes;
use tinytorrent_types::{InfoHashV1, InfoHashes};

/// A request to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Get,
    Put,
    List,
    Delete,
    Copy,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// As of a server that answers with a 500.
    Error,
    /// An answer that never comes.
    Silence,
    /// An answer of half of the bytes.
    Cut,
}

type Judge = dyn Fn(Request, u64) -> Option<Fault> + Send + Sync;

/// A store in memory, some of whose answers are faults.
pub struct Faulty {
    pub inner: Arc<InMemory>,
    judge: Mutex<Box<Judge>>,
    count: AtomicU64,
    pub gets: AtomicU64,
    pub puts: AtomicU64,
}

impl Faulty {
    pub fn new() -> Arc<Self> {
        Self::over(Arc::default())
    }

    pub fn over(inner: Arc<InMemory>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            judge: Mutex::new(Box::new(|_, _| None)),
            count: AtomicU64::new(0),
            gets: AtomicU64::new(0),
            puts: AtomicU64::new(0),
        })
    }

    /// Has this function decide on the fault of each request, which has a number.
    pub fn judge(&self, judge: impl Fn(Request, u64) -> Option<Fault> + Send + Sync + 'static) {
        *self.judge.lock().unwrap() = Box::new(judge);
    }

    pub fn get_count(&self) -> u64 {
        self.gets.load(Ordering::Relaxed)
    }

    pub async fn names(&self) -> Vec<String> {
        let list = self.inner.list(None).map(|object| object.unwrap().location.to_string());
        let mut names: Vec<_> = list.collect().await;
        names.sort();
        names
    }

    async fn fault(&self, request: Request) -> Result<Option<Fault>> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let fault = self.judge.lock().unwrap()(request, number);
        match fault {
            Some(Fault::Error) => {
                Err(Error::Generic { store: "Faulty", source: "500 as a test".into() })
            }
            Some(Fault::Silence) => std::future::pending().await,
            other => Ok(other),
        }
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        self.fault(Request::Put).await?;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        let fault = self.fault(Request::Get).await?;
        let mut found = self.inner.get_opts(location, options).await?;
        if fault == Some(Fault::Cut) {
            let range: Range<u64> = found.range.clone();
            let half = (range.end - range.start) / 2;
            let bytes = found.bytes().await?.slice(..half as usize);
            let again = self.inner.get_opts(location, GetOptions::default()).await?;
            let stream = futures_util::stream::iter([Ok(bytes)]).boxed();
            let payload = GetResultPayload::Stream(stream);
            found = GetResult { payload, range: range.start..range.start + half, ..again };
        }
        Ok(found)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        if self.judge.lock().unwrap()(Request::List, number).is_some() {
            let error = Error::Generic { store: "Faulty", source: "500 as a test".into() };
            return futures_util::stream::iter([Err(error)]).boxed();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.fault(Request::Copy).await?;
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store with faults")
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

/// A content of one file.
pub struct World {
    pub layout: Arc<Layout>,
    pub identity: InfoHashes,
    pub data: Vec<u8>,
    pub hashes: PieceHashes,
}

impl World {
    pub fn new(length: usize, piece: u32) -> Self {
        let data: Vec<u8> = (0..length).map(|at| (at * 31 + at / 977) as u8).collect();
        let mut builder = Layout::builder(piece);
        builder.file(["a"], length as u64);
        let hashes = data.chunks(piece as usize).map(tinytorrent_hash::sha1);
        Self {
            layout: Arc::new(builder.build().unwrap()),
            identity: InfoHashes::from_v1(InfoHashV1::from_bytes([9; 20])),
            hashes: PieceHashes::from_v1(hashes),
            data,
        }
    }
}

/// A short time, after which a request has failed.
pub const SHORT: Duration = Duration::from_millis(300);
