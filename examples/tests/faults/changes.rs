//! Files that somebody else cuts, extends, replaces, removes or makes links, while they are downloaded and seeded.
//!
//! A peer checks every piece that it gets. So does the program itself once it is told to look.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tinytorrent_client::{Client, ClientOptions, State, Torrent, TorrentOptions};
use tokio::runtime::Runtime;

use crate::node::{Node, PATIENCE};
use crate::seeder::Seeder;
use crate::support::content::Content;
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![
    a_seed_serves_nothing_wrong_of_files_that_were_changed,
    a_download_goes_round_files_that_were_changed,
];

/// A deed of somebody to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It loses its second half.
    Cut,
    /// It gets a tail.
    Grown,
    /// Another file of the same size gets its name.
    Replaced,
    /// It is gone.
    Removed,
    /// A link to a file outside gets its name.
    Link,
    /// Its folder is moved away, and a link to that gets its name.
    FolderLink,
}

const CHANGES: [Change; 6] = [
    Change::Cut,
    Change::Grown,
    Change::Replaced,
    Change::Removed,
    Change::Link,
    Change::FolderLink,
];

/// The file that is changed.
const VICTIM: &str = "changed/b/victim";

/// The files outside, which belong to somebody else.
const OUTSIDE: &[u8] = b"nobody of ours has to do with this";

fn content() -> Content {
    Content::multi("changed", &[("a", 1_500_000), ("b/victim", 400_000), ("c", 1_500_000)])
}

impl Change {
    fn apply(self, scene: &Scene, folder: &Path) {
        let victim = folder.join(VICTIM);
        let size = scene.content.files[1].1.len();
        match self {
            Change::Cut => set_size(&victim, size as u64 / 2),
            Change::Grown => set_size(&victim, size as u64 + 100_000),
            Change::Replaced => {
                fs::write(scene.path().join("other"), vec![7; size]).unwrap();
                fs::rename(scene.path().join("other"), victim).unwrap();
            }
            Change::Removed => fs::remove_file(victim).unwrap(),
            Change::Link => {
                fs::remove_file(&victim).unwrap();
                std::os::unix::fs::symlink(self.outside(scene), victim).unwrap();
            }
            Change::FolderLink => {
                let outside = self.outside(scene);
                fs::rename(victim.parent().unwrap(), outside.parent().unwrap()).unwrap();
                // Not into the file that may be open.
                fs::remove_file(&outside).unwrap();
                fs::write(&outside, OUTSIDE).unwrap();
                std::os::unix::fs::symlink(outside.parent().unwrap(), victim.parent().unwrap())
                    .unwrap();
            }
        }
    }

    /// The file outside that a link leads to.
    fn outside(self, scene: &Scene) -> PathBuf {
        let file = scene.path().join("outside").join("victim");
        if self == Change::Link {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, OUTSIDE).unwrap();
        }
        file
    }

    /// The path in the complaint.
    fn told(self) -> &'static str {
        if self == Change::FolderLink { "changed/b is a symbolic link" } else { VICTIM }
    }

    fn is_link(self) -> bool {
        matches!(self, Change::Link | Change::FolderLink)
    }

    /// Takes the link away. Other changes are for the program to mend.
    fn take_back(self, folder: &Path) {
        let victim = folder.join(VICTIM);
        match self {
            Change::Link => fs::remove_file(victim).unwrap(),
            Change::FolderLink => fs::remove_file(victim.parent().unwrap()).unwrap(),
            _ => {}
        }
    }

    /// Nobody has written through a link.
    #[track_caller]
    fn assert_outside_is_whole(self, scene: &Scene) {
        if self.is_link() {
            let file = scene.path().join("outside/victim");
            assert!(fs::read(file).unwrap() == OUTSIDE, "{self:?}: a link was followed");
            let others = fs::read_dir(scene.path().join("outside")).unwrap().count();
            assert_eq!(others, 1, "{self:?}: a link was followed");
        }
    }
}

fn set_size(file: &Path, size: u64) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(size).unwrap();
}

/// A peer that fetches what it can get of a scene from the program, and checks every piece.
struct Reader {
    torrent: Torrent,
    _client: Client,
    _runtime: Runtime,
}

impl Reader {
    fn start(scene: &Scene, folder: &Path, from: &Node) -> Self {
        let runtime = Runtime::new().unwrap();
        let (client, torrent) = runtime.block_on(async {
            let mut options = ClientOptions::default();
            options.listen("127.0.0.1:0".parse().unwrap()).dht(false);
            let client = Client::start(options).unwrap();
            let mut options = TorrentOptions::new(folder);
            options.resume(false).lsd(false).peer(from.address);
            let torrent = client.add(fs::read(scene.torrent()).unwrap(), options).unwrap();
            (client, torrent)
        });
        Self { torrent, _client: client, _runtime: runtime }
    }

    /// Waits until it has so many bytes, and nothing more came for a while. Returns the bytes that it has.
    fn drain(&self, enough: u64) -> u64 {
        const QUIET: Duration = Duration::from_millis(500);
        let (mut have, mut since) = (0, Instant::now());
        let deadline = since + PATIENCE;
        while self.torrent.state() != State::Seeding && (have < enough || since.elapsed() < QUIET) {
            let now = self.torrent.stats().have_bytes;
            if now != have {
                (have, since) = (now, Instant::now());
            }
            assert!(Instant::now() < deadline, "{have} bytes could be had, not {enough}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.torrent.stats().have_bytes
    }
}

fn a_seed_serves_nothing_wrong_of_files_that_were_changed() {
    for change in CHANGES {
        // With its files open, and with one at a time, which has to be opened again and again.
        for open_files in [16, 1] {
            let scene = Scene::new(content());
            let out = scene.room("out");
            scene.content.write_to(&out);
            let mut command = Node::command(&scene.room("node"), "127.0.0.1:0");
            command.arg(open_files.to_string());
            let mut node = Node::start_as(&scene.room("node"), &command);
            node.add(&scene.torrent(), &out);
            node.wait_for_state("changed", "seeding");
            let first = Reader::start(&scene, &scene.room("first"), &node);
            assert_eq!(first.drain(scene.content.size()), scene.content.size());
            change.apply(&scene, &out);
            let what = format!("{change:?} with {open_files} open");
            let second = Reader::start(&scene, &scene.room("second"), &node);
            // Pieces of files beside it can be had: all but those that it has a part of.
            let have = second.drain(3_000_000 - 2 * (64 << 10));
            let counts = second.torrent.counts();
            assert_eq!(counts.hash_failures, 0, "{what}");
            change.assert_outside_is_whole(&scene);
            if have < scene.content.size() {
                assert!(node.log().contains(change.told()), "{what}: nothing is said of the file");
            }
            node.assert_runs();
            // It mends itself once it is told to look.
            change.take_back(&out);
            let seeder = Seeder::start(&[&scene], None);
            assert_eq!(node.ask("check changed"), None, "{what}");
            node.tell(&format!("peer {}", seeder.address));
            node.wait_for_state("changed", "seeding");
            node.stop();
            scene.assert_complete(&out);
        }
    }
}

fn a_download_goes_round_files_that_were_changed() {
    for change in CHANGES {
        let scene = Scene::new(content());
        let out = scene.room("out");
        let seeder = Seeder::start(&[&scene], Some(3 << 20));
        let mut node = Node::start(&scene.room("node"));
        node.add(&scene.torrent(), &out);
        node.tell(&format!("peer {}", seeder.address));
        let deadline = Instant::now() + PATIENCE;
        while seeder.sent() < 1_500_000 || !out.join(VICTIM).exists() {
            assert!(Instant::now() < deadline, "nothing is downloaded");
            std::thread::sleep(Duration::from_millis(5));
        }
        change.apply(&scene, &out);
        // To its end, or to an error that names the file.
        let status = loop {
            let status = node.status("changed");
            if ["seeding", "paused"].contains(&status["state"].as_str().unwrap()) {
                break status;
            }
            assert!(Instant::now() < deadline, "{change:?}: {status}");
            std::thread::sleep(Duration::from_millis(50));
        };
        change.assert_outside_is_whole(&scene);
        if status["state"] == "paused" {
            let said = node.events("changed").iter().any(|event| {
                let error = event["swarm"]["paused"]["error"].as_str();
                error.is_some_and(|error| error.contains(change.told()))
            });
            assert!(said, "{change:?}: no error names the file: {:?}", node.events("changed"));
        }
        change.take_back(&out);
        node.tell("resume changed");
        assert_eq!(node.ask("check changed"), None, "{change:?}");
        node.wait_for_state("changed", "seeding");
        node.stop();
        scene.assert_complete(&out);
        change.assert_outside_is_whole(&scene);
    }
}
