use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use tinytorrent_client::{
    AddError, CheckScope, Client, Event, SwarmEvent, Torrent, TorrentEvent, TorrentOptions,
};
use tinytorrent_examples::Told;
use tinytorrent_types::InfoHashes;
use tokio::task::JoinSet;

use crate::member::{Member, Origin, program};
use crate::retry::Retry;
use crate::{Found, Phase, Row, Totals};

/// The torrents of a client, with what the client does not keep: which of them are to be tried again, which
/// are done, and what was told of them.
#[derive(Debug)]
pub(crate) struct Fleet {
    client: Client,
    settings: TorrentOptions,
    output: PathBuf,
    members: HashMap<InfoHashes, Member>,
    leaving: JoinSet<InfoHashes>,
    next: u64,
    started: Instant,
}

/// Something to be told of a torrent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    /// The torrent.
    pub(crate) hashes: InfoHashes,
    /// The event.
    pub(crate) told: Told,
}

/// The reason for which a torrent was not added.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is just leaving, and is to be added once it has left.
    Leaving,
    /// It cannot be added.
    Invalid(AddError),
}

/// What a look at all torrents has found.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// What is to be told.
    pub(crate) notices: Vec<Notice>,
    /// The torrents whose files are to be read again, so that they are tried again.
    pub(crate) again: Vec<InfoHashes>,
}

impl Fleet {
    /// Takes over the torrents that the client has.
    pub(crate) fn new(
        now: Instant,
        client: Client,
        settings: TorrentOptions,
        output: PathBuf,
    ) -> Self {
        let mut fleet = Self {
            settings,
            output,
            members: HashMap::new(),
            leaving: JoinSet::new(),
            next: 0,
            started: now,
            client,
        };
        fleet.client.torrents().into_iter().for_each(|torrent| fleet.enter(now, torrent));
        fleet
    }

    fn enter(&mut self, now: Instant, torrent: Torrent) {
        let hashes = torrent.hashes();
        let before = self.members.get(&hashes);
        let (number, retry) =
            before.map_or((self.next, Retry::default()), |it| (it.number, it.retry));
        self.next += 1;
        let member = Member::new(now, torrent, number, retry);
        self.members.insert(hashes, member);
    }

    /// The torrents, in their order.
    pub(crate) fn torrents(&self) -> Vec<&Torrent> {
        self.in_order().map(|member| &member.torrent).collect()
    }

    /// The torrent with this identity.
    pub(crate) fn get(&self, hashes: InfoHashes) -> Option<&Torrent> {
        self.members.get(&hashes).map(|member| &member.torrent)
    }

    fn in_order(&self) -> impl Iterator<Item = &Member> {
        let mut members: Vec<_> = self.members.values().collect();
        members.sort_by_key(|member| member.number);
        members.into_iter()
    }

    /// `true` if the torrent is just leaving.
    pub(crate) fn is_leaving(&self, hashes: InfoHashes) -> bool {
        self.members.get(&hashes).is_some_and(|member| member.is_leaving)
    }

    /// Adds a torrent, or finds it. Returns its identity.
    ///
    /// # Errors
    /// It cannot be added, or not now.
    pub(crate) fn add(&mut self, now: Instant, found: &Found) -> Result<InfoHashes, Refusal> {
        if let Some(torrent) = self.client.get(found.source.hashes()) {
            let hashes = torrent.hashes();
            return if self.is_leaving(hashes) { Err(Refusal::Leaving) } else { Ok(hashes) };
        }
        match self.client.add(&found.source, &self.settings) {
            Ok(torrent) => {
                let hashes = torrent.hashes();
                self.enter(now, torrent);
                Ok(hashes)
            }
            Err(error) => Err(Refusal::Invalid(error)),
        }
    }

    /// Lets a torrent leave. Its content stays.
    pub(crate) fn remove(&mut self, hashes: InfoHashes) {
        let Some(member) = self.members.get_mut(&hashes) else { return };
        if std::mem::replace(&mut member.is_leaving, true) {
            return;
        }
        let torrent = member.torrent.clone();
        self.leaving.spawn(async move {
            torrent.stop().await;
            hashes
        });
    }

    /// Lets all of the content of a torrent be checked. One that has failed is tried again, which checks it.
    pub(crate) fn check(&mut self, now: Instant, hashes: InfoHashes) {
        let Some(member) = self.members.get_mut(&hashes) else { return };
        if member.trouble.is_some() {
            return member.retry.hurry(now);
        }
        let torrent = member.torrent.clone();
        tokio::spawn(async move {
            if let Err(error) = torrent.recheck(CheckScope::All).await {
                tracing::warn!(%hashes, %error, "the content was not checked");
            }
        });
    }

    /// Waits until a torrent has left; for ever if none is leaving. Safe to cancel.
    pub(crate) async fn left(&mut self) {
        match self.leaving.join_next().await {
            Some(Ok(hashes)) => _ = self.members.remove(&hashes),
            // None is leaving, or one of them panicked.
            _ => std::future::pending().await,
        }
    }

    /// Pauses a torrent.
    pub(crate) fn pause(&mut self, hashes: InfoHashes) {
        if let Some(member) = self.members.get_mut(&hashes) {
            member.torrent.pause();
        }
    }

    /// Resumes a torrent, whatever its goals, or tries it again.
    pub(crate) fn resume(&mut self, now: Instant, hashes: InfoHashes) {
        if let Some(member) = self.members.get_mut(&hashes) {
            match member.trouble {
                Some(_) => member.retry.hurry(now),
                None => member.torrent.resume(),
            }
        }
    }

    /// Takes note of an event. Returns what is to be told.
    pub(crate) fn on_event(&mut self, now: Instant, event: &TorrentEvent) -> Vec<Notice> {
        let hashes = event.hashes;
        let Some(member) = self.members.get_mut(&hashes) else { return Vec::new() };
        let mut told = Told::of(&event.event);
        match &event.event {
            Event::Checked { have, total, .. } => {
                member.recover();
                told = vec![program(json!({ "event": "checked", "bytes": have, "total": total }))];
            }
            Event::StateChanged(state) => {
                told.push(program(
                    json!({ "event": "state", "state": Phase::from(*state).name() }),
                ));
                told.extend(member.look(now, &self.output));
            }
            Event::Failed(_) => told.extend(member.look(now, &self.output)),
            Event::SeededEnough => told.push(member.done()),
            // Each block that was under way has the same to say.
            Event::Swarm(SwarmEvent::Paused { error }) if member.trouble.is_none() => {
                let pause = member.retry.fail(now);
                told.push(member.fail(error.to_string(), Some(pause), false));
            }
            _ => {}
        }
        told.into_iter().map(|told| Notice { hashes, told }).collect()
    }

    /// Looks at all torrents: which are complete, done, or to be tried again.
    pub(crate) fn look(&mut self, now: Instant) -> Looked {
        let mut looked = Looked::default();
        for (&hashes, member) in &mut self.members {
            let mut told = member.look(now, &self.output);
            told.extend(member.progress());
            looked.notices.extend(told.into_iter().map(|told| Notice { hashes, told }));
            if !member.is_leaving && member.retry.is_due(now) {
                if member.trouble.as_ref().is_some_and(|trouble| trouble.has_ended) {
                    looked.again.push(hashes);
                } else {
                    member.trouble = None;
                    member.torrent.resume();
                }
            }
        }
        looked
    }

    /// The torrents as they are, with the file that each is from and the name that it gives.
    pub(crate) fn rows(&self, origins: &HashMap<InfoHashes, Origin<'_>>) -> Vec<Row> {
        let origin = |member: &Member| origins.get(&member.torrent.hashes()).copied();
        self.in_order().map(|member| member.row(origin(member))).collect()
    }

    /// The figures of this run.
    pub(crate) fn totals(&self, now: Instant) -> Totals {
        let counts = self.client.counts();
        let memory = self.client.memory();
        Totals {
            downloaded: counts.downloaded,
            uploaded: counts.uploaded,
            wasted: counts.wasted,
            hash_failures: counts.hash_failures,
            memory: memory.receive + memory.frames + memory.send + memory.read,
            uptime: now.saturating_duration_since(self.started),
        }
    }
}
