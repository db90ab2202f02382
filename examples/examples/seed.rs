//! Seeds a complete content until interrupted.

use std::path::PathBuf;

use clap::Parser;
use tinytorrent_client::{Client, Event, Torrent, TorrentOptions};
use tinytorrent_examples::{
    Common, Failure, NetworkOptions, Outcome, Output, Reporter, Source, apply_network, block_on,
    close, format_size, interrupted, load, report, run, start, start_client, tell_listening,
};

/// Seed a torrent's content, verified first, until interrupted. Nothing is written, and symbolic links
/// are followed
#[derive(Parser)]
#[command(name = "seed", version)]
struct Options {
    /// The .torrent file
    torrent: PathBuf,

    /// The folder that holds the torrent's file or folder
    content_dir: PathBuf,

    /// Believe that the content is right, if its files are there and long enough
    #[arg(long)]
    no_verify: bool,

    #[command(flatten)]
    network: NetworkOptions,

    #[command(flatten)]
    common: Common,
}

fn main() -> Outcome {
    let options: Options = start();
    run(&options.common, || block_on(seed(&options)))
}

async fn seed(options: &Options) -> Result<(), Failure> {
    let out = options.common.output();
    let mut interrupt = std::pin::pin!(interrupted());
    let source =
        load(&Source::File(options.torrent.clone()), &options.network.ways.network()).await?;
    let client = start_client(&options.network)?;
    let mut torrent = TorrentOptions::new(&options.content_dir);
    torrent.read_only(true).resume(false).assume_complete(options.no_verify).follow_links(true);
    apply_network(&mut torrent, &options.network);
    let torrent =
        client.add(source, torrent).map_err(|error| Failure::could_not("cannot add it", &error))?;
    let ended = tokio::select! {
        ended = serve(&client, &torrent, &out) => ended,
        _ = &mut interrupt => Err(Failure::Interrupted),
    };
    let stats = torrent.stop().await;
    close(&client).await;
    out.say(format!("sent {}", format_size(stats.uploaded)));
    ended
}

/// Serves until the torrent fails.
async fn serve(client: &Client, torrent: &Torrent, out: &Output) -> Result<(), Failure> {
    let reporter = Reporter::new(*out);
    let mut events = torrent.events();
    while let Some(event) = events.next().await {
        match event {
            Event::Checked { have, total, .. } if have < total => {
                return Err(Failure::CouldNot(format!(
                    "only {} of {} are there and right; `verify` tells what is missing",
                    format_size(have),
                    format_size(total),
                )));
            }
            Event::Checked { .. } => {
                tell_listening(out, client.listen_addresses());
                break;
            }
            Event::LongerFile { .. } => reporter.event(&event),
            _ => {}
        }
    }
    report(torrent, &reporter).await
}
