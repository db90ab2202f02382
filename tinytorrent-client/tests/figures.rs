//! Numbers for exporters.

mod support;

use std::collections::HashSet;

use support::{Scene, address, client, in_time, tracker_failed_and_peer_joined};
use tinytorrent_client::{Client, Counts, FigureDetail, Figures, MetricKind, TorrentOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The one value of a metric without labels.
fn value(figures: &Figures, name: &str) -> f64 {
    let metric = figures.get(name).unwrap_or_else(|| panic!("there is no {name}"));
    let [sample] = &metric.samples[..] else { panic!("{name} has not one sample") };
    sample.value
}

fn names(client: &Client, detail: FigureDetail) -> Vec<&'static str> {
    client.figures(detail).metrics().iter().map(|metric| metric.name).collect()
}

#[tokio::test]
async fn the_list_of_metrics_is_the_same_with_and_without_torrents() {
    let (scene, client) = (Scene::single(100_000), client("127.0.0.1:0"));
    let details = [FigureDetail::Client, FigureDetail::Torrents, FigureDetail::Peers];
    let before = details.map(|detail| names(&client, detail));
    scene.seed(&client).await;
    assert_eq!(details.map(|detail| names(&client, detail)), before);
    let distinct: HashSet<_> = before[2].iter().collect();
    assert_eq!(distinct.len(), before[2].len(), "no name stands twice");
    assert!(before[0].len() < before[1].len() && before[1].len() < before[2].len());
    for metric in client.figures(FigureDetail::Peers) {
        let is_counter = metric.kind == MetricKind::Counter;
        assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
        assert!(metric.name.starts_with("tinytorrent_") && metric.help.ends_with('.'));
    }
}

#[tokio::test]
async fn a_download_is_counted_on_both_sides_and_stays_counted_after_its_end() {
    let scene = Scene::multi();
    let total = scene.metainfo.info().geometry().total_payload();
    let pieces = u64::from(scene.metainfo.info().geometry().piece_count());
    let (here, there) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let seed = scene.seed(&here).await;
    let mut options = scene.leech(&here);
    // Nothing comes yet, so that the peer is not lost as one of two seeds.
    options.tracker("http://127.0.0.1:1/announce/secret").download_limit(Some(0));
    let leech = there.add(&scene.metainfo, &options).unwrap();
    tracker_failed_and_peer_joined(&leech).await;
    let figures = there.figures(FigureDetail::Peers);
    let peer = figures.get("tinytorrent_peer_downloaded_bytes_total").unwrap().samples[0].clone();
    assert_eq!(peer.labels[1], ("address", address(&here).to_string()));
    assert_eq!((peer.value, value(&figures, "tinytorrent_peers")), (0.0, 1.0));
    assert!(value(&figures, "tinytorrent_connections") >= 1.0);
    leech.set_download_limit(None);
    in_time(leech.finished()).await.unwrap();

    let received = leech.counts();
    assert!(received.downloaded >= total, "{received:?}");
    assert_eq!((received.pieces, received.joined, received.dials), (pieces, 1, 1));
    assert_eq!((received.announces, received.failed_announces), (1, 1));
    assert_eq!(there.counts(), received, "there is no other torrent");
    let sent = seed.counts();
    assert_eq!((sent.accepted, sent.joined, sent.dials), (1, 1, 0));

    let figures = there.figures(FigureDetail::Peers);
    let hash = scene.metainfo.info().hashes().to_string();
    let of = |name: &str| figures.get(name).unwrap().samples[0].clone();
    let left = of("tinytorrent_torrent_left_bytes");
    assert_eq!((left.labels[0].clone(), left.value), (("info_hash", hash), 0.0));
    let failed = of("tinytorrent_tracker_failed_announces_total");
    assert_eq!((&failed.labels[1].1[..], failed.value), ("127.0.0.1:1", 1.0));
    assert_eq!(value(&figures, "tinytorrent_disk_right_pieces_total"), pieces as f64);
    assert!(!figures.to_string().contains("secret"));

    let stats = leech.stop().await;
    let ended = leech.counts();
    assert_eq!(ended.downloaded, stats.downloaded, "the last figures are kept");
    assert_eq!(there.counts(), ended);
    let after = there.figures(FigureDetail::Torrents);
    assert_eq!(value(&after, "tinytorrent_downloaded_bytes_total"), ended.downloaded as f64);
    assert!(after.get("tinytorrent_torrent_left_bytes").unwrap().samples.is_empty());
}

#[tokio::test]
async fn states_are_told_for_each_state() {
    let (scene, client) = (Scene::single(1000), client("127.0.0.1:0"));
    scene.seed(&client).await;
    let mut options = TorrentOptions::new(scene.leech_dir());
    client.add("ab".repeat(20), options.paused(true)).unwrap();
    let figures = client.figures(FigureDetail::Client);
    let states = &figures.get("tinytorrent_torrents").unwrap().samples;
    let of = |state: &str| {
        let sample = states.iter().find(|sample| sample.labels[0].1 == state);
        sample.map(|sample| sample.value)
    };
    assert_eq!((of("seeding"), of("paused"), of("downloading")), (Some(1.0), Some(1.0), Some(0.0)));
    assert_eq!(states.iter().map(|sample| sample.value).sum::<f64>(), 2.0);
}

#[tokio::test]
async fn a_stranger_is_refused_and_counted() {
    let client = client("127.0.0.1:0");
    let mut stranger = TcpStream::connect(address(&client)).await.unwrap();
    stranger.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    stranger.shutdown().await.unwrap();
    let _ = in_time(stranger.read_to_end(&mut Vec::new())).await;
    let expected = Counts::default();
    in_time(async {
        while client.counts() == expected {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!((client.counts().refused, client.counts().accepted), (1, 0));
}

#[tokio::test]
async fn every_line_is_a_comment_or_a_sample() {
    let (scene, client) = (Scene::single(1000), client("127.0.0.1:0"));
    scene.seed(&client).await;
    let text = client.figures(FigureDetail::Torrents).to_string();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        let is_comment = line.starts_with("# HELP ") || line.starts_with("# TYPE ");
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        assert!(is_comment || value.is_some() && line.starts_with("tinytorrent_"), "{line}");
    }
}
