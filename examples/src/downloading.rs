use std::path::PathBuf;

use clap::Args;
use tinytorrent_client::{Client, PeerAddress, Priority, Source, Torrent, TorrentOptions};

use crate::{Failure, Names, NetworkOptions, Selection, apply_network};

/// The options of the programs that download.
#[derive(Debug, Clone, Args)]
pub struct DownloadOptions {
    /// Folder for the content
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub output: PathBuf,

    /// A peer to connect to at once (repeatable)
    #[arg(long = "peer", value_name = "HOST:PORT")]
    pub peers: Vec<PeerAddress>,

    /// Only these files, by index as `inspect` prints them, such as 0,2-4
    #[arg(long, value_name = "FILES")]
    pub select: Option<Selection>,

    /// These files before all others, by index
    #[arg(long, value_name = "FILES")]
    pub high: Option<Selection>,

    /// These files after all others, by index
    #[arg(long, value_name = "FILES")]
    pub low: Option<Selection>,

    /// Names on disk; content that is there under the torrent's own names is used in any case
    #[arg(long, value_enum, default_value_t, value_name = "NAMES")]
    pub names: Names,

    /// Fetch the pieces in order
    #[arg(long)]
    pub sequential: bool,

    /// Ignore resume data, and keep none
    #[arg(long)]
    pub no_resume: bool,

    /// Go on seeding when complete, until interrupted
    #[arg(long)]
    pub seed: bool,

    /// Give up if not complete so long after the start
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,

    /// The options of all programs that talk to peers.
    #[command(flatten)]
    pub network: NetworkOptions,
}

impl DownloadOptions {
    /// Adds a torrent with these options.
    ///
    /// # Errors
    ///
    /// The client has it already, or is shut down.
    pub fn add(&self, client: &Client, source: Source) -> Result<Torrent, Failure> {
        add(client, source, self.torrent())
    }

    /// The settings of a torrent that these options mean.
    pub fn torrent(&self) -> TorrentOptions {
        let mut torrent = TorrentOptions::new(&self.output);
        torrent.sequential(self.sequential).resume(!self.no_resume).names(self.names.into());
        for peer in &self.peers {
            torrent.peer(peer.clone());
        }
        if let Some(selection) = &self.select {
            torrent.files(selection.to_files());
        }
        for (files, priority) in [(&self.low, Priority::Low), (&self.high, Priority::High)] {
            if let Some(files) = files {
                torrent.file_priority(files.to_files(), priority);
            }
        }
        apply_network(&mut torrent, &self.network);
        torrent
    }
}

/// Adds a torrent.
///
/// # Errors
///
/// The client has it already, or is shut down.
pub fn add(client: &Client, source: Source, torrent: TorrentOptions) -> Result<Torrent, Failure> {
    client.add(source, torrent).map_err(|error| Failure::could_not("cannot add it", &error))
}
