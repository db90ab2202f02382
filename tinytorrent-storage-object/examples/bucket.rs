//! Downloads a torrent to a bucket, and seeds it from there.
//!
//! ```text
//! cargo run -p tinytorrent-storage-object --features aws --example bucket -- \\
//!     s3://my-bucket/torrents ubuntu.torrent
//! ```
//! The settings of the store come from the environment, as `AWS_ACCESS_KEY_ID`. With `--read-only` nothing is
//! written, and only what is in the bucket is seeded: any number of machines can do so.

use std::{env, error::Error, sync::Arc, time::Duration};

use tinytorrent_client::{Client, ClientOptions, Event, Source, TorrentOptions};
use tinytorrent_storage_object::{Bucket, ObjectOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let is_read_only = arguments.iter().any(|argument| argument == "--read-only");
    arguments.retain(|argument| argument != "--read-only");
    let [url, torrent] = &arguments[..] else {
        return Err("give the URL of a bucket, and a torrent file or a magnet link".into());
    };
    let source = match torrent.starts_with("magnet:") {
        true => Source::try_from(torrent.as_str())?,
        false => Source::try_from(std::fs::read(torrent)?)?,
    };
    // Those of other programs are not settings of a store.
    let settings = env::vars().filter(|(name, _)| {
        ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix))
    });
    let settings = settings.map(|(name, value)| (name.to_lowercase(), value));
    let bucket = Bucket::from_url(url, settings, &ObjectOptions::default())?;

    let client = Client::start(ClientOptions::default())?;
    // The folder is a part of the names of the objects, and may be empty.
    let mut options = TorrentOptions::new("");
    options.read_only(is_read_only).content(move |request| {
        Ok(Arc::new(bucket.open(request.info, request.folder, request.is_read_only)?))
    });
    let torrent = client.add(source, options)?;
    let mut events = torrent.events();
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            _ = &mut stop => break,
            event = events.next() => match event {
                Some(Event::Checked { have, total, .. }) => println!("{have} of {total} bytes are there"),
                Some(Event::StateChanged(state)) => println!("{state}"),
                Some(Event::Failed(error)) => return Err(error.into()),
                Some(_) => {}
                None => break,
            },
        }
    }
    let stats = torrent.stats();
    println!("{} bytes received, {} sent", stats.downloaded, stats.uploaded);
    client.shutdown(Duration::from_secs(9)).await;
    Ok(())
}
