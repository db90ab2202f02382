use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use tinytorrent_hash::sha1;
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
    keys: [u64; 2],
    folds: bool,
    folded: Vec<u8>,
    /// The folder that was hashed last: neighbours mostly share it.
    last_folder: Vec<u8>,
    last_hash: Option<u64>,
}

impl Names {
    fn new(policy: PathPolicy, seed: &[u8]) -> Self {
        let digest = sha1(seed);
        // Eight of the twenty bytes each; odd, so that no product is all zero.
        let key =
            |at: usize| digest[at..at + 8].iter().fold(0, |key, &byte| key << 8 | u64::from(byte));
        let keys = [key(0) | 1, key(8) | 1];
        let (folded, last_folder) = (Vec::new(), Vec::new());
        Self { keys, folds: policy.folds(), folded, last_folder, last_hash: None }
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
        if !self.folds {
            return mix_all(self.keys, folder, name, |word| word);
        }
        if name.is_ascii() {
            return mix_all(self.keys, folder, name, to_lowercase);
        }
        fold(name, &mut self.folded);
        mix_all(self.keys, folder, &self.folded, to_lowercase)
    }
}

/// A hash of 64 bits by multiplication, eight bytes at a time. Nobody who does not know the keys can
/// make names that share one, and the keys come from a hash that covers the names.
fn mix_all(keys: [u64; 2], folder: u64, name: &[u8], fold: impl Fn(u64) -> u64) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let start = mix(folder ^ keys[1], keys[0]) ^ name.len() as u64;
    let words = words.iter().chain(std::iter::once(&last));
    let hash = words.fold(start, |hash, word| mix(hash ^ fold(u64::from_le_bytes(*word)), keys[0]));
    mix(hash, keys[1])
}

fn mix(word: u64, key: u64) -> u64 {
    let product = u128::from(word) * u128::from(key);
    product as u64 ^ (product >> 64) as u64
}

/// Eight characters of ASCII at once; bytes beyond ASCII stay.
fn to_lowercase(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * ONES);
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let beyond_z = low + (0x80 - b'Z' as u64 - 1) * ONES;
    let is_upper = from_a & !beyond_z & !word & (0x80 * ONES);
    word | is_upper >> 2
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
