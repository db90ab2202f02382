use std::time::Duration;

use tinytorrent_client::{PeerInfo, Torrent, TrackerInfo};
use tinytorrent_types::Bitfield;

use crate::Pane;

/// The details of one torrent that a pane shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Detail {
    /// There is nothing to be shown.
    #[default]
    None,
    /// Files.
    Files(Vec<FileLine>),
    /// Connected peers.
    Peers(Vec<PeerLine>),
    /// Trackers.
    Trackers(Vec<TrackerLine>),
    /// The verified pieces.
    Pieces(Bitfield),
}

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileLine {
    /// The number by which the other programs know it.
    pub(crate) index: u32,
    /// The path in the torrent, which comes from a stranger.
    pub(crate) path: String,
    /// Bytes of it.
    pub(crate) length: u64,
    /// Bytes of it that are verified.
    pub(crate) have: u64,
    /// `true` if it is to be downloaded.
    pub(crate) is_wanted: bool,
}

/// A peer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PeerLine {
    /// Its address.
    pub(crate) address: String,
    /// The name of its program, as far as it is known.
    pub(crate) client: String,
    /// Letters for the state of the conversation, as [`PeerInfo::flags`] explains them.
    pub(crate) flags: String,
    /// The part of the pieces that it has, from 0 to 1.
    pub(crate) done: f64,
    /// Received bytes a second.
    pub(crate) download_rate: u64,
    /// Sent bytes a second.
    pub(crate) upload_rate: u64,
}

/// A tracker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrackerLine {
    /// Its URL.
    pub(crate) url: String,
    /// Its state, or the error of its last announce.
    pub(crate) state: String,
    /// Its seeders and leechers, as far as it says.
    pub(crate) swarm: (Option<u32>, Option<u32>),
    /// Time until the next announce.
    pub(crate) next: Option<Duration>,
}

impl Detail {
    /// The details of a torrent that belong into this pane.
    pub(crate) fn of(torrent: &Torrent, pane: Pane) -> Self {
        match pane {
            Pane::Files => Self::files(torrent).map_or(Detail::None, Detail::Files),
            Pane::Peers => {
                let pieces = torrent.info().map_or(0, |info| info.geometry().piece_count());
                let mut peers = torrent.peers();
                let rate = |peer: &PeerInfo| peer.peer.download_rate + peer.peer.upload_rate;
                peers.sort_by_key(|peer| std::cmp::Reverse(rate(peer)));
                Detail::Peers(peers.iter().map(|peer| peer_line(peer, pieces)).collect())
            }
            Pane::Trackers => {
                Detail::Trackers(torrent.trackers().into_iter().map(tracker_line).collect())
            }
            Pane::Pieces => torrent.pieces().map_or(Detail::None, |it| Detail::Pieces(it.have)),
            Pane::Log => Detail::None,
        }
    }

    fn files(torrent: &Torrent) -> Option<Vec<FileLine>> {
        let info = torrent.info()?;
        let files = torrent.files()?.into_iter().filter_map(|file| {
            let path = info.layout().file(file.index.get())?.path.to_string();
            let (length, have) = (file.length, file.have);
            let index = file.index.get();
            Some(FileLine { index, path, length, have, is_wanted: file.is_wanted() })
        });
        Some(files.collect())
    }
}

fn peer_line(peer: &PeerInfo, pieces: u32) -> PeerLine {
    let view = &peer.peer;
    PeerLine {
        address: view.address.to_string(),
        client: view.client_name().unwrap_or_default(),
        flags: peer.flags(),
        done: if pieces == 0 { 0.0 } else { f64::from(view.pieces) / f64::from(pieces) },
        download_rate: view.download_rate,
        upload_rate: view.upload_rate,
    }
}

fn tracker_line(tracker: TrackerInfo) -> TrackerLine {
    let state = match tracker.error.or(tracker.warning) {
        Some(more) => format!("{}: {more}", tracker.state),
        None => tracker.state.to_string(),
    };
    let swarm = (tracker.seeders, tracker.leechers);
    TrackerLine { url: tracker.url, state, swarm, next: tracker.next_announce }
}
