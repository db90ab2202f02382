//! Views, figures and events as JSON.

use serde_json::json;
use tinytorrent_swarm::{
    ConnectionError, Event, LeaveReason, PeerKey, PeerSource, PeerView, Stats, TrackerUrl,
    tracker::{Failure, Refusal},
};

#[test]
fn view_of_a_peer_comes_back_as_it_was() {
    let mut peer = PeerView::new(PeerKey::from_bits(1 << 32 | 7), "[::1]:6881".parse().unwrap());
    peer.client = Some("X 1".into());
    peer.source = PeerSource::LocalTracker;
    peer.connected = std::time::Duration::from_millis(1_500);
    let text = serde_json::to_value(&peer).unwrap();
    assert_eq!(text["key"], json!((1u64 << 32) + 7));
    assert_eq!(
        (&text["address"], &text["source"]),
        (&json!("[::1]:6881"), &json!("local_tracker"))
    );
    assert_eq!(
        (&text["connected"], &text["flow"]["we_choke"]),
        (&json!(1.5), &json!("not_interested"))
    );
    assert_eq!(serde_json::from_value::<PeerView>(text).unwrap(), peer);
}

#[test]
fn figures_of_an_earlier_version_are_read() {
    let stats: Stats = serde_json::from_value(json!({ "downloaded": 7, "unknown": 1 })).unwrap();
    assert_eq!(stats, Stats { downloaded: 7, ..Stats::default() });
}

#[test]
fn an_event_names_itself_and_errors_are_messages() {
    let address = "192.0.2.1:1".parse().unwrap();
    let reason = LeaveReason::Closed(ConnectionError::TimedOut);
    let left = Event::PeerLeft { peer: PeerKey::from_bits(7), address, reason };
    let expected = json!({ "peer_left": {
        "peer": 7, "address": "192.0.2.1:1", "reason": "closed: no answer in time",
    }});
    assert_eq!(serde_json::to_value(left).unwrap(), expected);
    assert_eq!(serde_json::to_value(Event::Finished).unwrap(), json!("finished"));
}

#[test]
fn the_password_of_a_tracker_is_left_out() {
    let url: TrackerUrl = "http://me:secret@tracker.example/announce".parse().unwrap();
    let failed = Event::TrackerFailed { url, failure: Failure::Refused(Refusal::new("no")) };
    let text = serde_json::to_string(&failed).unwrap();
    assert!(!text.contains("secret") && text.contains("the tracker refused: no"), "{text}");
}
