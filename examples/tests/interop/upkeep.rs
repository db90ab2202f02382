//! Files that change places, names and bytes while libtorrent downloads them from us.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tinytorrent_client::{
    CheckScope, Client, ClientOptions, Event, SwarmEvent, Torrent, TorrentOptions,
};

use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};

tests![
    content_moves_and_gets_other_names_while_libtorrent_leeches,
    content_is_checked_while_libtorrent_leeches,
];

/// A client that seeds a copy of the content, slowly, and a leecher of it.
struct Upload {
    scene: Scene,
    runtime: tokio::runtime::Runtime,
    torrent: Torrent,
    leecher: Libtorrent,
}

impl Upload {
    fn begin() -> Self {
        let scene = Scene::new(Content::small_multi());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let torrent = runtime.block_on(async {
            let mut options = ClientOptions::default();
            let client = Client::start(options.listen("127.0.0.1:0".parse().unwrap())).unwrap();
            let bytes = fs::read(scene.torrent()).unwrap();
            let mut options = TorrentOptions::new(scene.seed_dir());
            options.upload_limit(Some(1_500_000));
            let torrent = client.add(bytes.as_slice(), &options).unwrap();
            torrent.finished().await.unwrap();
            torrent
        });
        let peers = [torrent.client().listen_addresses()[0]];
        let dir = scene.room("leech");
        let leecher = Libtorrent::leech(&scene, Source::Torrent, &dir, "127.0.0.1", &peers);
        let upload = Self { scene, runtime, torrent, leecher };
        upload.runtime.block_on(upload.uploaded(200_000));
        upload
    }

    /// Waits until so many bytes were sent.
    async fn uploaded(&self, bytes: u64) {
        while self.torrent.stats().uploaded < bytes {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The leecher gets the rest, and nothing wrong.
    fn end(mut self) {
        self.torrent.set_upload_limit(None);
        self.leecher.wait_complete();
        self.scene.assert_complete(&self.scene.room("leech"));
        assert!(!self.leecher.alerts().contains("hash_failed"), "we sent something wrong");
        let client = self.torrent.client();
        self.runtime.block_on(client.shutdown(Duration::from_secs(9)));
    }
}

// S-21
fn content_moves_and_gets_other_names_while_libtorrent_leeches() {
    need!(Need::Libtorrent);
    let upload = Upload::begin();
    let (torrent, size) = (&upload.torrent, upload.scene.content.size());
    let folder = upload.scene.room("elsewhere");
    // Another disk, where there is one.
    let disk = Path::new("/dev/shm");
    let other = disk.is_dir().then(|| tempfile::tempdir_in(disk).unwrap());
    upload.runtime.block_on(async {
        torrent.rename_file(3, "another name.bin").await.unwrap();
        torrent.move_to(&folder).await.unwrap();
        assert!(folder.join("another name.bin").is_file());
        upload.uploaded(size / 3).await;
        if let Some(other) = &other {
            torrent.move_to(other.path()).await.unwrap();
            assert!(!folder.join("another name.bin").exists());
        }
        upload.uploaded(size / 2).await;
        assert_eq!(torrent.peers().len(), 1, "it is the connection of before");
    });
    upload.end();
}

// S-19
fn content_is_checked_while_libtorrent_leeches() {
    need!(Need::Libtorrent);
    let upload = Upload::begin();
    let torrent = &upload.torrent;
    upload.runtime.block_on(async {
        let mut events = torrent.events();
        torrent.recheck(CheckScope::All).await.unwrap();
        torrent.finished().await.unwrap();
        let mut has_left = false;
        while let Some(event) = events.next().await {
            match event {
                Event::Swarm(SwarmEvent::PeerLeft { .. }) => has_left = true,
                Event::Checked { have, total, .. } => {
                    assert_eq!(have, total);
                    break;
                }
                _ => {}
            }
        }
        assert!(has_left, "nobody is served during a check");
    });
    upload.end();
}
