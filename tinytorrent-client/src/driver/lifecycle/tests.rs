use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tinytorrent_metainfo::{CreateOptions, FileSelection, Version};
use tokio::task::JoinSet;

use super::*;
use crate::ClientOptions;
use crate::driver::job::JobOutcome;
use crate::driver::layers::LayerAnswers;
use crate::driver::testing::engine;
use crate::resources::Bound;
use crate::threads::{self, JobThreads};

/// A file of ten pieces, and its torrent.
fn content(version: Version, is_private: bool) -> (TempDir, Arc<Metainfo>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, [7; 160 << 10]).unwrap();
    let mut options = CreateOptions::new();
    options.version(version).private(is_private).piece_length(16 << 10).unwrap();
    let metainfo = options.create(&path, &|_| ControlFlow::Continue(())).unwrap();
    (folder, Arc::new(metainfo))
}

fn lifecycle(metainfo: &Metainfo, folder: &Path) -> Lifecycle {
    let (client, listeners) = (ClientOptions::default(), JoinSet::new());
    let resources = {
        let places = crate::places::Places::new(9, Arc::default());
        Resources::new(
            client,
            Arc::default(),
            Bound::default(),
            places,
            listeners,
            Arc::default(),
            JobThreads::new(threads::spawn),
        )
    };
    let completions = Inbox::new(&Arc::default());
    Lifecycle::new(
        metainfo.hashes(),
        Arc::new(resources.unwrap()),
        TorrentOptions::new(folder),
        FileSelection::default(),
        completions,
    )
}

fn names(steps: &[Step]) -> Vec<&'static str> {
    let name = |step: &Step| match step {
        Step::Input(Input::HashesNeeded(_)) => "hashes needed",
        Step::Input(Input::HashesChecked { .. }) => "hashes checked",
        Step::Input(Input::MetadataRefused) => "metadata refused",
        Step::Input(Input::ContentReady(_)) => "content ready",
        Step::Input(input) => panic!("{input:?}"),
        Step::Job(Job::LoadMetadata { .. }) => "load metadata",
        Step::Job(Job::CheckMetadata { .. }) => "check metadata",
        Step::Job(Job::SaveLayers { .. }) => "save layers",
        Step::Job(Job::Open(_)) => "open",
        Step::Job(Job::Look { .. }) => "look",
        Step::Job(Job::Keep { .. }) => "keep",
        Step::Job(Job::Work(_)) => "work",
        Step::BecomePrivate => "private",
        Step::KeepSettings => "keep settings",
        Step::Settle { .. } => "settle",
        Step::Check => "check",
        Step::Stop => "stop",
        Step::AddLinkPeers(_) => "add peers",
        Step::SetStoreBudget(_) => "set budget",
        Step::SetPriorities { .. } => "set priorities",
        Step::ShowMetainfo(_) => "show metainfo",
        Step::ShowContentPath(_) => "show path",
        Step::Publish(Event::MetadataReceived(_)) => "metadata received",
        Step::Publish(Event::Swarm(SwarmEvent::Finished)) => "finished",
        Step::Publish(event) => panic!("{event:?}"),
        Step::PublishChecked => "checked",
    };
    steps.iter().map(name).collect()
}

/// Runs the last of these steps, which is a job.
fn run_last(mut steps: Vec<Step>) -> JobOutcome {
    match steps.pop() {
        Some(Step::Job(job)) => job.run(),
        _ => panic!("a job comes last"),
    }
}

fn saved(metainfo: &Arc<Metainfo>) -> Option<Box<Metainfo>> {
    Some(Box::new(Metainfo::clone(metainfo)))
}

#[test]
fn metadata_from_a_peer_is_published_and_the_content_opened() {
    let (folder, metainfo) = content(Version::V1, false);
    let mut lifecycle = lifecycle(&metainfo, folder.path());
    assert_eq!(names(&lifecycle.begin(None, Vec::new())), ["load metadata"]);
    let bytes = Bytes::copy_from_slice(metainfo.info().bytes());
    let outcome = lifecycle.check_metadata(metainfo.hashes(), bytes).run();
    let JobOutcome::MetadataChecked(info) = outcome else { panic!() };
    let steps = lifecycle.on_metadata_checked(info);
    assert_eq!(names(&steps), ["hashes needed", "show metainfo", "metadata received", "open"]);
    // That of an earlier run comes too late, and is not needed any more.
    let steps = lifecycle.on_metadata_loaded(saved(&metainfo), Vec::new());
    assert_eq!(names(&steps), ["add peers"]);
    assert!(matches!(lifecycle.stage(), Stage::Checking(_)));
}

#[test]
fn saved_metadata_comes_before_that_of_peers() {
    let (folder, metainfo) = content(Version::V1, false);
    let mut lifecycle = lifecycle(&metainfo, folder.path());
    let steps = lifecycle.on_metadata_loaded(saved(&metainfo), Vec::new());
    let opened = ["show metainfo", "metadata received", "open"];
    assert_eq!(names(&steps), [&["add peers", "hashes needed"], &opened[..]].concat());
    let steps = lifecycle.on_metadata_checked(Ok(Arc::clone(metainfo.info())));
    assert_eq!(names(&steps), [""; 0]);
}

// S-29, BEP 27
#[test]
fn peers_of_the_link_are_left_out_if_the_saved_metadata_is_private() {
    let (folder, metainfo) = content(Version::V1, true);
    let mut lifecycle = lifecycle(&metainfo, folder.path());
    let steps = lifecycle.on_metadata_loaded(saved(&metainfo), Vec::new());
    assert!(!names(&steps).contains(&"add peers"));
}

#[test]
fn metadata_of_another_hash_is_refused() {
    let (folder, metainfo) = content(Version::V1, false);
    let mut lifecycle = lifecycle(&metainfo, folder.path());
    let outcome = lifecycle.check_metadata(metainfo.hashes(), Bytes::from_static(b"de")).run();
    let JobOutcome::MetadataChecked(info) = outcome else { panic!() };
    assert_eq!(names(&lifecycle.on_metadata_checked(info)), ["metadata refused"]);
    assert!(matches!(lifecycle.stage(), Stage::FetchingMetadata));
}

#[test]
fn missing_layers_are_fetched_then_saved_and_then_the_content_is_opened() {
    let (folder, metainfo) = content(Version::V2, false);
    let bare = Arc::new(Metainfo::from_info(Arc::clone(metainfo.info())));
    let mut lifecycle = lifecycle(&metainfo, folder.path());
    let steps = lifecycle.begin(Some(bare), Vec::new());
    assert_eq!(names(&steps), ["hashes needed", "load metadata"]);
    let Step::Input(Input::HashesNeeded(requests)) = &steps[0] else { panic!() };
    let [request] = requests[..] else { panic!("one part has all ten hashes") };
    let hashes = LayerAnswers::new(&metainfo).answer(&request).unwrap();
    let steps = lifecycle.add_hashes(engine().0, &Hashes { request, hashes });
    assert_eq!(names(&steps), ["hashes checked", "save layers"]);
    let JobOutcome::LayersSaved(complete) = run_last(steps) else { panic!() };
    assert!(complete.has_all_piece_layers());
    assert_eq!(names(&lifecycle.on_layers_saved(complete)), ["show metainfo", "open"]);
}

#[test]
fn a_content_that_is_there_runs_until_it_is_stopped() {
    let (folder, metainfo) = content(Version::V1, false);
    let mut lifecycle = lifecycle(&metainfo, folder.path());
    let mut steps = lifecycle.begin(Some(Arc::clone(&metainfo)), Vec::new());
    assert_eq!(names(&steps), ["open", "add peers"]);
    steps.truncate(1);
    let JobOutcome::Opened(opened) = run_last(steps) else { panic!() };
    let steps = lifecycle.on_opened(opened);
    assert_eq!(names(&steps), ["show path", "set budget", "content ready", "checked"]);
    let Step::Input(Input::ContentReady(content)) = &steps[2] else { panic!() };
    assert_eq!(content.have.count(), 10);
    assert!(lifecycle.look(true).is_none(), "no file is too long, and nothing was written");

    let now = Instant::now();
    lifecycle.stop(now, State::Seeding, Counters::default());
    lifecycle.handle_timeout(now, true);
    assert!(!lifecycle.stage().is_over(), "the resume data is being written");
    lifecycle.on_saved();
    lifecycle.handle_timeout(now, true);
    assert!(lifecycle.stage().is_over() && lifecycle.take_error().is_none());
}

#[test]
fn a_stop_cancels_a_check_and_its_result_changes_nothing() {
    let (folder, metainfo) = content(Version::V1, false);
    let mut lifecycle = lifecycle(&metainfo, folder.path());
    let mut steps = lifecycle.begin(Some(metainfo), Vec::new());
    steps.truncate(1);
    lifecycle.stop(Instant::now(), State::Checking, Counters::default());
    let JobOutcome::Opened(opened) = run_last(steps) else { panic!() };
    assert!(matches!(opened, Err(OpenFailure::Cancelled)));
    assert!(lifecycle.on_opened(opened).is_empty());
    let end = Instant::now() + Duration::from_secs(5);
    lifecycle.handle_timeout(end, false);
    assert!(lifecycle.stage().is_over());
}
