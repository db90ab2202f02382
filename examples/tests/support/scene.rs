//! The folders of one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::content::{Content, Version};

/// A temporary folder with the content to share, its torrent, and room for the leechers.
pub struct Scene {
    folder: TempDir,
    /// The content that is exchanged.
    pub content: Content,
    trackers: Vec<String>,
}

impl Scene {
    /// A scene whose torrent names no tracker yet.
    pub fn new(content: Content) -> Self {
        let folder = tempfile::Builder::new().prefix("tinytorrent-").tempdir().unwrap();
        // opentracker gives its rights away before it reads its whitelist.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let scene = Self { folder, content, trackers: Vec::new() };
        scene.content.write_to(&scene.room("seed"));
        scene.write_torrent();
        scene
    }

    /// Puts trackers into the torrent and its magnet link, one a tier.
    pub fn announce_to(&mut self, trackers: &[&str]) {
        self.trackers = trackers.iter().map(|url| (*url).to_owned()).collect();
        self.write_torrent();
    }

    /// The root of all folders of the scene.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder of this name, made when it is not there.
    pub fn room(&self, name: &str) -> PathBuf {
        let room = self.path().join(name);
        fs::create_dir_all(&room).unwrap();
        room
    }

    /// The folder that holds the complete content.
    pub fn seed_dir(&self) -> PathBuf {
        self.room("seed")
    }

    /// The .torrent file.
    pub fn torrent(&self) -> PathBuf {
        self.path().join("content.torrent")
    }

    /// The magnet link, with the trackers of the torrent.
    pub fn magnet(&self) -> String {
        self.content.magnet(&self.trackers)
    }

    /// The torrent by its file or by a magnet link.
    pub fn source(&self, source: Source) -> String {
        match source {
            Source::Torrent => self.torrent().to_str().expect("temporary paths are text").into(),
            Source::Magnet => self.magnet(),
            Source::MagnetOf(version) => self.content.magnet_of(version, &self.trackers),
        }
    }

    /// Fails the test unless `folder` holds the whole content.
    #[track_caller]
    pub fn assert_complete(&self, folder: &Path) {
        if let Some(difference) = self.content.difference(folder) {
            panic!("wrong content in {}: {difference}", folder.display());
        }
    }

    fn write_torrent(&self) {
        fs::write(self.torrent(), self.content.torrent(&self.trackers)).unwrap();
    }
}

/// The source that a leecher is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Torrent,
    Magnet,
    /// By the hash of this version alone.
    MagnetOf(Version),
}
