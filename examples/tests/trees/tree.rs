use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tinytorrent_folder::{Folder, Mode};
use tinytorrent_metainfo::{LinkPolicy, Version};

use crate::names::{deep, name};
use crate::random::Random;

/// A folder, or a file in one, of which a torrent is to be made, and the knowledge of what is in it.
#[derive(Debug)]
pub(crate) struct Tree {
    parent: PathBuf,
    name: String,
    is_single_file: bool,
    folder: Folder,
    /// By path below the folder.
    items: BTreeMap<Vec<String>, Item>,
    /// Things that no torrent can hold.
    refused: BTreeSet<PathBuf>,
    folders: BTreeSet<Vec<String>>,
}

#[derive(Debug)]
enum Item {
    File {
        length: u64,
        is_executable: bool,
    },
    /// A link with its target below the folder.
    Link(Vec<String>),
    Other,
}

/// The outcome of making a torrent.
#[derive(Debug)]
pub(crate) enum Expected {
    /// Sorted by path, which begins with the torrent's name.
    Files(Vec<Entry>),
    /// The paths, sorted.
    Refused(Vec<PathBuf>),
    Nothing,
}

/// A file of a torrent as far as a folder tells of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) path: Vec<String>,
    pub(crate) length: u64,
    pub(crate) is_executable: bool,
    pub(crate) target: Option<Vec<String>>,
}

impl Tree {
    /// Makes a folder below `place`, which is empty.
    pub(crate) fn grow(place: &Path, random: &mut Random) -> Self {
        let name = name(random);
        let folder = Folder::create(&place.join(&name)).unwrap();
        let mut tree = Self {
            parent: place.to_owned(),
            name,
            is_single_file: false,
            folder,
            items: BTreeMap::new(),
            refused: BTreeSet::new(),
            folders: BTreeSet::from([Vec::new()]),
        };
        for _ in 0..random.below(9) {
            tree.add(random);
        }
        if random.once_in(8) {
            tree.become_single_file(random);
        }
        tree
    }

    /// The path to make a torrent of.
    pub(crate) fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// The folder that holds the content.
    pub(crate) fn parent(&self) -> &Path {
        &self.parent
    }

    pub(crate) fn expect(&self, version: Version, links: LinkPolicy) -> Expected {
        if !self.is_single_file {
            let is_outside = |path: &&PathBuf| {
                let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
                links == LinkPolicy::Keep || !is_link
            };
            let refused: Vec<PathBuf> = self.refused.iter().filter(is_outside).cloned().collect();
            if !refused.is_empty() {
                return Expected::Refused(refused);
            }
        }
        let entries: Vec<Entry> =
            self.items.iter().filter_map(|(path, item)| self.entry(path, item, links)).collect();
        if entries.iter().all(|entry| entry.length == 0) {
            return Expected::Nothing;
        }
        if version.has_v1() && !self.is_single_file {
            let is_pad = |name: &String| name.starts_with("_____padding_file_");
            let pads = entries.iter().filter(|entry| entry.path[1..].iter().any(is_pad));
            let pads: Vec<PathBuf> =
                pads.map(|entry| self.parent.join(entry.path.join("/"))).collect();
            if !pads.is_empty() {
                return Expected::Refused(pads);
            }
        }
        Expected::Files(entries)
    }

    fn entry(&self, path: &[String], item: &Item, links: LinkPolicy) -> Option<Entry> {
        let below = |path: &[String]| [std::slice::from_ref(&self.name), path].concat();
        let path = if self.is_single_file { below(&[]) } else { below(path) };
        match item {
            Item::File { length, is_executable } => {
                Some(Entry { path, length: *length, is_executable: *is_executable, target: None })
            }
            Item::Link(target) if links == LinkPolicy::Keep => {
                Some(Entry { path, length: 0, is_executable: false, target: Some(below(target)) })
            }
            _ => None,
        }
    }

    /// Changes a byte of the largest file.
    pub(crate) fn damage(&self) {
        let length = |item: &Item| match item {
            Item::File { length, .. } => *length,
            _ => 0,
        };
        let (path, item) = self.items.iter().max_by_key(|(_, item)| length(item)).unwrap();
        let path = match self.is_single_file {
            true => std::slice::from_ref(&self.name),
            false => path,
        };
        let mut file = self.folder.create_file(bytes(path), Mode::Data).unwrap();
        file.seek(SeekFrom::Start(length(item) / 2)).unwrap();
        // Content is made of letters and of holes.
        file.write_all(b"\xff").unwrap();
    }

    fn add(&mut self, random: &mut Random) {
        let Some(path) = self.free_path(random) else { return };
        match random.below(40) {
            0..26 => self.add_file(path, random),
            26..32 => self.add_link(path, random),
            32..35 => self.add_empty_folder(&path),
            35..37 => self.add_socket(path),
            37 => self.add_unholdable(random),
            38 => self.add_padding(path, random),
            _ => self.add_locked(path),
        }
    }

    /// A path at which nothing is, below folders that are or can be made.
    fn free_path(&mut self, random: &mut Random) -> Option<Vec<String>> {
        let known: Vec<&Vec<String>> = self.folders.iter().collect();
        let mut path = (*random.choose(&known)).clone();
        if random.once_in(30) {
            path.extend(deep(random));
        }
        for _ in 0..random.below(3) {
            path.push(name(random));
        }
        path.push(name(random));
        let is_taken = |length: usize| self.items.contains_key(&path[..length]);
        let is_free =
            path.len() <= 100 && !(1..=path.len()).any(is_taken) && !self.folders.contains(&path);
        is_free.then_some(path)
    }

    fn add_file(&mut self, path: Vec<String>, random: &mut Random) {
        let length =
            *random.choose(&[0, 0, 1, 100, 100, 16_383, 16_384, 16_385, 32_768, 50_000, 100_000]);
        let is_executable = random.once_in(5);
        let is_sparse = random.once_in(4);
        let mode = if is_executable { Mode::Executable } else { Mode::Data };
        let mut file = self.folder.create_file(bytes(&path), mode).unwrap();
        file.set_len(length).unwrap();
        if !is_sparse {
            let line = [b'a' + random.below(26) as u8; 1000];
            let content = line.repeat(length as usize / line.len() + 1);
            file.write_all(&content[..length as usize]).unwrap();
        }
        self.insert(path, Item::File { length, is_executable });
    }

    fn add_link(&mut self, path: Vec<String>, random: &mut Random) {
        let folders = self.folders.iter().filter(|folder| !folder.is_empty());
        let mut targets: Vec<Vec<String>> = self.items.keys().chain(folders).cloned().collect();
        targets.push(vec!["nowhere".to_owned(), name(random)]);
        let target = random.choose(&targets).clone();
        if target == path || target.starts_with(&path) {
            return;
        }
        let up = "../".repeat(path.len() - 1);
        let text = format!("{}{up}{}", ["", "./"][random.below(2)], target.join("/"));
        // The system's limit for the text of a link.
        if text.len() < 4096 {
            self.folder.create_link(bytes(&path), Path::new(&text)).unwrap();
            self.insert(path, Item::Link(target));
        }
    }

    fn add_empty_folder(&mut self, path: &[String]) {
        // The only folders that the system makes for us are those around files.
        let probe: Vec<String> = [path, &["probe".to_owned()]].concat();
        self.folder.create_file(bytes(&probe), Mode::Data).unwrap();
        self.folder.remove(bytes(&probe)).unwrap();
        for length in 1..=path.len() {
            self.folders.insert(path[..length].to_vec());
        }
    }

    /// Sockets, as pipes and devices, have no content.
    fn add_socket(&mut self, path: Vec<String>) {
        let full = self.folder.path_of(bytes(&path));
        let parent = full.parent().expect("a path below a folder");
        if path.len() > 1 && fs::create_dir_all(parent).is_err() {
            return;
        }
        // Names of sockets are short, those of their folders need not be.
        let short = tempfile::tempdir().unwrap();
        let socket = short.path().join("s");
        let _listener = UnixListener::bind(&socket).unwrap();
        for length in 1..path.len() {
            self.folders.insert(path[..length].to_vec());
        }
        if fs::rename(&socket, &full).is_ok() {
            self.insert(path, Item::Other);
        }
    }

    /// Something that stands against a torrent.
    fn add_unholdable(&mut self, random: &mut Random) {
        let at = |name: &str| self.path().join(name);
        let path = match random.below(4) {
            0 => {
                let name = std::ffi::OsString::from_vec(b"caf\xe9".to_vec());
                let path = self.path().join(name);
                fs::write(&path, b"x").unwrap();
                path
            }
            other => {
                let (name, target) =
                    [("absolute", "/etc"), ("out", "../../x"), ("root", ".")][other - 1];
                if fs::symlink_metadata(at(name)).is_err() {
                    std::os::unix::fs::symlink(target, at(name)).unwrap();
                }
                at(name)
            }
        };
        self.refused.insert(path);
    }

    fn add_padding(&mut self, path: Vec<String>, random: &mut Random) {
        if random.once_in(3) {
            let path = [path, vec!["_____padding_file_0_".to_owned()]].concat();
            self.add_file(path, random);
        }
    }

    /// A file that cannot be read, but by root.
    fn add_locked(&mut self, path: Vec<String>) {
        use std::os::unix::fs::PermissionsExt;
        let full = self.folder.path_of(bytes(&path));
        let file = self.folder.create_file(bytes(&path), Mode::Data).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o000)).unwrap();
        if self.folder.open_file(bytes(&path)).is_ok() {
            self.insert(path, Item::File { length: 0, is_executable: false });
        } else {
            self.insert(path, Item::Other);
            self.refused.insert(full);
        }
    }

    fn insert(&mut self, path: Vec<String>, item: Item) {
        for length in 1..path.len() {
            self.folders.insert(path[..length].to_vec());
        }
        self.items.insert(path, item);
    }

    /// Takes one of the files for the whole.
    fn become_single_file(&mut self, random: &mut Random) {
        let files = self
            .items
            .iter()
            .filter(|(path, item)| matches!(item, Item::File { .. }) && path.concat().len() < 2000);
        let files: Vec<Vec<String>> = files.map(|(path, _)| path.clone()).collect();
        if files.is_empty() {
            return;
        }
        let mut path = random.choose(&files).clone();
        self.items.retain(|other, _| *other == path);
        let name = path.pop().expect("a path has a name");
        self.parent = self.path().join(path.join("/"));
        self.folder = Folder::open(&self.parent).unwrap();
        self.name = name;
        self.is_single_file = true;
    }
}

fn bytes(path: &[String]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    path.iter().map(String::as_bytes)
}
