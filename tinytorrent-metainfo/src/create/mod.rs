//! Making torrents from what is on disk.

mod error;
mod info;
mod scan;

use std::path::Path;
use std::sync::Mutex;

use tinytorrent_types::PieceIndex;

use crate::content::{Digest, Fault, FaultKind, Hashing, Observer};
use crate::{HostPort, Info, Metainfo, ReadOptions, Version};

pub use error::CreateError;

/// How to make a torrent.
///
/// The same content and the same options give the same bytes, on every machine, and no clock is
/// read. Files of a v1 torrent come in the order of their whole paths as bytes, as mktorrent and
/// transmission have it; those of the others in the order of the file tree, element by element.
///
/// # Defaults
///
/// | option | default |
/// |---|---|
/// | [`version`](Self::version) | v1 |
/// | [`piece_length`](Self::piece_length) | by the size of the content: [`default_piece_length`](Self::default_piece_length) |
/// | [`name`](Self::name) | of the file or folder |
/// | [`threads`](Self::threads) | 1 |
/// | all others | left out |
///
/// ```
/// use std::ops::ControlFlow;
/// use tinytorrent_metainfo::{CreateOptions, Version};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.bin");
/// std::fs::write(&path, [7; 100_000])?;
/// let mut options = CreateOptions::new();
/// options.version(Version::Hybrid).tracker("http://tracker.example/announce");
/// let metainfo = options.create(&path, &|progress| {
///     println!("{} of {} bytes", progress.done, progress.total);
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(metainfo.info().name(), "a.bin");
/// std::fs::write(folder.path().join("a.torrent"), metainfo.to_bytes())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CreateOptions {
    version: Version,
    piece_length: Option<u32>,
    name: Option<String>,
    is_private: bool,
    source: Option<String>,
    threads: usize,
    tiers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    nodes: Vec<HostPort>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
}

impl CreateOptions {
    /// A v1 torrent without trackers; see the type for all defaults.
    pub fn new() -> Self {
        Self {
            version: Version::V1,
            piece_length: None,
            name: None,
            is_private: false,
            source: None,
            threads: 1,
            tiers: Vec::new(),
            web_seeds: Vec::new(),
            nodes: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
        }
    }

    /// Which format. Hybrid torrents reach peers of both kinds, and cost padding files.
    pub fn version(&mut self, version: Version) -> &mut Self {
        self.version = version;
        self
    }

    /// Bytes of a piece. More makes a smaller torrent; less lets peers share sooner what they have.
    ///
    /// # Errors
    /// Not a power of two of 16 KiB to 256 MiB.
    pub fn piece_length(&mut self, bytes: u64) -> Result<&mut Self, CreateError> {
        let valid = u32::try_from(bytes).ok().filter(|&bytes| is_piece_length(bytes));
        self.piece_length = Some(valid.ok_or(CreateError::PieceLength { found: bytes })?);
        Ok(self)
    }

    /// The name within the torrent, in place of the file's or folder's own.
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        self.name = Some(name.into());
        self
    }

    /// Whether peers may come from the trackers only (BEP 27).
    pub fn private(&mut self, is_private: bool) -> &mut Self {
        self.is_private = is_private;
        self
    }

    /// `source`, which gives the torrent an info-hash of its own.
    pub fn source(&mut self, source: impl Into<String>) -> &mut Self {
        self.source = Some(source.into());
        self
    }

    /// Threads that read and hash. More than two or three wait for memory.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads;
        self
    }

    /// One more tracker, in a tier of its own.
    pub fn tracker(&mut self, url: impl Into<String>) -> &mut Self {
        self.tier([url])
    }

    /// One more tier of trackers (BEP 12).
    pub fn tier(&mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        self.tiers.push(urls.into_iter().map(Into::into).collect());
        self
    }

    /// One more web seed (BEP 19).
    pub fn web_seed(&mut self, url: impl Into<String>) -> &mut Self {
        self.web_seeds.push(url.into());
        self
    }

    /// One more node of the DHT to start from (BEP 5).
    pub fn node(&mut self, node: HostPort) -> &mut Self {
        self.nodes.push(node);
        self
    }

    /// What to say about it.
    pub fn comment(&mut self, comment: impl Into<String>) -> &mut Self {
        self.comment = Some(comment.into());
        self
    }

    /// The program that makes it.
    pub fn created_by(&mut self, program: impl Into<String>) -> &mut Self {
        self.created_by = Some(program.into());
        self
    }

    /// When it is made, in seconds since 1970.
    pub fn creation_date(&mut self, seconds: i64) -> &mut Self {
        self.creation_date = Some(seconds);
        self
    }

    /// The piece length that is chosen for content of this many bytes: the power of two that makes
    /// at most 2,048 pieces, from 16 KiB to 16 MiB.
    pub const fn default_piece_length(total: u64) -> u32 {
        let mut length = 16 * 1024;
        while length < 16 << 20 && total.div_ceil(length as u64) > 2048 {
            length *= 2;
        }
        length
    }

    /// Reads and hashes the file or folder at `path`.
    ///
    /// Symbolic links are followed. Memory is a megabyte a thread and the hashes, whatever the size
    /// of the content.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create(&self, path: &Path, observer: Observer<'_>) -> Result<Metainfo, CreateError> {
        let order = if self.version.has_v2() { scan::Order::Tree } else { scan::Order::Path };
        let content = scan::scan(path, order)?;
        let name = self.name.clone().map_or(content.name.clone(), String::into_bytes);
        let total = content.files.iter().map(|file| file.length).sum();
        let piece_length = self.piece_length.unwrap_or(Self::default_piece_length(total));
        let plan = info::Plan::new(self, &content, &name, piece_length)?;
        let digests = self.hash(&plan, observer)?;
        let (info, layers) = plan.encode(self, &digests);
        let mut metainfo = Metainfo::with_layers(read_back(&info)?, layers);
        self.describe(&mut metainfo);
        Ok(metainfo)
    }

    fn hash(
        &self,
        plan: &info::Plan<'_>,
        observer: Observer<'_>,
    ) -> Result<Vec<Digest>, CreateError> {
        let count = plan.layout.geometry().piece_count() as usize;
        let state = Mutex::new((vec![Digest::default(); count], None));
        let hashing = Hashing {
            layout: &plan.layout,
            version: self.version,
            open: &|file| std::fs::File::open(plan.path(file)).map_err(FaultKind::Io),
            threads: self.threads,
            observer: &|progress| {
                let has_failed = state.lock().is_ok_and(|state| state.1.is_some());
                if has_failed { core::ops::ControlFlow::Break(()) } else { observer(progress) }
            },
        };
        let is_done = hashing.run(&|piece: PieceIndex, outcome: Result<Digest, Fault>| {
            // A thread that panics ends the scope, so nobody sees a poisoned lock.
            let Ok(mut state) = state.lock() else { return };
            match outcome {
                Ok(digest) => state.0[piece.as_usize()] = digest,
                Err(fault) => state.1 = state.1.take().or(Some(fault)),
            }
        });
        let (digests, fault) = state.into_inner().unwrap_or_default();
        match fault {
            Some(fault) => Err(CreateError::content(plan.path(fault.file), fault.kind)),
            None if !is_done => Err(CreateError::Cancelled),
            None => Ok(digests),
        }
    }

    fn describe(&self, metainfo: &mut Metainfo) {
        metainfo
            .set_trackers(self.tiers.clone())
            .set_web_seeds(self.web_seeds.clone())
            .set_nodes(self.nodes.clone())
            .set_comment(self.comment.clone())
            .set_created_by(self.created_by.clone())
            .set_creation_date(self.creation_date);
    }
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What we write is read as strictly as anything from elsewhere.
fn read_back(info: &[u8]) -> Result<std::sync::Arc<Info>, CreateError> {
    let mut options = ReadOptions::strict();
    options.max_pieces(u32::MAX).max_bytes(usize::MAX).max_nodes(usize::MAX);
    options.read_info(info).map_err(CreateError::Unreadable)
}

/// The limits of all deployed readers together.
fn is_piece_length(bytes: u32) -> bool {
    bytes.is_power_of_two() && (16 << 10..=256 << 20).contains(&bytes)
}
