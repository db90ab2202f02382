//! Jobs that block or compute for long, for threads of their own.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use tinytorrent_metainfo::{Info, Metainfo};
use tinytorrent_storage::{Storage, StorageError};
use tinytorrent_swarm::{AnnounceOutcome, PeerSource, ScrapeOutcome};
use tinytorrent_types::InfoHashes;

use super::choice::FileChoice;
use super::chores::{Work, Worked};
use super::content::{OpenFailure, OpenJob, Opened};
use super::keeping::Save;
use super::last_look::{self, Looked};
use super::metadata::{self, BadMetadata, MetadataStore};
use super::patience::Patience;
use crate::dht::DhtCounts;
use crate::{FilesError, PeerAddress};

/// A job for a thread.
pub(super) enum Job {
    /// Loads metadata that an earlier run has saved. The peers of the magnet link are passed on with
    /// the result.
    LoadMetadata { store: MetadataStore, link_peers: Vec<PeerAddress> },
    /// Checks metadata from peers, and saves it if it is right.
    CheckMetadata { bytes: Bytes, hashes: InfoHashes, store: Option<MetadataStore> },
    /// Saves the piece layers of a torrent.
    SaveLayers { metainfo: Arc<Metainfo>, store: Option<MetadataStore> },
    /// Opens the content and checks it.
    Open(OpenJob),
    /// Does something with the files that the user has asked for.
    Work(Box<Work>),
    /// Saves the torrent in the kept session.
    Keep { save: Save, patience: Patience },
    /// Looks at the files at the end of a download.
    Look { storage: Arc<Storage>, choice: FileChoice, patience: Patience },
}

/// The result of a [`Job`], or of a task that ran beside the driver.
pub(super) enum JobOutcome {
    /// Names of peers were resolved.
    Resolved { source: PeerSource, addresses: Vec<SocketAddr> },
    /// A tracker answered, or failed.
    Announced(AnnounceOutcome),
    /// A tracker was scraped, or could not be.
    Scraped(ScrapeOutcome),
    /// The DHT was asked for the numbers of seeds and leeches.
    DhtScraped(DhtCounts),
    /// Saved metadata was loaded; `None` if there is none.
    MetadataLoaded { metainfo: Option<Box<Metainfo>>, link_peers: Vec<PeerAddress> },
    /// Metadata was checked and, if right, saved.
    MetadataChecked(Result<Arc<Info>, BadMetadata>),
    /// Piece layers were saved.
    LayersSaved(Arc<Metainfo>),
    /// The content was opened and checked.
    Opened(Result<Box<Opened>, OpenFailure>),
    /// Work on the files was done, or failed.
    Worked(Result<Worked, FilesError>),
    /// The files were looked at.
    Looked(Result<Looked, StorageError>),
    /// The torrent was saved in the kept session, or could not be.
    Kept(Result<(), StorageError>),
    /// The job panicked.
    Panicked,
}

/// Runs a job, and reports a panic in it: the torrent would wait for its result for ever.
pub(super) fn run_caught(job: impl FnOnce() -> JobOutcome) -> JobOutcome {
    // Nothing that the job has touched is used afterwards: the torrent fails.
    std::panic::catch_unwind(AssertUnwindSafe(job)).unwrap_or(JobOutcome::Panicked)
}

impl Job {
    /// Returns `true` if the job may take minutes or hours.
    pub(super) fn is_long(&self) -> bool {
        match self {
            Job::Open(_) => true,
            Job::Work(work) => work.is_long(),
            Job::LoadMetadata { .. }
            | Job::CheckMetadata { .. }
            | Job::SaveLayers { .. }
            | Job::Keep { .. }
            | Job::Look { .. } => false,
        }
    }

    /// Runs the job. Blocks.
    pub(super) fn run(self) -> JobOutcome {
        match self {
            Job::LoadMetadata { store, link_peers } => {
                JobOutcome::MetadataLoaded { metainfo: store.load().map(Box::new), link_peers }
            }
            Job::CheckMetadata { bytes, hashes, store } => {
                let info = metadata::parse_info(&bytes, hashes);
                if let (Ok(info), Some(store)) = (&info, store) {
                    // Saved before it is published, so that a program that was killed after the
                    // event does not need the peers again.
                    store.save(&Metainfo::from_info(Arc::clone(info)));
                }
                JobOutcome::MetadataChecked(info)
            }
            Job::SaveLayers { metainfo, store } => {
                if let Some(store) = store {
                    store.save(&metainfo);
                }
                JobOutcome::LayersSaved(metainfo)
            }
            Job::Open(job) => JobOutcome::Opened(job.run()),
            Job::Work(work) => JobOutcome::Worked(work.run()),
            Job::Keep { save, mut patience } => JobOutcome::Kept(patience.run(|| save.run())),
            Job::Look { storage, choice, mut patience } => {
                JobOutcome::Looked(last_look::look(&storage, &choice, &mut patience))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_result() {
        let outcome = run_caught(|| panic!("as a test"));
        assert!(matches!(outcome, JobOutcome::Panicked));
        assert!(matches!(run_caught(|| JobOutcome::Kept(Ok(()))), JobOutcome::Kept(Ok(()))));
    }
}
