//! Torrents that the owner of a key names (BEP 46).

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tinytorrent_dht::{DhtNode, Event, Follow, Item, WireInfoHash};
use tinytorrent_examples::{Failure, Output};
use tinytorrent_metainfo::{KeyMagnet, TorrentKey};

use crate::finish;
use crate::items::{Owner, newest};

pub(crate) async fn resolve(node: &DhtNode, link: &KeyMagnet, out: Output) -> Result<(), Failure> {
    let key = link.key();
    let (item, report) = newest(node.get_mutable(*key.public(), key.salt())).await?;
    let torrent = item.as_ref().and_then(Item::torrent);
    if let Some((item, torrent)) = item.as_ref().zip(torrent) {
        tell(item, torrent, out);
    }
    let why_not = if item.is_some() { "its item names no torrent" } else { "no node has it" };
    finish(out, &report, torrent.is_some(), why_not)
}

pub(crate) async fn follow(
    node: &DhtNode,
    link: &KeyMagnet,
    interval: u64,
    out: Output,
) -> Result<(), Failure> {
    let key = link.key();
    let mut follow = Follow::new(*key.public(), key.salt());
    follow.interval(Duration::from_secs(interval));
    let mut lookup = node.follow(follow);
    while let Some(event) = lookup.next().await {
        match event {
            Event::ItemFound { item, .. } => match item.torrent() {
                Some(torrent) => tell(&item, torrent, out),
                None => out.say("its item names no torrent now"),
            },
            Event::RoundEnded { report, .. } => out.event(&json!({
                "event": "round",
                "copies": report.copies,
                "queries": report.queries,
                "answers": report.answers,
            })),
            _ => {}
        }
        out.check()?;
    }
    Ok(())
}

pub(crate) async fn publish(
    node: &DhtNode,
    torrent: WireInfoHash,
    key: &Path,
    salt: &str,
    out: Output,
) -> Result<(), Failure> {
    let value = Item::torrent_value(torrent);
    let (item, replaced) = Owner::read(key, salt)?.sign(node, &value, out).await?;
    let public = item.mutable_part().map(|part| part.key).unwrap_or_default();
    let link = TorrentKey::new(public, salt.as_bytes())
        .map_err(|error| Failure::invalid_input("the salt", &error))?;
    let link = KeyMagnet::new(link).to_string();
    out.say(&link);
    out.event(&json!({ "event": "publishing", "magnet": link, "seq": item.seq() }));
    let mut lookup = node.publish(item, replaced);
    while let Some(event) = lookup.next().await {
        match event {
            Event::ItemFound { item, .. } => {
                let what = format!("somebody else has the key: number {:?} is there", item.seq());
                return Err(Failure::CouldNot(what));
            }
            Event::RoundEnded { report, .. } => {
                out.say(format!("stored by {} nodes, and {} had it", report.stored, report.copies));
                out.event(
                    &json!({ "event": "round", "stored": report.stored, "copies": report.copies }),
                );
            }
            _ => {}
        }
        out.check()?;
    }
    Ok(())
}

fn tell(item: &Item, torrent: WireInfoHash, out: Output) {
    out.say(torrent.to_string());
    out.event(&json!({ "event": "torrent", "info_hash": torrent.to_string(), "seq": item.seq() }));
}
