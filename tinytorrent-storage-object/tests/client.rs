//! Clients that download to a store, and seed from it.

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    Faulty,
    clients::{address, client, in_memory, in_time, seed_from_memory, torrent},
};
use object_store::memory::InMemory;
use tinytorrent_client::{Content, MemoryContent, TorrentOptions};
use tinytorrent_storage_object::{Bucket, ObjectOptions};

fn in_bucket(store: &Arc<InMemory>, is_read_only: bool) -> TorrentOptions {
    // Another bucket each time, as on another machine.
    let store = Faulty::over(Arc::clone(store));
    let bucket = Bucket::new(store, "torrents", &ObjectOptions::default()).unwrap();
    let mut options = TorrentOptions::new("films");
    options.read_only(is_read_only).content(move |request| {
        let content = bucket.open(request.info, request.folder, request.is_read_only)?;
        Ok(Arc::new(content))
    });
    options
}

// S-37: a fleet shares what one has downloaded.
#[tokio::test]
async fn what_one_has_downloaded_to_a_store_is_seeded_from_it_by_another() {
    let (metainfo, data) = torrent();
    let store = Arc::new(InMemory::new());
    let (first, second, third) = (client(), client(), client());
    let _source = seed_from_memory(&first, &metainfo, &data).await;
    let mut options = in_bucket(&store, false);
    options.peer(address(&first));
    let writer = second.add(&metainfo, options).unwrap();
    in_time(writer.finished()).await.unwrap();
    in_time(writer.stop()).await;

    let seed = client();
    let seeding = seed.add(&metainfo, in_bucket(&store, true)).unwrap();
    in_time(seeding.finished()).await.unwrap();
    let to = Arc::new(MemoryContent::new());
    let mut options = in_memory(&to);
    options.peer(address(&seed));
    let leech = third.add(&metainfo, options).unwrap();
    in_time(leech.finished()).await.unwrap();
    let mut found = vec![0; data.len()];
    to.read(0, &mut found).unwrap();
    assert!(found == data);
    assert_eq!(seeding.stats().uploaded, data.len() as u64);
}

// S-33.
#[tokio::test]
async fn a_download_that_was_stopped_goes_on_with_the_pieces_in_the_store() {
    let (metainfo, data) = torrent();
    let store = Arc::new(InMemory::new());
    let (first, second) = (client(), client());
    let _source = seed_from_memory(&first, &metainfo, &data).await;
    let mut options = in_bucket(&store, false);
    options.peer(address(&first)).download_limit(Some(1 << 20));
    let writer = second.add(&metainfo, options).unwrap();
    in_time(async {
        while writer.stats().have_bytes < 500_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let stopped = in_time(writer.stop()).await;
    let mut options = in_bucket(&store, false);
    options.peer(address(&first));
    let again = second.add(&metainfo, options).unwrap();
    in_time(again.finished()).await.unwrap();
    let stats = again.stats();
    assert!(stats.downloaded <= data.len() as u64 - stopped.have_bytes, "{stats:?}");
    let total = again.history().unwrap().downloaded;
    assert_eq!(total, stopped.downloaded + stats.downloaded, "the record is in the store");
}
