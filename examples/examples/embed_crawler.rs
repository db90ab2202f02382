//! A crawler for metadata, on the crate `tinytorrent` alone: names and files of torrents, by their info-hashes.
//! `embed_crawler [--listen ADDR:PORT] [--tracker URL]… HASH…` prints a line for each as soon as its metadata is there.

use std::error::Error;
use std::time::Duration;

use tinytorrent::types::Printable;
use tinytorrent::{Client, ClientOptions, InfoHashes, TorrentOptions};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Time for each torrent. One that nobody has is given up after it.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut settings = ClientOptions::default();
    let (mut trackers, mut hashes) = (Vec::new(), Vec::<InfoHashes>::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--tracker" => trackers.push(arguments.next().ok_or("--tracker needs a URL")?),
            "--listen" => {
                let address = arguments.next().ok_or("--listen needs an address")?;
                settings.listen(address.parse()?);
            }
            hash => hashes.push(hash.parse()?),
        }
    }

    // Nothing is written, so that no folder is of use.
    let mut options = TorrentOptions::new("");
    options.metadata_only(true).resume(false);
    for url in trackers {
        options.tracker(url);
    }
    let client = Client::start(settings)?;
    let mut crawl = JoinSet::new();
    for hash in hashes {
        let torrent = client.add(hash, &options)?;
        crawl.spawn(async move { (hash, timeout(PATIENCE, torrent.metadata()).await) });
    }
    while let Some(crawled) = crawl.join_next().await {
        match crawled? {
            (hash, Ok(Ok(metainfo))) => {
                let files = metainfo.info().layout().file_count();
                // A stranger gave it, and a terminal would obey it.
                let name = metainfo.info().name().to_string();
                println!("{hash}\t{files} files\t{}", Printable(&name));
            }
            (hash, Ok(Err(error))) => eprintln!("{hash}\t{error}"),
            (hash, Err(_)) => eprintln!("{hash}\tnobody has its metadata"),
        }
    }
    client.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
