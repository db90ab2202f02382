//! `download` without a source: its own tracker, its own seeders.

use crate::support::COMPLETE;
use crate::support::content::Content;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![download_without_a_source_shows_a_whole_download,];

fn download_without_a_source_shows_a_whole_download() {
    need!(Need::Example("download"));
    let scene = Scene::new(Content::single("unused", 1));
    let mut demo = Ours::run("download", &scene, &[]);
    let finished = demo.finish();
    assert_eq!(finished["hash_failures"], 0);
    assert!(finished["bytes"].as_u64().is_some_and(|bytes| bytes >= 200 << 20), "{finished}");
    assert!(finished["downloaded"].as_u64() >= finished["bytes"].as_u64(), "{finished}");
    let progress = |event: &serde_json::Value| event["event"] == "progress";
    demo.wait_for("progress", COMPLETE, progress);
}
