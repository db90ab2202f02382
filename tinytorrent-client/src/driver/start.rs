use std::sync::Arc;
use std::time::Instant;

use tinytorrent_swarm::{Config, PeerSource, Swarm};
use tinytorrent_types::InfoHashes;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use super::hashes::Layers;
use super::kept::Kept;
use super::longer::Longer;
use super::lookups::Lookups;
use super::peers::Peers;
use super::stopping::SAVE_INTERVAL;
use super::{Driver, Inlets, WAITING_NOTICES};
use crate::resources::Resources;
use crate::torrent::{State, Status};
use crate::{AddError, Events, Source, Torrent, TorrentOptions};

/// Strangers that wait for the owner at most, if it has places for so many. Each holds a socket and
/// little else.
const MAX_WAITING_STRANGERS: usize = 1 << 14;

/// Starts the task of a torrent.
pub(crate) fn start(
    client: Arc<Resources>,
    mut source: Source,
    options: TorrentOptions,
) -> Result<Torrent, AddError> {
    let hashes = source.hashes;
    // A crowd that comes at once is let in as far as there are places.
    let waiting = options.max_peers.clamp(1, MAX_WAITING_STRANGERS);
    let (door, strangers) = mpsc::channel(waiting);
    if !client.registry.add(hashes, &door) {
        return Err(AddError::Duplicate(hashes));
    }
    let (owner, notices) = mpsc::channel(WAITING_NOTICES);
    let (commander, commands) = mpsc::unbounded_channel();
    let (completed, completions) = mpsc::unbounded_channel();
    let (finder, found) = mpsc::unbounded_channel();
    let (events, _) = broadcast::channel(Events::KEPT);
    let (status, watched) = watch::channel(Status {
        state: if source.metainfo.is_some() { State::Checking } else { State::FetchingMetadata },
        metainfo: source.metainfo.clone(),
        content_path: None,
        error: None,
        stats: Default::default(),
    });
    let torrent = Torrent::new(hashes, commander, events.downgrade(), watched);
    let now = Instant::now();
    let magnet_peers = std::mem::take(&mut source.peers);
    let user_peers = options.peers.clone();
    let mut driver = Driver {
        swarm: Swarm::new(now, config(&client, &source, &options)),
        hashes,
        selection: source.selection,
        door,
        layers: Layers::None,
        kept: Kept::new(&options, hashes),
        longer: Longer::default(),
        data: None,
        completed,
        peers: Peers::default(),
        owner,
        connections: JoinSet::new(),
        lookups: Lookups::new(finder),
        events,
        status,
        stopping: None,
        save_at: now + SAVE_INTERVAL,
        saved_bytes: 0,
        failure: None,
        client,
        options,
    };
    driver.add_peers(now, PeerSource::User, user_peers);
    if let Some(metainfo) = source.metainfo {
        driver.open(metainfo);
    }
    driver.look_for_kept(now, magnet_peers);
    tokio::spawn(driver.run(Inlets { notices, strangers, commands, completions, found }));
    Ok(torrent)
}

fn config(client: &Resources, source: &Source, options: &TorrentOptions) -> Config {
    let hashes: InfoHashes = source.hashes;
    let mut config = Config::new(hashes, client.peer_id, rand::random());
    let of_torrent = if options.without_trackers { &[][..] } else { &source.trackers };
    config
        .trackers([of_torrent, &options.trackers].concat())
        .needs_metadata(source.metainfo.is_none())
        .max_peers(options.max_peers)
        .sequential(options.sequential)
        .exchange(options.exchange)
        .download_limit(options.download_limit)
        .upload_limit(options.upload_limit)
        .store_budget(client.options.store_budget());
    for address in &client.addresses {
        config.listen_port(address.port()).own_address(*address);
    }
    config
}
