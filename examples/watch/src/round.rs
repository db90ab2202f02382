use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::{Book, Content, Scan, StateFolder};

/// Rounds over the watched folder: a scan, reads of new files, and a save of the book, one job after the other, on
/// threads that may block. A disk that hangs holds up the next round and nothing else.
///
/// The folder is listed each second, and not watched by means of the system: those tell nothing of the folders of
/// other machines, of many mounts of containers, and of files in links, so that a list is needed in any case;
/// nobody waits for less than a second; and a folder of a thousand files is listed within some milliseconds.
#[derive(Debug)]
pub(crate) struct Rounds {
    folder: Arc<PathBuf>,
    state: Arc<StateFolder>,
    job: Option<JoinHandle<Done>>,
    due: VecDeque<OsString>,
    /// The time of the next scan.
    next: Instant,
}

/// The end of a job.
#[derive(Debug)]
pub(crate) enum Done {
    /// The folder was listed, in so much time.
    Scanned(io::Result<Scan>, Duration),
    /// Files were read.
    Read(Vec<(OsString, io::Result<Content>)>),
    /// The book was written.
    Saved(Result<(), tinytorrent_folder::Error>),
}

impl Rounds {
    /// Time between two scans.
    const INTERVAL: Duration = Duration::from_secs(1);

    /// A scan may take this part of the time. Folders of other machines may take a second to list.
    const SHARE: u32 = 20;

    /// Files that are read by a job, so that hundreds of large ones are not in memory at once.
    const BATCH: usize = 32;

    /// Begins with a scan at once.
    pub(crate) fn new(now: Instant, folder: PathBuf, state: StateFolder) -> Self {
        let (folder, state) = (Arc::new(folder), Arc::new(state));
        Self { folder, state, job: None, due: VecDeque::new(), next: now }
    }

    /// Waits for the end of a job, and begins a scan when it is time. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Done {
        if self.job.is_none() {
            tokio::time::sleep_until(self.next.into()).await;
            let folder = Arc::clone(&self.folder);
            self.begin(move || {
                let start = Instant::now();
                let scan = Scan::of(&folder);
                Done::Scanned(scan, start.elapsed())
            });
        }
        let job = self.job.as_mut().expect("one has begun");
        let done = job.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        self.job = None;
        done
    }

    /// Lets these files be read.
    pub(crate) fn read(&mut self, due: Vec<OsString>) {
        self.due.extend(due);
    }

    /// Begins to read the next files. Returns `false` if there are none, and the round is at its end.
    pub(crate) fn go_on(&mut self) -> bool {
        let batch: Vec<_> = self.due.drain(..self.due.len().min(Self::BATCH)).collect();
        if batch.is_empty() {
            return false;
        }
        let folder = Arc::clone(&self.folder);
        self.begin(move || {
            let read = |name: OsString| (name.clone(), Content::read(&folder, &name));
            Done::Read(batch.into_iter().map(read).collect())
        });
        true
    }

    /// Ends a round: writes the book, if it has changed, and sets the time of the next scan.
    pub(crate) fn end(&mut self, now: Instant, scan: Duration, book: Option<Book>) {
        self.next = now + Self::INTERVAL.max(scan * Self::SHARE);
        if let Some(book) = book {
            let state = Arc::clone(&self.state);
            self.begin(move || Done::Saved(state.save(&book)));
        }
    }

    /// Writes the book at the end of the program. Blocks.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn save(&self, book: &Book) -> Result<(), tinytorrent_folder::Error> {
        self.state.save(book)
    }

    fn begin(&mut self, job: impl FnOnce() -> Done + Send + 'static) {
        self.job = Some(tokio::task::spawn_blocking(job));
    }
}
