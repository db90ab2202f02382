use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tinytorrent_folder::Folder;
use tinytorrent_metainfo::{
    DiskPaths, File, FileSpan, Info, Layout, LinkTarget, PathPolicy, SafePath, Trying,
};

use tinytorrent_types::InfoHashes;

use super::{Target, names, names::Names, options::Manner, rename::finish_renames};
use crate::{FilePool, FileStamp, StorageError, parts::Placement};

/// The places of a torrent's files: their folder, their names in it, and those whose data is in the part
/// file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) root: Arc<Folder>,
    pub(super) paths: DiskPaths,
    pub(super) placement: Placement,
    /// The files were deleted, and are not to be created again.
    pub(super) is_removed: bool,
}

/// The owner of the layout. A layout of 100,000 files is too large to be copied.
#[derive(Debug)]
pub(super) enum Shape {
    Layout(Arc<Layout>),
    Info(Arc<Info>),
}

impl Place {
    pub(super) fn open(layout: &Layout, root: &Path, manner: Manner) -> Result<Self, StorageError> {
        if manner.read_only {
            let mut root = Folder::open(root)?;
            root.follow_links(manner.follow_links);
            // A trial of a name creates a file.
            let paths = DiskPaths::find(layout, &root, Trying::Never)?;
            return Ok(Self::new(root, paths));
        }
        let root = Folder::create(root)?;
        let paths = DiskPaths::find(layout, &root, Trying::IfMissing)?;
        refuse_renamed(layout, &root, &paths)?;
        let place = Self::new(root, paths);
        place.refuse_reserved(layout)?;
        Ok(place)
    }

    /// An error if the torrent has a file with the name of a record: what a stranger wrote there would count
    /// for another torrent in the same folder.
    fn refuse_reserved(&self, layout: &Layout) -> Result<(), StorageError> {
        let mut files = layout.files().filter(|file| !file.is_pad());
        match files.find(|file| names::is_reserved(self.path(file))) {
            Some(file) => Err(StorageError::ReservedName { path: self.full_path(&file) }),
            None => Ok(()),
        }
    }

    fn new(root: Folder, paths: DiskPaths) -> Self {
        Self { root: Arc::new(root), paths, placement: Placement::default(), is_removed: false }
    }

    /// Takes over the names that the user has given to files.
    pub(super) fn read_names(
        &mut self,
        identity: &InfoHashes,
        layout: &Layout,
        manner: Manner,
        pool: &FilePool,
    ) -> Result<(), StorageError> {
        let names = Names::load(&self.root, identity, layout, pool)?;
        self.paths = names.apply(layout, self.paths.clone());
        if manner.read_only { Ok(()) } else { finish_renames(self, names, identity, layout) }
    }

    /// An error if the files were deleted.
    pub(super) fn refuse_removed(&self) -> Result<(), StorageError> {
        if self.is_removed { Err(StorageError::Removed) } else { Ok(()) }
    }

    /// The path of a file below the root.
    pub(super) fn path<'a>(&'a self, file: &File<'a>) -> SafePath<'a> {
        self.paths.path(file)
    }

    pub(super) fn full_path(&self, file: &File<'_>) -> PathBuf {
        self.path(file).below(self.root.path())
    }

    pub(super) fn link_target(&self, layout: &Layout, file: &File<'_>) -> Option<LinkTarget> {
        self.paths.link_target(layout, file)
    }

    pub(super) fn stamp(&self, file: &File<'_>) -> Result<Option<FileStamp>, StorageError> {
        Ok(self.root.stamp(self.path(file).elements())?)
    }

    /// The file on disk that has the span, and its offset there.
    pub(super) fn locate(&self, layout: &Layout, span: FileSpan) -> (Target, u64) {
        if self.placement.is_in_file(span.file) {
            return (Target::File(span.file.get()), span.offset);
        }
        let start = layout.file(span.file.get()).map_or(0, |file| file.offset);
        (Target::Parts, start + span.offset)
    }
}

/// An error if a file has another name than in the torrent, which [`PathPolicy::Exact`] forbids.
fn refuse_renamed(layout: &Layout, root: &Folder, paths: &DiskPaths) -> Result<(), StorageError> {
    let renamed = paths.renamed().first().and_then(|file| layout.file(file.get()));
    match renamed {
        Some(file) if layout.path_policy() == PathPolicy::Exact => {
            Err(StorageError::NameNotHeld { path: file.path.below(root.path()) })
        }
        _ => Ok(()),
    }
}

impl Shape {
    pub(super) fn layout(&self) -> &Layout {
        match self {
            Shape::Layout(layout) => layout,
            Shape::Info(info) => info.layout(),
        }
    }
}
