use std::sync::Arc;
use std::time::Instant;

use tinytorrent_swarm::{Config, PeerSource, Swarm};
use tokio::sync::{broadcast, mpsc, watch};

use super::Driver;
use super::background::Background;
use super::backlog::Backlog;
use super::choice::FileChoice;
use super::connections::Connections;
use super::early::EarlyBitfields;
use super::inlets::{Inlets, Receivers};
use super::lifecycle::Lifecycle;
use super::outbox::Outbox;
use super::saves::SaveSchedule;
use super::serving::Serving;
use super::user_trackers::UserTrackers;
use crate::registry::Registration;
use crate::resources::Resources;
use crate::torrent::{State, Status};
use crate::{AddError, Events, Source, Torrent, TorrentOptions};

/// Maximum length of the queue of incoming connections, if the torrent has places for so many. Each
/// holds a socket and a few hundred bytes.
const MAX_WAITING_INCOMING: usize = 1 << 14;

/// Maximum length of the queue of notices. Each may hold a receive buffer.
const MAX_WAITING_NOTICES: usize = 32;

/// Starts the task of a torrent.
pub(crate) fn start(
    resources: Arc<Resources>,
    source: Source,
    options: TorrentOptions,
) -> Result<Torrent, AddError> {
    let hashes = source.hashes;
    // All peers may connect at once when a swarm starts, and none should be refused for that.
    let waiting = options.max_peers.clamp(1, MAX_WAITING_INCOMING);
    let (incoming_sender, incoming) = mpsc::channel(waiting);
    let registration = Registration::new(&resources.registry, hashes, incoming_sender)
        .ok_or(AddError::Duplicate(hashes))?;
    let (notice_sender, notices) = mpsc::channel(MAX_WAITING_NOTICES);
    // Unbounded, all three: handles, threads of the disk and jobs must not wait for the driver.
    let (command_sender, commands) = mpsc::unbounded_channel();
    let (completion_sender, completions) = mpsc::unbounded_channel();
    let (outcome_sender, outcomes) = mpsc::unbounded_channel();
    let (event_sender, _) = broadcast::channel(Events::KEPT);
    let (status_sender, status) = watch::channel(first_status(&source));
    // A handle keeps no strong sender of events, so that they end with the task.
    let memory = resources.memory.clone();
    let events = event_sender.downgrade();
    let torrent = Torrent::new(hashes, command_sender, events, status, memory.clone());
    let now = Instant::now();
    let (encryption, buffers) = (resources.options.encryption, resources.buffers.clone());
    let swarm = Swarm::new(now, config(&resources, &source, &options));
    let files = FileChoice::new(options.files.clone(), source.selection);
    let user_peers = options.peers.clone();
    let user_trackers = UserTrackers::new(&options.trackers);
    let shared = Arc::clone(&resources);
    let mut driver = Driver {
        registration,
        swarm,
        lifecycle: Lifecycle::new(hashes, shared, options, files, completion_sender),
        saves: SaveSchedule::new(now),
        user_trackers,
        connections: Connections::new(
            notice_sender,
            encryption,
            buffers,
            resources.places.clone(),
            memory.send.clone(),
        ),
        serving: Serving::new(&memory),
        backlog: Backlog::default(),
        early: EarlyBitfields::new(memory.frames),
        background: Background::new(outcome_sender, resources.spawn_thread),
        outbox: Outbox::new(event_sender, status_sender),
        resources,
    };
    driver.add_peers(now, PeerSource::User, user_peers);
    let steps = driver.lifecycle.begin(source.metainfo, source.peers);
    driver.take_steps(now, steps);
    // Before the task runs, so that the first state that a handle reads is that of the first stage.
    driver.publish();
    let receivers = Receivers { notices, incoming, commands, completions, outcomes };
    tokio::spawn(driver.run(Inlets::new(receivers)));
    Ok(torrent)
}

fn first_status(source: &Source) -> Status {
    Status {
        state: State::FetchingMetadata,
        metainfo: source.metainfo.clone(),
        content_path: None,
        error: None,
        stats: Default::default(),
    }
}

fn config(resources: &Resources, source: &Source, options: &TorrentOptions) -> Config {
    let mut config = Config::new(source.hashes, resources.peer_id, rand::random());
    let of_torrent = if options.without_trackers { &[][..] } else { &source.trackers };
    config
        .trackers([of_torrent, &options.trackers].concat())
        .needs_metadata(source.metainfo.is_none())
        .max_peers(options.max_peers)
        .sequential(options.sequential)
        .exchange(options.exchange)
        .download_limit(options.download_limit)
        .upload_limit(options.upload_limit)
        .store_budget(resources.options.store_budget())
        .sha1(tinytorrent_hash::sha1);
    for address in &resources.addresses {
        config.listen_port(address.port()).own_address(*address);
    }
    config
}
