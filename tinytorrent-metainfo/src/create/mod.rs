//! Creation of torrents from files on disk.

mod attributes;
mod content;
mod error;
mod exclude;
mod info;
mod joined;
mod links;
mod note;
mod plan;
mod scan;
mod source;
mod tree;
mod walk;

use std::path::Path;

use crate::content::Observer;
use crate::{HostPort, Metainfo, Version};

use exclude::Exclusions;
use scan::{scan, scan_list};

pub use error::{CreateError, NameFault, Refusal, RefusalReason, Refusals};
pub use links::LinkPolicy;
pub use note::{CreateNote, CreateNoteKind};
pub use plan::{CreatePlan, OutputConflict};

/// Settings of a torrent that is to be created.
///
/// The same content and options give the same bytes on every machine; no clock is read. Files of a v1
/// torrent are sorted by their whole paths as bytes, as in mktorrent and transmission. Files of other
/// torrents are sorted element by element, which is the order of the file tree.
///
/// # Defaults
///
/// | option | default |
/// |---|---|
/// | [`version`](Self::version) | v1 |
/// | [`piece_length`](Self::piece_length) | by the size of the content: [`default_piece_length`](Self::default_piece_length) |
/// | [`name`](Self::name) | of the file or folder |
/// | [`links`](Self::links) | [`LinkPolicy::Keep`] |
/// | [`exclude`](Self::exclude) | nothing |
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
    links: LinkPolicy,
    exclusions: Exclusions,
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
    /// Creates the default settings: a v1 torrent without trackers. See the type for all defaults.
    pub fn new() -> Self {
        Self {
            version: Version::V1,
            piece_length: None,
            name: None,
            links: LinkPolicy::default(),
            exclusions: Exclusions::default(),
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

    /// The format. Hybrid torrents reach v1 and v2 peers, but need padding files.
    pub fn version(&mut self, version: Version) -> &mut Self {
        self.version = version;
        self
    }

    /// Bytes of a piece. Larger pieces make a smaller torrent; smaller pieces can be shared sooner.
    ///
    /// # Errors
    /// The length is not a power of two from 16 KiB to 256 MiB.
    pub fn piece_length(&mut self, bytes: u64) -> Result<&mut Self, CreateError> {
        let valid = u32::try_from(bytes).ok().filter(|&bytes| is_piece_length(bytes));
        self.piece_length = Some(valid.ok_or(CreateError::PieceLength { found: bytes })?);
        Ok(self)
    }

    /// The name in the torrent, in place of that of the file or folder. It has to be a possible name of
    /// a file; see [`NameFault`].
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        self.name = Some(name.into());
        self
    }

    /// The treatment of symbolic links below the folder.
    pub fn links(&mut self, links: LinkPolicy) -> &mut Self {
        self.links = links;
        self
    }

    /// Leaves out the files, links and folders that match a pattern, with all that is in such a folder.
    /// [`CreatePlan::notes`] tells of them. Each call adds a pattern.
    ///
    /// In a pattern `*` stands for any characters of a name, and `?` for one character. A pattern without
    /// `/`, such as `*.part`, is compared with each name; one with `/`, such as `/drafts` or `a/*.txt`, with
    /// the path below the folder. Case counts.
    pub fn exclude(&mut self, pattern: impl Into<String>) -> &mut Self {
        self.exclusions.push(pattern.into());
        self
    }

    /// Restricts peers to those from the trackers (BEP 27).
    pub fn private(&mut self, is_private: bool) -> &mut Self {
        self.is_private = is_private;
        self
    }

    /// `source`, a text that gives the torrent another info-hash than the same content elsewhere.
    pub fn source(&mut self, source: impl Into<String>) -> &mut Self {
        self.source = Some(source.into());
        self
    }

    /// Threads that read and hash. More than two or three would wait for memory.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads;
        self
    }

    /// Adds a tracker in a tier of its own.
    pub fn tracker(&mut self, url: impl Into<String>) -> &mut Self {
        self.tier([url])
    }

    /// Adds a tier of trackers (BEP 12).
    pub fn tier(&mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        self.tiers.push(urls.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a web seed (BEP 19).
    pub fn web_seed(&mut self, url: impl Into<String>) -> &mut Self {
        self.web_seeds.push(url.into());
        self
    }

    /// Adds a node of the DHT to start from (BEP 5).
    pub fn node(&mut self, node: HostPort) -> &mut Self {
        self.nodes.push(node);
        self
    }

    /// The comment.
    pub fn comment(&mut self, comment: impl Into<String>) -> &mut Self {
        self.comment = Some(comment.into());
        self
    }

    /// The name of the program that creates the torrent.
    pub fn created_by(&mut self, program: impl Into<String>) -> &mut Self {
        self.created_by = Some(program.into());
        self
    }

    /// The date of creation in seconds since 1970.
    pub fn creation_date(&mut self, seconds: i64) -> &mut Self {
        self.creation_date = Some(seconds);
        self
    }

    /// The default piece length for content of this many bytes: the smallest power of two from 16 KiB to
    /// 16 MiB that makes at most 2,048 pieces.
    pub const fn default_piece_length(total: u64) -> u32 {
        let mut length = 16 * 1024;
        while length < 16 << 20 && total.div_ceil(length as u64) > 2048 {
            length *= 2;
        }
        length
    }

    /// Finds the files for a torrent of the file or folder at `path`, and checks that each can be read.
    /// Nothing is hashed.
    ///
    /// Executable bits are kept (BEP 47). Pipes, sockets, devices and empty folders are left out; see
    /// [`CreatePlan::notes`].
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn plan(&self, path: &Path) -> Result<CreatePlan, CreateError> {
        CreatePlan::new(self.clone(), scan(path, self)?)
    }

    /// Takes files from anywhere for a torrent, each with its path below the torrent's name, elements joined
    /// with `/`. Checks that each can be read; nothing is hashed.
    ///
    /// The torrent is a folder of the [`name`](Self::name) that the options must have. Links in the list are
    /// followed. To seed the torrent, its files have to be brought to these paths.
    ///
    /// ```
    /// use tinytorrent_metainfo::CreateOptions;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (one, two) = (tempfile::tempdir()?, tempfile::tempdir()?);
    /// # let (notes, track) = (one.path().join("notes-2.txt"), two.path().join("0001.flac"));
    /// # std::fs::write(&notes, [7; 10])?;
    /// # std::fs::write(&track, [7; 100_000])?;
    /// let files = [("notes.txt", notes), ("disc 1/track 1.flac", track)];
    /// let plan = CreateOptions::new().name("album").plan_files(files)?;
    /// let metainfo = plan.create_unobserved()?;
    /// let paths: Vec<_> = metainfo.layout().files().map(|file| file.path.to_string()).collect();
    /// assert_eq!(paths, ["album/disc 1/track 1.flac", "album/notes.txt"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`CreateError`]: among them no name, a path that cannot be that of a file or is there twice, and
    /// folders in the list.
    pub fn plan_files<N: AsRef<str>, P: AsRef<Path>>(
        &self,
        files: impl IntoIterator<Item = (N, P)>,
    ) -> Result<CreatePlan, CreateError> {
        CreatePlan::new(self.clone(), scan_list(files, self)?)
    }

    /// Reads and hashes the file or folder at `path`: [`plan`](Self::plan) and
    /// [`CreatePlan::create`] in one.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create(&self, path: &Path, observer: Observer<'_>) -> Result<Metainfo, CreateError> {
        self.plan(path)?.create(observer)
    }

    /// Reads and hashes the file or folder at `path`, which nothing interrupts.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create_unobserved(&self, path: impl AsRef<Path>) -> Result<Metainfo, CreateError> {
        self.plan(path.as_ref())?.create_unobserved()
    }

    /// Sets the keys beside the info dictionary.
    fn set_outer_keys(&self, metainfo: &mut Metainfo) {
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

/// Returns true for a piece length that all readers in use accept.
fn is_piece_length(bytes: u32) -> bool {
    bytes.is_power_of_two() && (16 << 10..=256 << 20).contains(&bytes)
}
