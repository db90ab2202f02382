//! Kills at random moments: whatever was verified is there after the next start, and is not fetched again.
#![cfg(unix)]

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use support::{Content, Scene};

/// Torrents and kills; in full with `TINYTORRENT_KILLS=full`, which takes minutes.
fn size() -> (usize, usize) {
    match std::env::var("TINYTORRENT_KILLS") {
        Ok(text) if text == "full" => (200, 20),
        _ => (30, 4),
    }
}

/// Pseudorandom numbers, other ones in each run; the seed is told with a failure.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// No file of the session is broken: the book is JSON, and each record, each file of metadata and the nodes of the DHT
/// are whole.
fn assert_state_is_whole(state: &Path) {
    let Ok(entries) = fs::read_dir(state) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let (name, bytes) = (path.file_name().unwrap().to_string_lossy(), fs::read(&path).unwrap());
        if name == "files.json" {
            serde_json::from_slice::<Value>(&bytes).unwrap();
        } else if name.ends_with(".torrent-state")
            || name.ends_with("-metadata")
            || name == "dht-nodes"
        {
            let inner = bytes.strip_prefix(b"ttmeta1\n").unwrap_or(&bytes);
            assert!(inner.starts_with(b"d") && inner.ends_with(b"e"), "{}", path.display());
        } else {
            let is_draft =
                name.ends_with("lock") || name.ends_with(".new") || name.starts_with('.');
            assert!(is_draft, "{}", path.display());
        }
    }
}

#[test]
fn a_kill_at_any_moment_costs_nothing_that_was_verified() {
    let (torrents, kills) = size();
    let seed = u64::from(std::process::id()) << 20 | 1;
    let mut dice = Dice(seed);
    let scene = Scene::new();
    let contents: Vec<Content> = (0..torrents)
        .map(|at| scene.content(&format!("content {at}"), 60_000 + 997 * at % 200_000))
        .collect();
    for (at, content) in contents.iter().enumerate() {
        // Slow enough that kills come between the pieces of many.
        content.seed.set_upload_limit(Some(60_000));
        match at % 5 {
            0 => scene.write(&format!("{at}.magnet"), content.link().as_bytes()),
            _ => scene.put(&format!("{at}.torrent"), content),
        }
    }
    // The most that was told to be verified, and what a seed had sent when its torrent was complete.
    let mut have: HashMap<String, u64> = HashMap::new();
    let mut sent: HashMap<String, u64> = HashMap::new();
    for run in 0..=kills {
        let mut watch = scene.watch(&[]);
        if run < kills {
            watch.wait("listening", |_| true);
            std::thread::sleep(Duration::from_millis(dice.roll(2500)));
            watch.kill();
        } else {
            contents.iter().for_each(|content| _ = watch.wait_for("finished", content));
            assert_eq!(watch.interrupt().code(), Some(130));
        }
        assert_state_is_whole(&scene.path("out/.tinytorrent-watch"));
        for content in &contents {
            let hash = content.hash();
            let mut of_it = |name: &str| -> Vec<Value> {
                let told = watch.told(name).into_iter();
                told.filter(|told| told["info_hash_v1"] == *hash).cloned().collect()
            };
            let bytes = |told: &Value| told["bytes"].as_u64().unwrap();
            let before = have.get(&hash).copied().unwrap_or_default();
            if let Some(checked) = of_it("checked").first() {
                let what = format!("run {run} of {seed}: {checked} after {before}");
                assert!(bytes(checked) >= before, "{what}");
            }
            let most = of_it("progress").iter().chain(&of_it("checked")).map(bytes).max();
            have.insert(hash.clone(), before.max(most.unwrap_or_default()));
            if !of_it("finished").is_empty() && !sent.contains_key(&hash) {
                sent.insert(hash.clone(), content.seed.stats().uploaded);
                have.insert(hash, content.metainfo.layout().total_length());
            }
        }
    }
    for content in &contents {
        content.assert_in(&scene.path("out"));
        let uploaded = content.seed.stats().uploaded;
        assert_eq!(uploaded, sent[&content.hash()], "it is complete, and fetched again");
    }
}
