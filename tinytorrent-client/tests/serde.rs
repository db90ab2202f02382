//! Values of the client as JSON.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json, to_value};
use tinytorrent_client::{
    AddError, ClientLimits, Event, FileIndex, FileInfo, History, InfoHashV1, InfoHashes, Limits,
    MemoryStats, Metainfo, PeerInfo, PeerKey, PeerView, PieceInfo, Snapshot, State, Stats,
    SwarmEvent, TorrentError, TorrentEvent, TrackerInfo,
};

const TORRENT: &[u8] =
    b"d4:infod6:lengthi1e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

/// The value as JSON, after it came back as it was.
fn there_and_back<T>(value: &T) -> Value
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_handles_show_comes_back_as_it_was() {
    let address = "192.0.2.1:6881".parse().unwrap();
    let peer = there_and_back(&PeerInfo::new(PeerView::new(PeerKey::from_bits(7), address)));
    assert_eq!((&peer["peer"]["transport"], &peer["peer"]["key"]), (&json!("tcp"), &json!(7)));

    let mut tracker = TrackerInfo::of_url("udp://tracker.example:1");
    assert_eq!(there_and_back(&tracker)["next_announce"], Value::Null);
    tracker.next_announce = Some(Duration::from_millis(1_500));
    let tracker = there_and_back(&tracker);
    assert_eq!((&tracker["state"], &tracker["next_announce"]), (&json!("unused"), &json!(1.5)));

    let mut file = FileInfo::new(FileIndex::new(3), 9);
    file.path = Some("a/b".into());
    let file = there_and_back(&file);
    assert_eq!((&file["index"], &file["path"]), (&json!(3), &json!("a/b")));

    let pieces = there_and_back(&PieceInfo::new(9));
    assert_eq!(pieces["wanted"], json!([9, "ff80"]));

    let mut history = History::new(SystemTime::UNIX_EPOCH, Default::default());
    history.added += Duration::from_secs(1_700_000_000);
    history.seeding = Duration::from_secs(60);
    let history = there_and_back(&history);
    assert_eq!((&history["added"], &history["seeding"]), (&json!(1.7e9), &json!(60.0)));

    assert_eq!(there_and_back(&State::FetchingMetadata), json!("fetching_metadata"));
    there_and_back(&Stats::default());
    there_and_back(&MemoryStats::default());
    there_and_back(&ClientLimits::default());
    there_and_back(&Limits::default());
}

#[test]
fn limits_by_default_are_those_of_a_new_torrent() {
    assert_eq!(Limits::default().max_peers, 100);
    let limits: Limits = serde_json::from_value(json!({ "max_peers": 7 })).unwrap();
    assert_eq!((limits.max_peers, limits.upload_slots), (7, Limits::default().upload_slots));
}

#[test]
fn an_event_names_itself_and_its_torrent() {
    let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([0xab; 20]));
    let metainfo = Arc::new(Metainfo::from_bytes(TORRENT).unwrap());
    let event = |event| to_value(TorrentEvent::new(hashes, event)).unwrap();
    let info = json!({ "name": "x", "total_length": 1, "piece_count": 1 });
    assert_eq!(
        event(Event::MetadataReceived(Arc::clone(metainfo.info()))),
        json!({ "hashes": "ab".repeat(20), "event": { "metadata_received": info } })
    );
    let mut snapshot = Snapshot::new(State::Seeding);
    snapshot.metainfo = Some(metainfo);
    let now = event(Event::Now(Arc::new(snapshot)));
    assert_eq!(now["event"]["now"]["metainfo"], info);
    assert_eq!(now["event"]["now"]["state"], "seeding");
    assert_eq!(event(Event::Swarm(SwarmEvent::Finished))["event"], json!({ "swarm": "finished" }));
    let failed = event(Event::Failed(TorrentError::Stopped));
    assert_eq!(failed["event"], json!({ "failed": "the torrent was stopped" }));
    assert_eq!(to_value(AddError::ShutDown).unwrap(), "the client was shut down");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_is_shown_and_fails_nothing() {
    use std::os::unix::ffi::OsStrExt;

    let mut file = FileInfo::new(FileIndex::new(0), 1);
    let path: std::path::PathBuf = std::ffi::OsStr::from_bytes(b"a\xff").into();
    file.path = Some(path.clone());
    assert_eq!(to_value(&file).unwrap()["path"], "a\u{fffd}");
    let index = FileIndex::new(0);
    for event in [
        Event::LongerFile { path: path.clone(), size: 2, length: 1, is_cut: true },
        Event::FileRenamed { file: index, path: path.clone() },
        Event::Moved { folder: path },
    ] {
        assert!(to_value(&event).unwrap().to_string().contains("a\u{fffd}"), "{event:?}");
    }
}
