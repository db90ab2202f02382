//! Clients, and contents that they have in memory.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::{io::IoSlice, net::SocketAddr, ops::ControlFlow, sync::Arc, time::Duration};

use tinytorrent_client::{
    Client, ClientOptions, Content, MemoryContent, Metainfo, Torrent, TorrentOptions,
};
use tinytorrent_metainfo::CreateOptions;

pub fn client() -> Client {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap());
    Client::start(options).unwrap()
}

pub fn address(client: &Client) -> SocketAddr {
    client.listen_addresses()[0]
}

pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it takes too long")
}

/// A torrent of one file, and its bytes.
pub fn torrent() -> (Metainfo, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..3_000_001_u32).map(|at| (at * 7 + at / 1000) as u8).collect();
    std::fs::write(folder.path().join("a"), &data).unwrap();
    let mut options = CreateOptions::new();
    options.piece_length(64 << 10).unwrap();
    let go_on = &|_| ControlFlow::Continue(());
    (options.create(&folder.path().join("a"), go_on).unwrap(), data)
}

pub fn in_memory(content: &Arc<MemoryContent>) -> TorrentOptions {
    let content = Arc::clone(content);
    let mut options = TorrentOptions::new("memory");
    options.content(move |_| Ok(Arc::clone(&content) as Arc<dyn Content>));
    options
}

pub async fn seed_from_memory(client: &Client, metainfo: &Metainfo, data: &[u8]) -> Torrent {
    let content = Arc::new(MemoryContent::new());
    content.write(0, &[IoSlice::new(data)]).unwrap();
    let torrent = client.add(metainfo, in_memory(&content)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    torrent
}
