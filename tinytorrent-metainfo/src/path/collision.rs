use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::num::NonZeroU64;

use super::element::{MAX_ELEMENT, shorten};
use super::folders::Folders;
use super::hasher::{Identity, PathHasher};
use super::paths::{Names, Paths};

/// Gives each file a path of its own: the first in order keeps it, a later one gets a number, and so
/// does a file in the place of a folder. What is never written may clash with others. `None` if it
/// would take too long, which only paths made for the purpose bring about.
///
/// Paths are compared by a hash of 64 bits, keyed so that nobody can aim at it; two that meet by
/// chance cost one of them its name, not its safety.
pub(super) fn resolve(
    mut paths: Paths,
    is_written: impl Fn(usize) -> bool,
    hasher: &mut PathHasher,
) -> Option<Paths> {
    let claims = Claims::of(&paths, is_written, hasher);
    let clashes = claims.clashes();
    if clashes.is_empty() {
        return Some(paths);
    }
    let renames = claims.rename(&paths.files, &clashes, hasher)?;
    paths.changes.add_collisions(&clashes, |index| paths.files.name(index));
    paths.files = rebuild(&paths.files, &clashes, &renames)?;
    Some(paths)
}

/// Who claims which path.
struct Claims {
    /// The hash of each folder.
    folders: Vec<u64>,
    /// The hashes of the folders that files are in.
    claimed: Vec<u64>,
    /// The hash of each file's path; `None` for what is never written, and collides with nothing.
    files: Vec<Option<NonZeroU64>>,
}

type Hashes = HashSet<u64, BuildHasherDefault<Identity>>;

impl Claims {
    fn of(paths: &Paths, is_written: impl Fn(usize) -> bool, hasher: &mut PathHasher) -> Self {
        let folders = &paths.folders;
        let mut hashes = Vec::new();
        for folder in folders.all() {
            let around = folders.around(folder);
            let hash = match around {
                // The root is on the way to all, whatever its name.
                Folders::TOP => PathHasher::ROOT,
                _ => hasher.hash(hashes[around as usize], folders.name(folder)),
            };
            hashes.push(hash);
        }
        let mut claimed = Vec::new();
        let mut is_claimed = vec![false; hashes.len()];
        is_claimed[Folders::ROOT as usize] = true;
        let mut claim = |index: usize| {
            if !is_written(index) {
                return None;
            }
            let own = paths.files.places[index].folder;
            let mut folder = own;
            while !is_claimed[folder as usize] {
                is_claimed[folder as usize] = true;
                claimed.push(hashes[folder as usize]);
                folder = folders.around(folder);
            }
            NonZeroU64::new(hasher.hash(hashes[own as usize], paths.files.name(index)))
        };
        let files = (0..paths.files.len()).map(&mut claim).collect();
        Self { folders: hashes, claimed, files }
    }

    /// The files that may not keep their paths.
    fn clashes(&self) -> Vec<usize> {
        let mut sieve = Sieve::new(self.claimed.len() + self.files.len());
        self.claimed.iter().for_each(|hash| sieve.add(*hash));
        self.files.iter().flatten().for_each(|hash| sieve.add(hash.get()));
        // Few are left, and only these have to be told apart for certain.
        let repeat = |hash: &&u64| sieve.may_repeat(**hash);
        let mut taken: Hashes = self.claimed.iter().filter(repeat).copied().collect();
        let mut is_clash = |hash: u64| sieve.may_repeat(hash) && !taken.insert(hash);
        let clash =
            |(index, hash): (usize, &Option<NonZeroU64>)| is_clash((*hash)?.get()).then_some(index);
        self.files.iter().enumerate().filter_map(clash).collect()
    }

    /// New names for the files that clash, in their order.
    fn rename(
        self,
        files: &Names,
        clashes: &[usize],
        hasher: &mut PathHasher,
    ) -> Option<Vec<Vec<u8>>> {
        let mut numbers: HashMap<NonZeroU64, u32> = HashMap::new();
        let mut attempts = 10_000 + 4 * clashes.len();
        // A path that is taken once is taken, whoever has it.
        let mut taken: Hashes = self.claimed.into_iter().collect();
        taken.extend(self.files.iter().flatten().map(|hash| hash.get()));
        let mut rename_one = |index: usize| {
            let folder = self.folders[files.places[index].folder as usize];
            let number = numbers.entry(self.files[index]?).or_default();
            loop {
                attempts = attempts.checked_sub(1)?;
                *number += 1;
                let candidate = numbered(files.name(index), *number);
                if taken.insert(hasher.hash(folder, &candidate)) {
                    return Some(candidate);
                }
            }
        };
        clashes.iter().map(|&index| rename_one(index)).collect()
    }
}

/// `a.txt` becomes `a.1.txt`, cut where it would grow too long.
fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let number = format!(".{number}");
    // An extension that fills the name is none.
    let (stem, extension) = if extension.len() + number.len() < MAX_ELEMENT {
        (stem, extension)
    } else {
        (name, &name[name.len()..])
    };
    let mut renamed = stem.to_vec();
    shorten(&mut renamed, 0, MAX_ELEMENT - number.len() - extension.len());
    renamed.extend_from_slice(number.as_bytes());
    renamed.extend_from_slice(extension);
    renamed
}

fn rebuild(files: &Names, clashes: &[usize], renames: &[Vec<u8>]) -> Option<Names> {
    let mut rebuilt = Names::default();
    let mut renames = clashes.iter().copied().zip(renames).peekable();
    for (index, place) in files.places.iter().enumerate() {
        let renamed = renames.next_if(|(clash, _)| *clash == index);
        let name = renamed.map_or(files.name(index), |(_, name)| name);
        rebuilt.bytes.extend_from_slice(name);
        if !rebuilt.close(place.folder) {
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
