//! The small programs, against what other people's programs say.

use std::path::Path;
use std::process::Command;

use crate::support::START;
use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need, on_path};
use crate::support::net::free_port;
use crate::support::opentracker::Opentracker;
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::tracker::RecordingTracker;
use crate::support::transmission::Transmission;

tests![
    inspect_tells_the_info_hash_that_libtorrent_tells,
    create_makes_the_info_hash_that_mktorrent_makes,
    create_makes_the_info_hashes_that_libtorrent_makes,
    create_makes_the_info_hash_that_imdl_makes,
    created_torrent_is_seeded_and_fetched_by_libtorrent,
    verify_names_the_damaged_file,
    announce_and_scrape_find_the_seeder_of_opentracker,
    each_tracker_of_an_announce_has_its_outcome_and_one_answer_is_enough,
    trackers_that_all_fail_are_a_failure_with_its_cause_in_one_line,
    handshake_tells_the_name_of_the_client,
];

/// Runs an example that must succeed and returns all that it printed on stdout.
fn run(name: &str, scene: &Scene, words: &[&str]) -> String {
    let mut program = Ours::run(name, scene, words);
    let status = program.wait(START);
    assert!(status.success(), "{name}: {status}: {}", program.stderr());
    program.events().iter().map(|event| event.to_string() + "\n").collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

fn inspect_tells_the_info_hash_that_libtorrent_tells() {
    need!(Need::Example("inspect"), Need::Libtorrent);
    for content in [Content::small_single(), Content::small_multi()] {
        let scene = Scene::new(content);
        let told = run("inspect", &scene, &[text(&scene.torrent())]);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["version"], "v1");
        assert_eq!(told["info_hash_v1"], scene.content.info_hash_hex().as_str());
        assert_eq!(told["total_size"], scene.content.size());
        let code =
            "import libtorrent, sys; print(libtorrent.torrent_info(sys.argv[1]).info_hash())";
        let theirs = Command::new(crate::support::need::PYTHON)
            .args(["-c", code, text(&scene.torrent())])
            .output()
            .unwrap();
        let theirs = String::from_utf8_lossy(&theirs.stdout);
        assert_eq!(told["info_hash_v1"], theirs.trim());
    }
}

fn create_makes_the_info_hash_that_mktorrent_makes() {
    need!(Need::Example("create"), Need::Mktorrent);
    for content in [Content::small_single(), Content::small_multi()] {
        let scene = Scene::new(content);
        let path = scene.seed_dir().join(&scene.content.name);
        let (ours, theirs) = (scene.path().join("ours.torrent"), scene.path().join("mk.torrent"));
        let words = [text(&path), "--output", text(&ours), "--piece-length", "64KiB"];
        run("create", &scene, &words);
        let mktorrent = Command::new(on_path("mktorrent").expect("asked for above"))
            .args(["-l", "16", "-a", "http://x/a", "-o", text(&theirs), text(&path)])
            .output()
            .unwrap();
        assert!(mktorrent.status.success());
        let hash_of = |torrent: &Path| hashes(&scene, torrent)[0].clone();
        assert!(hash_of(&ours).is_string());
        if scene.content.files.len() == 1 {
            // The order of many files is for each maker to choose.
            assert_eq!(hash_of(&ours), hash_of(&theirs));
            assert_eq!(hash_of(&ours), scene.content.info_hash_hex().as_str());
        }
    }
}

/// The info-hashes that `inspect` tells of a torrent file.
fn hashes(scene: &Scene, torrent: &Path) -> [serde_json::Value; 2] {
    let told = run("inspect", scene, &[text(torrent)]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    ["info_hash_v1", "info_hash_v2"].map(|key| told[key].clone())
}

/// Makes a torrent of the path in the second argument with pieces of 64 KiB; prints its v1 and v2
/// info-hashes, zeros for none. The order of v1 files is for the maker to choose: they are sorted.
const CREATE_WITH_LIBTORRENT: &str = r#"
import libtorrent as lt, os, sys
version, path = sys.argv[1:]
flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[version]
parent, name = os.path.split(path)
found = [os.path.join(at, file) for at, _, files in os.walk(path) for file in files] or [path]
found = sorted((os.path.relpath(file, parent).split("/"), os.path.getsize(file)) for file in found)
files = lt.file_storage()
for elements, size in found:
    files.add_file("/".join(elements), size)
torrent = lt.create_torrent(files, 64 * 1024, flags)
lt.set_piece_hashes(torrent, parent)
info = lt.torrent_info(lt.bdecode(lt.bencode(torrent.generate())))
print(info.info_hashes().v1, info.info_hashes().v2)
"#;

fn create_makes_the_info_hashes_that_libtorrent_makes() {
    need!(Need::Example("create"), Need::Example("inspect"), Need::Libtorrent);
    for content in [Content::small_single(), Content::small_multi()] {
        let scene = Scene::new(content);
        let path = scene.seed_dir().join(&scene.content.name);
        for version in ["v1", "v2", "hybrid"] {
            let ours = scene.path().join(version);
            let option = format!("--{version}");
            let words = [text(&path), "--output", text(&ours), "--piece-length", "64KiB", &option];
            run("create", &scene, &words);
            let theirs = Command::new(crate::support::need::PYTHON)
                .args(["-c", CREATE_WITH_LIBTORRENT, version, text(&path)])
                .output()
                .unwrap();
            assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
            let theirs = String::from_utf8_lossy(&theirs.stdout);
            let ours = hashes(&scene, &ours);
            let or_zeros =
                |hash: &serde_json::Value, len| hash.as_str().map_or("0".repeat(len), Into::into);
            let ours = format!("{} {}", or_zeros(&ours[0], 40), or_zeros(&ours[1], 64));
            assert_eq!(ours, theirs.trim(), "{version} of {}", scene.content.name);
        }
    }
}

fn create_makes_the_info_hash_that_imdl_makes() {
    need!(Need::Example("create"), Need::Example("inspect"), Need::Imdl);
    for content in [Content::small_single(), Content::small_multi()] {
        let scene = Scene::new(content);
        let path = scene.seed_dir().join(&scene.content.name);
        let (ours, theirs) = (scene.path().join("ours.torrent"), scene.path().join("i.torrent"));
        let words = [text(&path), "--output", text(&ours), "--piece-length", "64KiB"];
        run("create", &scene, &words);
        let imdl = Command::new(on_path("imdl").expect("asked for above"))
            .args(["torrent", "create", "--piece-length", "64KiB", "--output", text(&theirs)])
            .arg(&path)
            .output()
            .unwrap();
        assert!(imdl.status.success(), "{}", String::from_utf8_lossy(&imdl.stderr));
        assert_eq!(hashes(&scene, &ours), hashes(&scene, &theirs));
    }
}

fn created_torrent_is_seeded_and_fetched_by_libtorrent() {
    need!(Need::Example("create"), Need::Libtorrent);
    let scene = Scene::new(Content::small_multi());
    let path = scene.seed_dir().join(&scene.content.name);
    run("create", &scene, &[text(&path), "--output", text(&scene.torrent()), "--force"]);
    let seeder = Libtorrent::seed(&scene, "127.0.0.1");
    let dir = scene.room("leech");
    let peers = [seeder.address];
    Libtorrent::leech(&scene, Source::Torrent, &dir, "127.0.0.1", &peers).wait_complete();
    scene.assert_complete(&dir);
}

fn verify_names_the_damaged_file() {
    need!(Need::Example("verify"));
    let scene = Scene::new(Content::small_multi());
    let (torrent, dir) = (scene.torrent(), scene.seed_dir());
    run("verify", &scene, &[text(&torrent), text(&dir)]);
    let (damaged, _) = &scene.content.files[0];
    let mut bytes = std::fs::read(dir.join(damaged)).unwrap();
    bytes[500_000] ^= 1;
    std::fs::write(dir.join(damaged), &bytes).unwrap();
    let mut verify = Ours::run("verify", &scene, &[text(&torrent), text(&dir)]);
    assert_eq!(verify.wait(START).code(), Some(1));
    let told: String = verify.events().iter().map(ToString::to_string).collect();
    let all = told + &verify.stderr();
    assert!(all.contains("first.bin"), "{all}");
    assert!(!all.contains("z.txt"), "{all}");
    assert_eq!(std::fs::read(dir.join(damaged)).unwrap(), bytes, "it never writes");
}

fn announce_and_scrape_find_the_seeder_of_opentracker() {
    need!(Need::Example("announce"), Need::Example("scrape"));
    need!(Need::Libtorrent, Need::Opentracker);
    let mut scene = Scene::new(Content::small_single());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.http()]);
    let mut seeder = Libtorrent::seed(&scene, "127.0.0.1");
    seeder.wait_announced();
    let hash = scene.content.info_hash_hex();
    for url in [tracker.udp(), tracker.http()] {
        let told = run("announce", &scene, &[&hash, "--tracker", &url, "--event", "none"]);
        let port = seeder.address.port().to_string();
        assert!(told.contains(&port), "{url}: the seeder's port {port} is not in {told}");
        let told = run("scrape", &scene, &[&hash, "--tracker", &url]);
        assert!(told.contains("\"seeders\":1"), "{url}: {told}");
    }
}

/// One that answers twice, one that is not there, and one that hangs.
fn each_tracker_of_an_announce_has_its_outcome_and_one_answer_is_enough() {
    need!(Need::Example("announce"));
    let scene = Scene::new(Content::small_single());
    let hash = scene.content.info_hash_hex();
    let tracker = RecordingTracker::start("127.0.0.1", &["127.0.0.1:7777".parse().unwrap()]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = format!("http://{}/announce", silent.local_addr().unwrap());
    let dead = format!("http://127.0.0.1:{}/announce", free_port());
    let urls = [tracker.http(), tracker.udp(), dead, hanging];
    let mut words = vec![hash.as_str(), "--timeout", "3"];
    urls.iter().for_each(|url| words.extend(["--tracker", url]));
    let mut announce = Ours::run("announce", &scene, &words);
    assert!(announce.wait(START).success(), "{}", announce.stderr());
    let mut events = announce.events();
    let finished = events.pop().unwrap();
    assert_eq!((&finished["trackers"], &finished["answered"]), (&4.into(), &2.into()));
    for (url, is_ok) in urls.iter().zip([true, true, false, false]) {
        let of_url = |event: &&serde_json::Value| event["tracker"] == url.as_str();
        let told: Vec<_> = events.iter().filter(of_url).collect();
        assert_eq!(told.len(), 1, "{url}: {events:?}");
        assert_eq!(told[0]["ok"], is_ok, "{told:?}");
        match is_ok {
            true => assert_eq!(told[0]["peers"], serde_json::json!(["127.0.0.1:7777"])),
            false => assert!(told[0]["error"].as_str().unwrap().contains(url), "{told:?}"),
        }
    }
}

fn trackers_that_all_fail_are_a_failure_with_its_cause_in_one_line() {
    need!(Need::Example("announce"), Need::Example("scrape"));
    let scene = Scene::new(Content::small_single());
    let hash = scene.content.info_hash_hex();
    let dead = format!("http://127.0.0.1:{}/announce", free_port());
    for name in ["announce", "scrape"] {
        for trackers in [&[dead.as_str()][..], &[dead.as_str(), "http://127.0.0.1:1/announce"]] {
            let mut words = vec![hash.as_str(), "--quiet"];
            trackers.iter().for_each(|url| words.extend(["--tracker", url]));
            let mut program = Ours::run(name, &scene, &words);
            assert_eq!(program.wait(START).code(), Some(1));
            let told = program.stderr();
            assert_eq!(told.lines().count(), 1, "{told}");
            assert!(told.contains("127.0.0.1") && told.contains("connecting"), "{told}");
            let failures = program.events().iter().filter(|e| e["event"] == "tracker").count();
            assert_eq!(failures, trackers.len());
            assert_eq!(program.events().last().unwrap()["event"], "failed");
        }
        let mut misused = Ours::run(name, &scene, &[&hash, "--tracker", &dead, "--timeout", "0"]);
        assert_eq!(misused.wait(START).code(), Some(2));
    }
}

fn handshake_tells_the_name_of_the_client() {
    need!(Need::Example("handshake"), Need::Libtorrent, Need::Transmission);
    let scene = Scene::new(Content::small_single());
    let hash = scene.content.info_hash_hex();
    let libtorrent = Libtorrent::seed(&scene, "127.0.0.1");
    let transmission = Transmission::seed(&scene, "::1");
    let told = run("handshake", &scene, &[&libtorrent.address.to_string(), &hash]);
    assert!(told.to_lowercase().contains("libtorrent"), "{told}");
    let told = run("handshake", &scene, &[&transmission.address.to_string(), &hash]);
    assert!(told.contains("Transmission"), "{told}");
}
