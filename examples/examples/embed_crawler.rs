//! A crawler for metadata, on the crate `tinytorrent` alone: names and files of torrents, by their info-hashes.
//! `embed_crawler --tracker URL HASH…` prints a line for each as soon as its metadata is there.

use std::error::Error;
use std::time::Duration;

use tinytorrent::{Client, ClientOptions, Event, InfoHashes, TorrentOptions};

/// Time for each torrent. One that nobody has is given up after it.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut trackers, mut hashes) = (Vec::new(), Vec::<InfoHashes>::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--tracker" => trackers.push(arguments.next().ok_or("--tracker needs a URL")?),
            hash => hashes.push(hash.parse()?),
        }
    }

    // Nothing is written, so that no folder is of use.
    let mut options = TorrentOptions::new("");
    options.metadata_only(true).resume(false);
    for url in trackers {
        options.tracker(url);
    }
    let client = Client::start(ClientOptions::default().accept_peers(false))?;
    let mut events = client.events();
    let mut left = hashes.len();
    for hash in hashes {
        client.add(hash, &options)?;
    }
    while left > 0 {
        let Ok(Some(event)) = tokio::time::timeout(PATIENCE, events.next()).await else { break };
        let Ok(event) = event else { continue };
        if let Event::MetadataReceived(info) = event.event {
            let files = info.layout().file_count();
            println!("{}\t{files} files\t{}", event.hashes, info.name());
            left -= 1;
        }
    }
    client.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
