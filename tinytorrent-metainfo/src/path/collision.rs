use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU64;

use super::element::{MAX_ELEMENT, shorten};
use super::names::Names;
use super::{Folder, PathArena};

/// What [`Claims::resolve`] found.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The files whose path had to change, ascending, with the path they had.
    pub(crate) renamed: Vec<(u32, Vec<u8>)>,
    /// All paths, no two alike.
    pub(crate) paths: PathArena,
}

/// Who claims which path, so that each file gets one of its own.
///
/// Paths are compared by a hash of 64 bits, keyed so that nobody can aim at it; two that meet by
/// chance cost one of them its name, not its safety.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims {
    folders: Hashes,
    /// The hash of each file's path; `None` for what is never written, and collides with nothing.
    files: Vec<Option<NonZeroU64>>,
}

type Hashes = HashSet<u64, BuildHasherDefault<Identity>>;

impl Claims {
    /// The next file has this name in this folder.
    pub(super) fn file(&mut self, folder: &mut Folder, name: &[u8], names: &mut Names) {
        folder.claim(|hash| _ = self.folders.insert(hash));
        self.files.push(NonZeroU64::new(names.hash(folder.hash(), name)));
    }

    /// The next file is never written.
    pub(super) fn exempt(&mut self) {
        self.files.push(None);
    }

    /// Gives each file a path of its own: the first in order keeps it, a later one gets a number,
    /// and so does a file in the place of a folder. `None` if that would take too long, which only
    /// paths made for the purpose bring about.
    pub(super) fn resolve(self, paths: PathArena, names: &mut Names) -> Option<Resolved> {
        let clashes = self.clashes();
        if clashes.is_empty() {
            return Some(Resolved { renamed: Vec::new(), paths });
        }
        let renames = self.rename(&paths, &clashes, names)?;
        let rebuilt = rebuild(&paths, &clashes, &renames)?;
        let before = |index: &usize| (*index as u32, paths.get(*index).as_bytes().to_vec());
        Some(Resolved { renamed: clashes.iter().map(before).collect(), paths: rebuilt })
    }

    /// The files that may not keep their paths.
    fn clashes(&self) -> Vec<usize> {
        let mut sieve = Sieve::new(self.folders.len() + self.files.len());
        self.folders.iter().for_each(|hash| sieve.add(*hash));
        self.files.iter().flatten().for_each(|hash| sieve.add(hash.get()));
        // Few are left, and only these have to be told apart for certain.
        let mut taken = Hashes::default();
        let mut is_clash = |hash: u64| {
            sieve.may_repeat(hash) && (self.folders.contains(&hash) || !taken.insert(hash))
        };
        let clash =
            |(index, hash): (usize, &Option<NonZeroU64>)| is_clash((*hash)?.get()).then_some(index);
        self.files.iter().enumerate().filter_map(clash).collect()
    }

    /// New paths for the files that clash, in their order.
    fn rename(
        mut self,
        paths: &PathArena,
        clashes: &[usize],
        names: &mut Names,
    ) -> Option<Vec<Vec<u8>>> {
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let mut attempts = 10_000 + 4 * clashes.len();
        // A path that is taken once is taken, whoever has it.
        let mut taken = std::mem::take(&mut self.folders);
        taken.extend(self.files.iter().flatten().map(|hash| hash.get()));
        let mut rename_one = |index: usize| {
            let path = paths.get(index).as_bytes();
            let number = numbers.entry(names.path(path)).or_default();
            loop {
                attempts = attempts.checked_sub(1)?;
                *number += 1;
                let candidate = numbered(path, *number);
                if taken.insert(names.path(&candidate)) {
                    return Some(candidate);
                }
            }
        };
        clashes.iter().map(|&index| rename_one(index)).collect()
    }
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

/// Tells most hashes that occur once from those that may occur more often, in the size of a cache.
struct Sieve {
    /// Two bits a slot: it was hit, it was hit again.
    slots: Vec<u64>,
    mask: u64,
}

impl Sieve {
    /// For this many hashes.
    fn new(count: usize) -> Self {
        let words = (count * SLOTS_PER_HASH).div_ceil(SLOTS_PER_WORD).next_power_of_two();
        Self { slots: vec![0; words], mask: words as u64 - 1 }
    }

    fn add(&mut self, hash: u64) {
        let (word, shift) = self.slot(hash);
        let hits = self.slots[word] >> shift & 1;
        self.slots[word] |= (hits << 1 | 1) << shift;
    }

    /// `false` if no two of the hashes that were added equal this one.
    fn may_repeat(&self, hash: u64) -> bool {
        let (word, shift) = self.slot(hash);
        self.slots[word] >> shift & 2 != 0
    }

    fn slot(&self, hash: u64) -> (usize, u32) {
        ((hash >> 5 & self.mask) as usize, (hash as u32 & 31) * 2)
    }
}

/// One hash in nine, or fewer, meets another by chance.
const SLOTS_PER_HASH: usize = 8;

const SLOTS_PER_WORD: usize = 32;

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
