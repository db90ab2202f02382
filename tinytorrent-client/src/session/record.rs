use std::path::PathBuf;
use std::time::Duration;

use tinytorrent_bencode::encode::{self, DictEncoder};
use tinytorrent_bencode::{Node, decode};
use tinytorrent_metainfo::{FileSelection, PathPolicy};
use tinytorrent_types::{InfoHashV1, InfoHashV2, InfoHashes};

use super::fields::{Fields, put_limit, put_list, put_tiers};
use crate::driver::{Origin, SeedGoals};
use crate::priority::{Priorities, Priority, Ranked};
use crate::web_seed::{NamedWebSeeds, WebSeedOptions};
use crate::{PauseReason, PeerAddress, TorrentOptions};

/// The record of one torrent, beside its metadata.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) hashes: InfoHashes,
    /// The settings of the moment.
    pub(crate) options: TorrentOptions,
    pub(crate) origin: Origin,
    /// The name in the link, as long as there is no metadata.
    pub(crate) name: Option<Box<str>>,
}

/// The version of the format. One that a later version has written is left alone.
const VERSION: u64 = 1;

/// The reason for which bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRecord {
    #[error("it is damaged")]
    Damaged,
    #[error("it was written by a later version")]
    Later,
}

impl Record {
    /// Encodes the record, with a hash that shows damage.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut inner = Vec::new();
        encode::dict(&mut inner, |dict| self.fill(dict));
        let mut out = Vec::new();
        encode::dict(&mut out, |dict| {
            dict.bytes("record", &inner);
            dict.bytes("sha1", tinytorrent_hash::sha1(&inner));
        });
        out
    }

    fn fill(&self, dict: &mut DictEncoder<'_>) {
        let options = &self.options;
        let flag = |dict: &mut DictEncoder<'_>, name: &str, is_set: bool| {
            dict.integer(name, u64::from(is_set));
        };
        // Keys ascend.
        dict.integer("added", self.origin.added);
        flag(dict, "assume_complete", options.assume_complete);
        put_limit(dict, "download_limit", options.download_limit);
        flag(dict, "dht", options.dht);
        flag(dict, "exchange", options.exchange);
        dict.bytes("files", options.files.to_string());
        dict.bytes("folder", options.folder.as_os_str().as_encoded_bytes());
        flag(dict, "follow_links", options.follow_links);
        put_list(dict, "link_peers", self.origin.peers.iter().map(PeerAddress::to_string));
        dict.bytes("link_selection", self.origin.selection.to_string());
        flag(dict, "lsd", options.lsd);
        dict.integer("max_connecting", u64::from(options.max_connecting));
        dict.integer("max_peers", options.max_peers as u64);
        dict.integer("max_requests", u64::from(options.max_requests));
        flag(dict, "metadata_only", options.metadata_only);
        if let Some(folder) = &options.moving_to {
            dict.bytes("moving_to", folder.as_os_str().as_encoded_bytes());
        }
        if let Some(name) = &self.name {
            dict.bytes("name", name.as_bytes());
        }
        dict.bytes("names", policy_name(options.names));
        flag(dict, "own_content", options.has_own_content);
        dict.integer("paused", options.paused.map_or(0, number_of));
        put_list(dict, "peers", options.peers.iter().map(PeerAddress::to_string));
        dict.integer("position", self.origin.position);
        flag(dict, "preallocate", options.preallocate);
        if let Some(priorities) = &options.priorities {
            dict.dict("priorities", |dict| {
                put_ranked(dict, "files", &priorities.files);
                put_ranked(dict, "pieces", &priorities.pieces);
            });
        }
        flag(dict, "read_only", options.read_only);
        flag(dict, "resume", options.resume);
        put_limit(dict, "sample_bytes", options.sample_bytes);
        flag(dict, "seed_goals_waived", options.seed_goals.is_waived);
        if let Some(ratio) = options.seed_goals.ratio {
            dict.bytes("seed_ratio", ratio.to_string());
        }
        put_limit(dict, "seed_seconds", options.seed_goals.time.map(|time| time.as_secs()));
        flag(dict, "sequential", options.sequential);
        if let Some(tiers) = &self.origin.set_trackers {
            put_tiers(dict, "set_trackers", tiers);
        }
        flag(dict, "super_seeding", options.super_seeding);
        flag(dict, "tracker_exchange", options.tracker_exchange);
        put_tiers(dict, "trackers", &self.origin.trackers);
        put_limit(dict, "upload_limit", options.upload_limit);
        dict.integer("upload_slots", options.upload_slots as u64);
        put_tiers(dict, "user_trackers", &options.trackers);
        put_list(dict, "user_web_seeds", options.web_seeds.urls.iter().cloned());
        if let Some(hash) = self.hashes.v1() {
            dict.bytes("v1", hash.as_bytes());
        }
        if let Some(hash) = self.hashes.v2() {
            dict.bytes("v2", hash.as_bytes());
        }
        dict.integer("version", VERSION);
        let named = &self.origin.web_seeds;
        dict.dict("web_seeds", |dict| {
            put_list(dict, "http", named.http.iter().cloned());
            put_list(dict, "link", named.link.iter().cloned());
            put_list(dict, "torrent", named.torrent.iter().cloned());
        });
        flag(dict, "web_seeds_on", options.web_seeds.is_on);
        flag(dict, "without_trackers", options.without_trackers);
    }

    /// Reads a record.
    ///
    /// # Errors
    /// The bytes are damaged, or of a later version.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, BadRecord> {
        let outer = decode(bytes).map_err(|_| BadRecord::Damaged)?;
        let part = |name: &str| outer.get(name).and_then(|node| node.as_bytes());
        let inner = part("record").ok_or(BadRecord::Damaged)?;
        if part("sha1") != Some(&tinytorrent_hash::sha1(inner)[..]) {
            return Err(BadRecord::Damaged);
        }
        let document = decode(inner).map_err(|_| BadRecord::Damaged)?;
        let fields = Fields(document.root());
        match fields.number("version") {
            Some(VERSION) => fields.read().ok_or(BadRecord::Damaged),
            Some(version) if version > VERSION => Err(BadRecord::Later),
            _ => Err(BadRecord::Damaged),
        }
    }
}

/// The fields of a record. One that is missing has its default.
impl Fields<'_, '_> {
    fn read(&self) -> Option<Record> {
        let mut options = TorrentOptions::new(self.path("folder")?);
        options.assume_complete = self.flag("assume_complete", options.assume_complete);
        options.download_limit = self.number("download_limit");
        options.exchange = self.flag("exchange", options.exchange);
        options.dht = self.flag("dht", options.dht);
        options.lsd = self.flag("lsd", options.lsd);
        options.files = FileSelection::from_text(self.text("files")?);
        options.follow_links = self.flag("follow_links", options.follow_links);
        let connecting = self.number("max_connecting").and_then(|number| number.try_into().ok());
        options.max_connecting = connecting.unwrap_or(options.max_connecting);
        options.max_peers = self.count("max_peers").unwrap_or(options.max_peers);
        let requests = self.number("max_requests").and_then(|number| number.try_into().ok());
        options.max_requests = requests.unwrap_or(options.max_requests);
        options.preallocate = self.flag("preallocate", options.preallocate);
        options.sample_bytes = self.number("sample_bytes");
        options.metadata_only = self.flag("metadata_only", options.metadata_only);
        options.moving_to = self.path("moving_to").map(PathBuf::into_boxed_path);
        options.names = policy(self.text("names")?)?;
        options.has_own_content = self.flag("own_content", false);
        options.paused = reason(self.number("paused"));
        options.peers = self.peers("peers");
        options.priorities = self.0.get("priorities").map(|node| Box::new(priorities(node)));
        options.read_only = self.flag("read_only", options.read_only);
        options.resume = self.flag("resume", options.resume);
        options.seed_goals = SeedGoals {
            ratio: self.text("seed_ratio").and_then(|ratio| ratio.parse().ok()),
            time: self.number("seed_seconds").map(Duration::from_secs),
            is_waived: self.flag("seed_goals_waived", false),
        };
        options.sequential = self.flag("sequential", options.sequential);
        options.super_seeding = self.flag("super_seeding", options.super_seeding);
        options.tracker_exchange = self.flag("tracker_exchange", options.tracker_exchange);
        options.trackers = self.tiers("user_trackers");
        options.upload_limit = self.number("upload_limit");
        options.upload_slots = self.count("upload_slots").unwrap_or(options.upload_slots);
        options.web_seeds = WebSeedOptions {
            is_on: self.flag("web_seeds_on", true),
            urls: self.texts("user_web_seeds"),
        };
        options.without_trackers = self.flag("without_trackers", options.without_trackers);
        Some(Record {
            hashes: self.hashes()?,
            name: self.text("name").map(Into::into),
            options,
            origin: Origin {
                trackers: self.tiers("trackers"),
                set_trackers: self.0.get("set_trackers").map(|_| self.tiers("set_trackers").into()),
                web_seeds: self.0.get("web_seeds").map(named_web_seeds).unwrap_or_default(),
                peers: self.peers("link_peers"),
                selection: FileSelection::from_text(self.text("link_selection")?),
                added: self.number("added").unwrap_or_default(),
                position: self.number("position").unwrap_or_default(),
            },
        })
    }

    fn hashes(&self) -> Option<InfoHashes> {
        let v1 = self.bytes("v1").map(|hash| hash.try_into().map(InfoHashV1::from_bytes));
        let v2 = self.bytes("v2").map(|hash| hash.try_into().map(InfoHashV2::from_bytes));
        match (v1.transpose().ok()?, v2.transpose().ok()?) {
            (Some(v1), Some(v2)) => Some(InfoHashes::from_both(v1, v2)),
            (Some(v1), None) => Some(InfoHashes::from_v1(v1)),
            (None, Some(v2)) => Some(InfoHashes::from_v2(v2)),
            (None, None) => None,
        }
    }
}

fn named_web_seeds(node: Node<'_, '_>) -> NamedWebSeeds {
    let fields = Fields(node);
    NamedWebSeeds {
        torrent: fields.texts("torrent"),
        http: fields.texts("http"),
        link: fields.texts("link"),
    }
}

/// The number of a reason; 0 is none.
fn number_of(reason: PauseReason) -> u64 {
    match reason {
        PauseReason::User => 1,
        PauseReason::SeedGoal => 2,
        // No wish, and tried again.
        PauseReason::Disk => 0,
    }
}

fn reason(number: Option<u64>) -> Option<PauseReason> {
    match number? {
        0 => None,
        2 => Some(PauseReason::SeedGoal),
        _ => Some(PauseReason::User),
    }
}

fn put_ranked(dict: &mut DictEncoder<'_>, name: &str, ranked: &Ranked) {
    dict.dict(name, |dict| {
        let mut sets = Priority::ALL.map(|priority| (priority.to_string(), ranked.of(priority)));
        sets.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, set) in sets.iter().filter(|(_, set)| !set.is_empty()) {
            dict.bytes(name, set.to_string());
        }
    });
}

fn priorities(node: Node<'_, '_>) -> Priorities {
    let ranked = |name: &str| {
        let mut ranked = Ranked::default();
        for priority in Priority::ALL {
            let text = node.get(name).and_then(|node| node.get(priority.to_string())?.as_str());
            let set = text.map(FileSelection::from_text).unwrap_or_default();
            ranked.set(&set, Some(priority));
        }
        ranked
    };
    Priorities { files: ranked("files"), pieces: ranked("pieces") }
}

fn policy_name(policy: PathPolicy) -> &'static str {
    match policy {
        PathPolicy::System => "system",
        PathPolicy::Portable => "portable",
        PathPolicy::Exact => "exact",
        // A policy of a later version is not one that this version was asked for.
        _ => "system",
    }
}

fn policy(name: &str) -> Option<PathPolicy> {
    Some(match name {
        "system" => PathPolicy::System,
        "portable" => PathPolicy::Portable,
        "exact" => PathPolicy::Exact,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let mut options = TorrentOptions::new("some/folder");
        options
            .tracker("udp://user.example:1")
            .peer("127.0.0.1:6881".parse::<PeerAddress>().unwrap())
            .files(FileSelection::from_text("0,2-4"))
            .download_limit(Some(0))
            .max_peers(7)
            .max_connecting(3)
            .max_requests(5)
            .preallocate(true)
            .sample_bytes(0)
            .sequential(true)
            .super_seeding(true)
            .names(PathPolicy::Portable)
            .paused(true)
            .metadata_only(true)
            .seed_ratio(Some(1.5))
            .seed_time(Some(Duration::from_secs(90)))
            .file_priority(FileSelection::from_text("1,3-9"), Priority::High)
            .file_priority(FileSelection::from_text("4"), Priority::Skip)
            .read_only(true)
            .web_seed("http://user.example/folder/")
            .web_seeds(false);
        options.has_own_content = true;
        options.moving_to = Some(PathBuf::from("another/folder").into_boxed_path());
        options.seed_goals.is_waived = true;
        options.paused = Some(PauseReason::SeedGoal);
        Record {
            name: Some("a name".into()),
            hashes: InfoHashes::from_both(
                InfoHashV1::from_bytes([1; 20]),
                InfoHashV2::from_bytes([2; 32]),
            ),
            options,
            origin: Origin {
                trackers: vec![vec!["udp://a:1".into(), "http://b/announce".into()], vec![]],
                set_trackers: Some(vec![vec!["udp://c:1".into()]].into()),
                web_seeds: NamedWebSeeds {
                    torrent: vec!["http://a/".into()],
                    http: vec!["http://b/".into()],
                    link: vec!["http://c/".into(), "https://d/".into()],
                },
                peers: vec!["peer.example:1".parse().unwrap()],
                selection: FileSelection::from_text("9"),
                added: 1_700_000_000,
                position: 3,
            },
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let bytes = record().to_bytes();
        let back = Record::from_bytes(&bytes).unwrap();
        // Each field is a part of the debug text.
        assert_eq!(format!("{back:?}"), format!("{:?}", record()));
    }

    #[test]
    fn a_record_that_was_cut_or_changed_anywhere_is_damaged() {
        let bytes = record().to_bytes();
        for at in 0..bytes.len() {
            assert_eq!(Record::from_bytes(&bytes[..at]).err(), Some(BadRecord::Damaged), "{at}");
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Record::from_bytes(&changed).err(), Some(BadRecord::Damaged), "{at}");
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut inner = Vec::new();
        encode::dict(&mut inner, |dict| dict.integer("version", VERSION + 1));
        let mut bytes = Vec::new();
        encode::dict(&mut bytes, |dict| {
            dict.bytes("record", &inner);
            dict.bytes("sha1", tinytorrent_hash::sha1(&inner));
        });
        assert_eq!(Record::from_bytes(&bytes).err(), Some(BadRecord::Later));
    }
}
