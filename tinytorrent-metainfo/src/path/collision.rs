use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

use unicode_normalization::UnicodeNormalization;

use super::element::{MAX_ELEMENT, shorten};
use super::{PathArena, PathPolicy};

/// What [`resolve`] found.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The files whose path had to change, ascending, with the path they had.
    pub(crate) renamed: Vec<(u32, Vec<u8>)>,
    /// All paths, no two alike.
    pub(crate) paths: PathArena,
}

/// Gives each file a path of its own: the first in order keeps it, a later one gets a number, and
/// so does a file in the place of a folder. `None` if that would take too long, which only paths
/// made for the purpose bring about.
///
/// Paths are compared by a hash of 64 bits, keyed with `seed` so that nobody can aim at it; two
/// that meet by chance cost one of them its name, not its safety.
///
/// Paths for which `exempt` holds are never written, so they collide with nothing.
pub(crate) fn resolve(
    paths: PathArena,
    policy: PathPolicy,
    seed: &[u8],
    exempt: impl Fn(usize) -> bool,
) -> Option<Resolved> {
    let count = paths.len();
    let mut taken = Taken::new(policy, seed, count);
    // All folders have to be known before a file can take a path.
    let hashes: Vec<Option<u64>> = (0..count)
        .map(|index| (!exempt(index)).then(|| taken.add(paths.get(index).as_bytes())))
        .collect();
    let clashes = hashes.into_iter().enumerate();
    let clashes: Vec<usize> =
        clashes.filter_map(|(index, hash)| (!taken.claim(hash?)).then_some(index)).collect();
    if clashes.is_empty() {
        return Some(Resolved { renamed: Vec::new(), paths });
    }
    let renames = rename(&paths, &clashes, &mut taken)?;
    let rebuilt = rebuild(&paths, &clashes, &renames)?;
    let before = |index: &usize| (*index as u32, paths.get(*index).as_bytes().to_vec());
    Some(Resolved { renamed: clashes.iter().map(before).collect(), paths: rebuilt })
}

/// New paths for the files that clash, in their order.
fn rename(paths: &PathArena, clashes: &[usize], taken: &mut Taken) -> Option<Vec<Vec<u8>>> {
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let mut attempts = 10_000 + 4 * clashes.len();
    let mut rename_one = |index: usize| {
        let path = paths.get(index).as_bytes();
        let number = numbers.entry(taken.names.path(path)).or_default();
        loop {
            attempts = attempts.checked_sub(1)?;
            *number += 1;
            let candidate = numbered(path, *number);
            let hash = taken.names.path(&candidate);
            if taken.claim(hash) {
                return Some(candidate);
            }
        }
    };
    clashes.iter().map(|&index| rename_one(index)).collect()
}

/// `dir/a.txt` becomes `dir/a.1.txt`, cut where the element would grow too long.
fn numbered(path: &[u8], number: u32) -> Vec<u8> {
    let name = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let dot = path[name..].iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    let (stem, extension) = path.split_at(dot.map_or(path.len(), |dot| name + dot));
    let number = format!(".{number}");
    // An extension that fills the name is none.
    let (stem, extension) = if extension.len() + number.len() < MAX_ELEMENT {
        (stem, extension)
    } else {
        (path, &path[path.len()..])
    };
    let mut renamed = stem.to_vec();
    shorten(&mut renamed, name, MAX_ELEMENT - number.len() - extension.len());
    renamed.extend_from_slice(number.as_bytes());
    renamed.extend_from_slice(extension);
    renamed
}

fn rebuild(paths: &PathArena, clashes: &[usize], renames: &[Vec<u8>]) -> Option<PathArena> {
    let mut rebuilt = PathArena::default();
    let mut renames = clashes.iter().copied().zip(renames).peekable();
    for index in 0..paths.len() {
        let renamed = renames.next_if(|(clash, _)| *clash == index);
        let path = renamed.map_or(paths.get(index).as_bytes(), |(_, path)| path);
        rebuilt.open().extend_from_slice(path);
        if !rebuilt.close() {
            return None;
        }
    }
    rebuilt.shrink();
    Some(rebuilt)
}

/// The hashes of all paths that are in use.
struct Taken {
    names: Names,
    folders: HashSet<u64, BuildHasherDefault<Identity>>,
    files: HashSet<u64, BuildHasherDefault<Identity>>,
}

impl Taken {
    fn new(policy: PathPolicy, seed: &[u8], count: usize) -> Self {
        Self {
            names: Names::new(policy, seed),
            folders: HashSet::default(),
            files: HashSet::with_capacity_and_hasher(count, BuildHasherDefault::default()),
        }
    }

    /// Marks every folder above the file, and answers the file's hash.
    fn add(&mut self, path: &[u8]) -> u64 {
        let (folder, name) = split(path);
        let folder = self.names.folder(folder, |hash| _ = self.folders.insert(hash));
        self.names.hash(folder, name)
    }

    /// Takes the path for a file; `false` if a file or folder has it.
    fn claim(&mut self, hash: u64) -> bool {
        !self.folders.contains(&hash) && self.files.insert(hash)
    }
}

/// Hashes paths, name by name: that of a folder is the key for the names in it.
struct Names {
    seeded: DefaultHasher,
    folds: bool,
    folded: Vec<u8>,
    /// The folder that was hashed last: neighbours mostly share it.
    last_folder: Vec<u8>,
    last_hash: Option<u64>,
}

impl Names {
    fn new(policy: PathPolicy, seed: &[u8]) -> Self {
        let mut seeded = DefaultHasher::new();
        seeded.write(seed);
        let (folded, last_folder) = (Vec::new(), Vec::new());
        Self { seeded, folds: policy.folds(), folded, last_folder, last_hash: None }
    }

    /// The hash of a folder, and to `each` those of all folders down to it, if it is a new one.
    fn folder(&mut self, folder: &[u8], mut each: impl FnMut(u64)) -> u64 {
        if let Some(hash) = self.last_hash.filter(|_| folder == self.last_folder) {
            return hash;
        }
        let mut hash = ROOT;
        for name in folder.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            hash = self.hash(hash, name);
            each(hash);
        }
        self.last_folder.clear();
        self.last_folder.extend_from_slice(folder);
        self.last_hash = Some(hash);
        hash
    }

    fn path(&mut self, path: &[u8]) -> u64 {
        let (folder, name) = split(path);
        let folder = self.folder(folder, |_| ());
        self.hash(folder, name)
    }

    fn hash(&mut self, folder: u64, name: &[u8]) -> u64 {
        let mut hasher = self.seeded.clone();
        hasher.write_u64(folder);
        if self.folds {
            fold(name, &mut self.folded);
            hasher.write(&self.folded);
        } else {
            hasher.write(name);
        }
        hasher.finish()
    }
}

/// Stands for the hash of the folder around all paths.
const ROOT: u64 = 0;

/// The folder, without the slash behind it, and the name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// Brings what a file system may take for equal to the same bytes. Upper and then lower case
/// comes close to full case folding, and errs towards equality.
fn fold(name: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let text = if name.is_ascii() { None } else { std::str::from_utf8(name).ok() };
    match text {
        Some(text) => {
            let folded: String = text.nfd().flat_map(char::to_uppercase).collect();
            let folded: String = folded.nfd().flat_map(char::to_lowercase).nfd().collect();
            // A final sigma is the same letter.
            out.extend_from_slice(folded.replace('ς', "σ").as_bytes());
        }
        None => {
            out.extend_from_slice(name);
            out.make_ascii_lowercase();
        }
    }
}

/// Hands on keys that are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "only hashes are keys");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
