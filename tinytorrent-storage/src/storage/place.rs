use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tinytorrent_folder::Folder;
use tinytorrent_metainfo::{
    DiskPaths, File, Info, Layout, LinkTarget, PathChange, PathPolicy, SafePath, Trying,
};

use super::StorageOptions;
use crate::{FileStamp, StorageError};

/// The files of a torrent in their folder, with their names on disk.
#[derive(Debug)]
pub(super) struct Place {
    shape: Shape,
    root: Folder,
    paths: DiskPaths,
}

/// The owner of the layout. A layout of 100,000 files is too large to be copied.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Layout(Arc<Layout>),
    Info(Arc<Info>),
}

impl Place {
    pub(super) fn open(
        shape: Shape,
        root: &Path,
        options: &StorageOptions,
    ) -> Result<Self, StorageError> {
        if options.read_only {
            let mut root = Folder::open(root)?;
            root.follow_links(options.follow_links);
            // A trial of a name creates a file.
            let paths = DiskPaths::find(shape.layout(), &root, Trying::Never)?;
            return Ok(Self { shape, root, paths });
        }
        let root = Folder::create(root)?;
        let paths = DiskPaths::find(shape.layout(), &root, Trying::IfMissing)?;
        let place = Self { shape, root, paths };
        place.refuse_renamed()?;
        Ok(place)
    }

    /// An error if a file has another name than in the torrent, which [`PathPolicy::Exact`] forbids.
    fn refuse_renamed(&self) -> Result<(), StorageError> {
        let layout = self.layout();
        let renamed = self.paths.renamed().first().and_then(|file| layout.file(file.get()));
        match renamed {
            Some(file) if layout.path_policy() == PathPolicy::Exact => {
                Err(StorageError::NameNotHeld { path: file.path.below(self.root.path()) })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn layout(&self) -> &Layout {
        self.shape.layout()
    }

    pub(super) fn root(&self) -> &Folder {
        &self.root
    }

    /// The path of a file below the root.
    pub(super) fn path<'a>(&'a self, file: &File<'a>) -> SafePath<'a> {
        self.paths.path(file)
    }

    pub(super) fn full_path(&self, file: &File<'_>) -> PathBuf {
        self.path(file).below(self.root.path())
    }

    pub(super) fn link_target(&self, file: &File<'_>) -> Option<LinkTarget> {
        self.paths.link_target(self.layout(), file)
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = PathChange> {
        self.paths.changes(self.layout())
    }

    pub(super) fn stamp(&self, file: &File<'_>) -> Result<Option<FileStamp>, StorageError> {
        Ok(self.root.stamp(self.path(file).elements())?)
    }

    /// The path of the file or the folder with the torrent's name.
    pub(super) fn content_path(&self) -> Option<PathBuf> {
        let file = self.layout().files().find(|file| !file.is_pad())?;
        let path = self.path(&file).to_path_buf();
        Some(self.root.path().join(path.components().next()?))
    }
}

impl Shape {
    fn layout(&self) -> &Layout {
        match self {
            Shape::Layout(layout) => layout,
            Shape::Info(info) => info.layout(),
        }
    }
}
