//! Peers of the program, in the process of the test.

use std::net::SocketAddr;
use std::path::Path;

use tinytorrent_client::{Client, ClientOptions, Torrent, TorrentOptions};
use tokio::runtime::Runtime;

use crate::support::scene::Scene;

/// A client that has the contents of scenes.
pub struct Seeder {
    pub address: SocketAddr,
    pub torrents: Vec<Torrent>,
    _client: Client,
    /// Dropped last: the client ends in it.
    _runtime: Runtime,
}

impl Seeder {
    /// One on loopback that sends each content with so many bytes a second.
    pub fn start(scenes: &[&Scene], rate: Option<u64>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (client, torrents) = runtime.block_on(async {
            let mut options = ClientOptions::default();
            options.listen("127.0.0.1:0".parse().expect("an address")).dht(false);
            let client = Client::start(options).expect("a client");
            let mut torrents = Vec::new();
            for scene in scenes {
                let mut options = TorrentOptions::new(scene.seed_dir());
                options.read_only(true).resume(false).lsd(false).upload_limit(rate);
                torrents.push(client.add(read(&scene.torrent()), options).expect("a torrent"));
            }
            for torrent in &torrents {
                torrent.finished().await.expect("a complete content");
            }
            (client, torrents)
        });
        let address = client.listen_addresses()[0];
        Self { address, torrents, _client: client, _runtime: runtime }
    }

    /// Bytes of content that it has sent.
    pub fn sent(&self) -> u64 {
        self.torrents.iter().map(|torrent| torrent.stats().uploaded).sum()
    }

    /// Sends from now on at most so many bytes a second of each content.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.torrents.iter().for_each(|torrent| torrent.set_upload_limit(rate));
    }
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
