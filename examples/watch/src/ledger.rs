use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use tinytorrent_types::InfoHashes;

use crate::{Kind, Scan, Stamp};

/// The files of the watched folder, and the torrents that they name: which files are to be read, and which
/// torrents are not in the folder any more.
///
/// It reads no clock and no file. Each scan of the folder goes through [`observe`](Self::observe), and each file
/// that it asks for comes back through [`on_read`](Self::on_read). A file that is gone counts for a while, so that
/// one that is renamed takes nothing out.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    files: BTreeMap<OsString, FileState>,
    folder: Option<u64>,
    ignored: BTreeSet<OsString>,
    trouble: Trouble,
    /// `true` once all files of the first scan have been read.
    is_settled: bool,
    is_changed: bool,
}

#[derive(Debug, Default)]
struct FileState {
    /// What the file names, as far as it was read.
    torrents: Vec<Named>,
    /// The state in which it was read; `None` if it is to be read.
    read: Option<Stamp>,
    /// The last state that was seen, and since when. `None` if the file is not there.
    seen: Option<(Stamp, Instant)>,
    /// The time at which the file was found gone.
    gone: Option<Instant>,
    /// The number of reads in the present state that have failed.
    failures: u32,
    /// The reason of the last failure that was told.
    told: Option<String>,
}

/// A torrent that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its identity.
    pub(crate) hashes: InfoHashes,
    /// The name that the file gives it. It comes from a stranger.
    pub(crate) name: Option<String>,
    /// `true` if the user has removed the torrent, though the file is still there.
    pub(crate) is_dismissed: bool,
}

/// What is kept of the ledger for the next run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Book {
    /// The number of the folder.
    pub(crate) folder: Option<u64>,
    /// The files that were read, the state in which they were, and what they name.
    pub(crate) files: BTreeMap<OsString, (Stamp, Vec<Named>)>,
    /// The files that are contents, and no sources.
    pub(crate) ignored: BTreeSet<OsString>,
}

/// Something that the user may want to know of the folder. Each is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// The folder cannot be read, for this reason. Its torrents go on.
    FolderGone(String),
    /// The folder can be read again.
    FolderBack,
    /// The folder is another one than before, and has none of so many files. Their torrents go on until one of
    /// the files, or a new one, is there.
    OtherFolder(usize),
    /// The file names no torrent, for this reason.
    Refused(OsString, String),
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Trouble {
    #[default]
    None,
    Gone,
    Other,
}

impl Ledger {
    /// Time for which a file that is gone still counts. One that was renamed is read well within it.
    pub(crate) const GRACE: Duration = Duration::from_secs(6);

    /// Time for which a file has to stay the same before it counts as whole. Programs that write a file pause for
    /// less.
    pub(crate) const REST: Duration = Duration::from_secs(2);

    /// Goes on with what an earlier run has kept. Files with torrents that the client does not have are read
    /// again.
    pub(crate) fn new(book: Book, has: impl Fn(InfoHashes) -> bool) -> Self {
        let file = |(stamp, torrents): (Stamp, Vec<Named>)| {
            let is_there = |named: &Named| named.is_dismissed || has(named.hashes);
            let read = torrents.iter().all(is_there).then_some(stamp);
            FileState { torrents, read, ..FileState::default() }
        };
        let files = book.files.into_iter().map(|(name, kept)| (name, file(kept))).collect();
        Self { files, folder: book.folder, ignored: book.ignored, ..Self::default() }
    }

    /// What is to be kept for the next run, if it has changed since the last call.
    pub(crate) fn take_book(&mut self) -> Option<Book> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let kept = |(name, file): (&OsString, &FileState)| {
            Some((name.clone(), (file.read?, file.torrents.clone())))
        };
        let files = self.files.iter().filter(|(_, file)| !file.torrents.is_empty());
        Some(Book {
            folder: self.folder,
            files: files.filter_map(kept).collect(),
            ignored: self.ignored.clone(),
        })
    }

    /// Takes note of a scan, or of the reason why there is none. Returns the files that are to be read now, and
    /// news.
    pub(crate) fn observe(
        &mut self,
        now: Instant,
        scan: Result<&Scan, String>,
    ) -> (Vec<OsString>, Vec<News>) {
        let scan = match scan {
            Ok(scan) => scan,
            Err(reason) => {
                let is_news = std::mem::replace(&mut self.trouble, Trouble::Gone) != Trouble::Gone;
                let news = is_news.then_some(News::FolderGone(reason));
                return (Vec::new(), news.into_iter().collect());
            }
        };
        let news = self.recognize(scan);
        if self.trouble == Trouble::Other {
            return (Vec::new(), news.into_iter().collect());
        }
        self.forget_gone(now);
        for (name, stamp) in scan.files.iter().filter(|(name, _)| !self.ignored.contains(*name)) {
            self.files.entry(name.clone()).or_default().see(now, *stamp);
        }
        for (_, file) in self.files.iter_mut().filter(|(name, _)| !scan.files.contains_key(*name)) {
            file.seen = None;
            file.gone.get_or_insert(now);
        }
        let due = self.files.iter().filter(|(name, file)| file.is_due(now, name));
        let due: Vec<_> = due.map(|(name, _)| name.clone()).collect();
        self.is_settled |= !self.files.values().any(FileState::is_pending);
        (due, news.into_iter().collect())
    }

    /// Tells the folder from another one that lies in its place.
    fn recognize(&mut self, scan: &Scan) -> Option<News> {
        let known = self.files.values().filter(|file| !file.torrents.is_empty()).count();
        let is_other = self.folder.is_some() && scan.folder != self.folder;
        if is_other && known > 0 && scan.files.is_empty() {
            let is_news = std::mem::replace(&mut self.trouble, Trouble::Other) != Trouble::Other;
            return is_news.then_some(News::OtherFolder(known));
        }
        self.is_changed |= scan.folder != self.folder;
        self.folder = scan.folder;
        match std::mem::take(&mut self.trouble) {
            Trouble::Gone | Trouble::Other => Some(News::FolderBack),
            Trouble::None => None,
        }
    }

    /// Forgets files that are gone for so long that nothing of theirs is kept for their return.
    fn forget_gone(&mut self, now: Instant) {
        let before = self.files.len();
        let is_over = |gone: Instant| now.saturating_duration_since(gone) >= Self::GRACE;
        self.files.retain(|_, file| !file.gone.is_some_and(is_over));
        self.is_changed |= self.files.len() != before;
    }

    /// Takes note of what was read of a file, which had this stamp then. Returns news if the file is refused.
    pub(crate) fn on_read(
        &mut self,
        now: Instant,
        name: &OsStr,
        stamp: Option<Stamp>,
        found: Result<Vec<Named>, String>,
    ) -> Option<News> {
        let file = self.files.get_mut(name)?;
        match found {
            Ok(torrents) => {
                file.accept(stamp, torrents);
                self.is_changed = true;
                None
            }
            Err(reason) => {
                let is_told = file.refuse(now, stamp, &reason);
                self.is_changed |= file.read.is_some();
                is_told.then(|| News::Refused(name.to_owned(), reason))
            }
        }
    }

    /// Returns the torrents that are to be taken out, of those that the client has. There are none before all
    /// files have been read, and while the folder is away.
    pub(crate) fn taken_out(
        &self,
        torrents: impl IntoIterator<Item = InfoHashes>,
    ) -> Vec<InfoHashes> {
        if self.trouble != Trouble::None || !self.is_settled {
            return Vec::new();
        }
        let wanted: HashSet<_> = self.wanted().map(|named| named.hashes).collect();
        torrents.into_iter().filter(|hashes| !wanted.contains(hashes)).collect()
    }

    /// Takes note that the user has removed a torrent, though files name it.
    pub(crate) fn dismiss(&mut self, hashes: InfoHashes) {
        self.named_mut(hashes).for_each(|named| named.is_dismissed = true);
        self.is_changed = true;
    }

    /// Never takes a file of this name: it is the content of a torrent, as a stranger made it.
    pub(crate) fn ignore(&mut self, name: OsString) {
        self.files.remove(&name);
        self.is_changed |= self.ignored.insert(name);
    }

    /// Lets the files that name this torrent be read again.
    pub(crate) fn read_again(&mut self, hashes: InfoHashes) {
        let names_it = |file: &&mut FileState| file.torrents.iter().any(|it| it.hashes == hashes);
        self.files.values_mut().filter(names_it).for_each(|file| file.read = None);
    }

    /// `true` if the user has removed this torrent while it was in this file.
    pub(crate) fn is_dismissed(&self, file: &OsStr, hashes: InfoHashes) -> bool {
        let torrents = self.files.get(file).map_or(&[][..], |file| &file.torrents);
        torrents.iter().any(|named| named.is_dismissed && named.hashes == hashes)
    }

    /// The first file that names this torrent, and the name that it gives it.
    pub(crate) fn origin(&self, hashes: InfoHashes) -> Option<(&OsStr, Option<&str>)> {
        self.files.iter().find_map(|(file, state)| {
            let named = state.torrents.iter().find(|named| named.hashes == hashes)?;
            Some((&**file, named.name.as_deref()))
        })
    }

    /// The same for all torrents.
    pub(crate) fn origins(&self) -> HashMap<InfoHashes, (&OsStr, Option<&str>)> {
        let mut origins = HashMap::new();
        for (file, state) in &self.files {
            for named in &state.torrents {
                origins.entry(named.hashes).or_insert((&**file, named.name.as_deref()));
            }
        }
        origins
    }

    /// The torrents that are to be in the client.
    fn wanted(&self) -> impl Iterator<Item = &Named> {
        let torrents = self.files.values().flat_map(|file| &file.torrents);
        torrents.filter(|named| !named.is_dismissed)
    }

    fn named_mut(&mut self, hashes: InfoHashes) -> impl Iterator<Item = &mut Named> {
        let torrents = self.files.values_mut().flat_map(|file| &mut file.torrents);
        torrents.filter(move |named| named.hashes == hashes)
    }
}

impl FileState {
    fn see(&mut self, now: Instant, stamp: Stamp) {
        self.gone = None;
        if self.seen.is_none_or(|(seen, _)| seen != stamp) {
            self.seen = Some((stamp, now));
            self.failures = 0;
        }
    }

    /// `true` if the file is to be read now.
    fn is_due(&self, now: Instant, name: &OsStr) -> bool {
        let Some((stamp, since)) = self.seen else { return false };
        if self.read == Some(stamp) {
            return false;
        }
        let is_at_rest = now.saturating_duration_since(since) >= Ledger::REST;
        // A torrent is tried at once, and again when it is at rest.
        let is_early_try = Kind::of(name) == Some(Kind::Torrent) && self.failures == 0;
        is_at_rest || is_early_try
    }

    /// `true` if it is not known what the file names.
    fn is_pending(&self) -> bool {
        self.seen.is_some_and(|(stamp, _)| self.read != Some(stamp)) && self.told.is_none()
    }

    fn accept(&mut self, stamp: Option<Stamp>, mut torrents: Vec<Named>) {
        for named in &mut torrents {
            let is_same = |old: &&Named| old.hashes == named.hashes;
            named.is_dismissed =
                self.torrents.iter().find(is_same).is_some_and(|it| it.is_dismissed);
        }
        (self.torrents, self.read, self.told) = (torrents, stamp, None);
    }

    /// Returns `true` if the reason is to be told.
    fn refuse(&mut self, now: Instant, stamp: Option<Stamp>, reason: &str) -> bool {
        self.failures += 1;
        let is_at_rest = |(seen, since): (Stamp, Instant)| {
            stamp.is_none_or(|stamp| stamp == seen)
                && now.saturating_duration_since(since) >= Ledger::REST
        };
        if !self.seen.is_some_and(is_at_rest) {
            return false; // it is being written
        }
        // What it named before is not there any more.
        self.torrents.clear();
        // A file that cannot be opened is tried again, as permissions may come later.
        self.read = stamp;
        let is_news = self.told.as_deref() != Some(reason);
        self.told = Some(reason.to_owned());
        is_news
    }
}

#[cfg(test)]
mod tests;
