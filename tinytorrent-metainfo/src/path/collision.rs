use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::num::NonZeroU64;

use super::element::{MAX_ELEMENT, shorten};
use super::folders::Folders;
use super::hasher::{Identity, PathHasher};
use super::paths::{Names, Paths};

/// Gives each file a path of its own. Of files with the same path the first keeps it, and the others get
/// a number; a file with the path of a folder gets one too. Files that are never written may collide.
/// `None` if it would take too long, which happens only with paths made for the purpose.
///
/// Paths are compared by a keyed hash of 64 bits, for which nobody can prepare a collision. Two paths
/// with the same hash by accident are safe: one of them gets a number without need.
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

/// The paths that are in use, as hashes.
struct Claims {
    /// The hash of each folder.
    folders: Vec<u64>,
    /// The hashes of folders that have a file which is written, but for the root.
    claimed: Vec<u64>,
    /// The hash of each file's path; `None` for a file that is never written.
    files: Vec<Option<NonZeroU64>>,
}

type Hashes = HashSet<u64, BuildHasherDefault<Identity>>;

impl Claims {
    fn of(paths: &Paths, is_written: impl Fn(usize) -> bool, hasher: &mut PathHasher) -> Self {
        let folders = &paths.folders;
        let mut hashes = Vec::new();
        for folder in folders.all() {
            let parent = folders.parent(folder);
            let hash = match parent {
                // All paths begin with the root, so its name makes no difference.
                Folders::TOP => PathHasher::ROOT,
                _ => hasher.hash(hashes[parent as usize], folders.name(folder)),
            };
            hashes.push(hash);
        }
        let mut claimed = Vec::new();
        let mut is_claimed = vec![false; hashes.len()];
        // The root is never a file, so nothing can collide with it.
        is_claimed[Folders::ROOT as usize] = true;
        let mut claim = |index: usize| {
            if !is_written(index) {
                return None;
            }
            let own = paths.files.places[index].folder;
            let mut folder = own;
            // Each folder is claimed once, so all files together take linear time.
            while !is_claimed[folder as usize] {
                is_claimed[folder as usize] = true;
                claimed.push(hashes[folder as usize]);
                folder = folders.parent(folder);
            }
            NonZeroU64::new(hasher.hash(hashes[own as usize], paths.files.name(index)))
        };
        let files = (0..paths.files.len()).map(&mut claim).collect();
        Self { folders: hashes, claimed, files }
    }

    /// The files that cannot keep their paths.
    fn clashes(&self) -> Vec<usize> {
        // Few hashes repeat. A filter for them fits in a cache, a set of all hashes may not.
        let mut sieve = Sieve::new(self.claimed.len() + self.files.len());
        self.claimed.iter().for_each(|hash| sieve.add(*hash));
        self.files.iter().flatten().for_each(|hash| sieve.add(hash.get()));
        // The sieve leaves few hashes, which a set compares for certain.
        let repeat = |hash: &&u64| sieve.may_repeat(**hash);
        // Folders come first, so a file gives way to a folder, wherever it is in the order.
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
        // A new name must differ from the old names of the other renamed files too: these are used by
        // the first file of each clash.
        let mut taken: Hashes = self.claimed.into_iter().collect();
        taken.extend(self.files.iter().flatten().map(|hash| hash.get()));
        let mut rename_one = |index: usize| {
            let folder = self.folders[files.places[index].folder as usize];
            // Counting goes on for each path, so that n files with one path take n attempts.
            let number = numbers.entry(self.files[index]?).or_default();
            loop {
                // Paths made for the purpose could use up the numbers of a name.
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

/// The name with a number before its extension (`a.1.txt`), shortened if it would be too long.
fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let number = format!(".{number}");
    // An extension that leaves no room for the number is cut like the rest of the name.
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

/// A filter for hashes that occur more than once. It lets some others pass, and fits in a cache.
struct Sieve {
    /// Slots of two bits each: hit once, hit again.
    slots: Vec<u64>,
    mask: u64,
}

impl Sieve {
    /// Creates a filter for this many hashes.
    fn new(count: usize) -> Self {
        let words = (count * SLOTS_PER_HASH).div_ceil(SLOTS_PER_WORD).next_power_of_two();
        Self { slots: vec![0; words], mask: words as u64 - 1 }
    }

    fn add(&mut self, hash: u64) {
        let (word, shift) = self.slot(hash);
        let hits = self.slots[word] >> shift & 1;
        self.slots[word] |= (hits << 1 | 1) << shift;
    }

    /// Returns false if this hash was added at most once.
    fn may_repeat(&self, hash: u64) -> bool {
        let (word, shift) = self.slot(hash);
        self.slots[word] >> shift & 2 != 0
    }

    /// The word and the shift of a hash's slot.
    fn slot(&self, hash: u64) -> (usize, u32) {
        ((hash >> 5 & self.mask) as usize, (hash as u32 & 31) * 2)
    }
}

/// With eight, at most one hash in nine shares its slot by accident.
const SLOTS_PER_HASH: usize = 8;

/// Slots of two bits in a word of 64.
const SLOTS_PER_WORD: usize = 32;
