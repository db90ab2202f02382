//! A downloader with a progress bar, on the crate `tinytorrent` alone: `embed_download SOURCE [FOLDER]`.

use std::error::Error;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tinytorrent::{Client, ClientOptions, Source, State, Torrent, TorrentOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let source = arguments.next().ok_or("a .torrent file, a magnet link or an info-hash")?;
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    // A file of that name, or else a link.
    let source = match std::fs::read(&source) {
        Ok(bytes) => Source::try_from(bytes)?,
        Err(_) => source.parse()?,
    };

    let client = Client::start(ClientOptions::default())?;
    let torrent = client.add(source, TorrentOptions::new(folder))?;
    let ended = tokio::select! {
        ended = torrent.finished() => ended,
        () = show(&torrent) => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    };
    // Trackers are notified, and the next run goes on from here.
    let stats = torrent.stop().await;
    ended?;
    println!("{:?}: {} bytes received", torrent.content_path(), stats.downloaded);
    Ok(())
}

/// Shows the progress for ever.
async fn show(torrent: &Torrent) {
    let style = "{bar:40} {bytes}/{total_bytes} {msg}";
    let bar =
        ProgressBar::new(0).with_style(ProgressStyle::with_template(style).expect("it is valid"));
    loop {
        let stats = torrent.stats();
        bar.set_length(stats.have_bytes + stats.wanted_left);
        bar.set_position(stats.have_bytes);
        bar.set_message(match torrent.state() {
            State::Downloading => {
                format!("{} KiB/s, {} peers", stats.download_rate >> 10, stats.peers)
            }
            state => format!("{state}, {} peers", stats.peers),
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
