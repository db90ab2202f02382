use std::sync::Arc;
use std::time::Instant;

use tinytorrent_swarm::{PeerSource, SwarmConfig};
use tinytorrent_types::compact::Family;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::background::Background;
use super::backlog::Backlog;
use super::connections::Connections;
use super::early::EarlyBitfields;
use super::inbox::Inbox;
use super::inlets::Inlets;
use super::keeping::{Keeping, Origin};
use super::lifecycle::Lifecycle;
use super::outbox::Outbox;
use super::readers::Readers;
use super::saves::SaveSchedule;
use super::serving::Serving;
use super::tally::Tally;
use super::times::Times;
use super::turns::Turns;
use super::user_trackers::UserTrackers;
use super::{Driver, Link, Task, engine};
use crate::memory::Memory;
use crate::registry::{Refused, Registration};
use crate::resources::Resources;
use crate::torrent::{Shared, State};
use crate::{AddError, Source, TorrentOptions};

/// Starts the task of a torrent. `kept`: what the kept session says of it, if it comes from there.
pub(crate) fn start(
    resources: Arc<Resources>,
    source: Source,
    options: TorrentOptions,
    kept: Option<Origin>,
) -> Result<Arc<Shared>, AddError> {
    let hashes = source.hashes;
    let registry = Arc::clone(&resources.registry);
    let wake = Arc::new(Notify::new());
    let (state_sender, state) = watch::channel(State::FetchingMetadata);
    let (metainfo, link_peers) = (source.metainfo.clone(), source.peers.clone());
    let named_nodes = source.nodes.clone();
    let (user_peers, is_paused) = (options.peers.clone(), options.paused.is_some());
    let inlets = Inlets::new(Arc::clone(&wake));
    let entered = Registration::new(&registry, hashes, |number| {
        let entry = resources.store.as_ref().map(|store| store.entry(hashes));
        let is_kept = kept.is_some();
        let origin = kept.unwrap_or_else(|| Origin::new(&source, number));
        let keeping = Keeping::new(entry, origin, is_kept);
        let driver =
            Driver::new(resources, source, options, keeping, state_sender, Arc::clone(&wake));
        Shared::new(hashes, wake, state, driver)
    });
    let (registration, torrent) = entered.map_err(|refused| match refused {
        Refused::Duplicate => AddError::Duplicate(hashes),
        Refused::Closed => AddError::ShutDown,
    })?;
    torrent.change(|driver, now| {
        if is_paused || driver.is_waiting() {
            driver.swarm.pause(now);
        }
        // It may have changed since the torrent was entered.
        driver.follow_filter(now);
        driver.apply_limits(now);
        driver.apply_slots(now);
        if driver.resources.conductor.limits().has_dials() {
            driver.set_dial_credit(now, Some(0));
        }
        driver.add_peers(now, PeerSource::User, user_peers);
        if let Some(dht) = &driver.resources.dht {
            dht.add_named(named_nodes);
        }
        driver.begin_web_seeds(now);
        let steps = driver.lifecycle.begin(metainfo, link_peers);
        driver.take_steps(now, steps);
        let first = driver.snapshot(now);
        driver.outbox.tell_hub(first);
        // Before the task runs, so that the first state that a handle reads is that of the first stage.
        driver.publish(now);
        driver.resources.conductor.note_change();
    });
    let task = Task { torrent: Arc::clone(&torrent), registration: Some(registration) };
    tokio::spawn(task.run(inlets));
    Ok(torrent)
}

impl Driver {
    fn new(
        resources: Arc<Resources>,
        source: Source,
        options: TorrentOptions,
        keeping: Keeping,
        state: watch::Sender<State>,
        wake: Arc<Notify>,
    ) -> Self {
        let now = Instant::now();
        let (outcomes, completions) = (Inbox::new(&wake), Inbox::new(&wake));
        let memory = resources.memory.clone();
        let trackers = keeping.origin().trackers(&options);
        let mut config = config(&resources, &source, &options);
        config.trackers(trackers);
        let swarm = engine::make(now, config, &options);
        let user_trackers = UserTrackers::new(&options.trackers);
        let shared = Arc::clone(&resources);
        let disk = completions.clone();
        Self {
            swarm,
            lifecycle: Lifecycle::new(source.hashes, shared, options, source.selection, disk),
            saves: SaveSchedule::default(),
            keeping,
            times: Times::new(now),
            turns: Turns::before_the_first(resources.conductor.limits()),
            user_trackers,
            connections: Connections::new(
                resources.options.encryption,
                resources.dialer.clone(),
                resources.buffers.clone(),
                resources.places.clone(),
                memory.send.clone(),
            ),
            web_seeds: None,
            serving: Serving::new(&memory),
            readers: Readers::default(),
            backlog: Backlog::default(),
            link: Some(Box::new(Link { lease: memory.metadata.lease(), name: source.name })),
            early: EarlyBitfields::new(memory.frames),
            background: Background::new(
                outcomes.clone(),
                resources.threads.clone(),
                Handle::current(),
            ),
            outcomes,
            completions,
            spare: Vec::new(),
            chores: None,
            outbox: Outbox::new(source.hashes, Arc::clone(&resources.hub), state, source.metainfo),
            tally: Tally::default(),
            is_announced_locally: false,
            resources,
        }
    }
}

fn config(resources: &Resources, source: &Source, options: &TorrentOptions) -> SwarmConfig {
    let mut config = SwarmConfig::new(source.hashes, resources.peer_id, rand::random());
    config
        .needs_metadata(source.metainfo.is_none())
        .max_peers(options.max_peers)
        .upload_slots(options.upload_slots)
        .max_connecting(options.max_connecting.into())
        .max_requests(options.max_requests)
        .sequential(options.sequential)
        .super_seeding(options.super_seeding)
        .exchange(options.exchange)
        .local_peers(resources.options.allows_local_addresses)
        .transports(resources.options.transports())
        .download_limit(options.download_limit)
        .upload_limit(options.upload_limit)
        .store_budget(resources.store_budget())
        .refuse_bogons(resources.options.refuses_bogons)
        .max_metadata(max_metadata(&resources.memory).min(resources.options.max_metadata))
        .metadata_memory(0)
        .sha1(tinytorrent_hash::sha1);
    if options.tracker_exchange && !options.without_trackers {
        config.tracker_exchange(Some(source.trackers.concat()));
    }
    if let Some(name) = &resources.options.client_name {
        config.client(name.clone());
    }
    for address in &resources.addresses {
        config.listen_port(address.port()).own_address(*address);
    }
    if let Some(port) = resources.told_port.get() {
        config.listen_port(port);
    }
    if let Some(dht) = resources.dht.as_ref().filter(|_| options.dht) {
        config.dht(true);
        for address in dht.node.local_addresses() {
            config.dht_port(Family::of(address.ip()), address.port());
        }
    }
    config
}

/// Bytes of metadata at most: as much as there is memory for, and no more than a torrent file may have.
fn max_metadata(memory: &Memory) -> u32 {
    u32::try_from(memory.metadata.limit()).map_or(MAX_METADATA, |limit| limit.min(MAX_METADATA))
}

/// More than the metadata of any torrent that is known to be in use.
const MAX_METADATA: u32 = 32 << 20;
