//! Plays the files of a torrent while it is downloaded, over HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use clap::Parser;
use serde_json::json;
use tinytorrent_client::Torrent;
use tinytorrent_examples::{
    Common, Deadline, DownloadOptions, Failure, Outcome, Output, Reporter, Source, StreamServer,
    block_on, close, follow, interrupted, load_in, report, run, start, start_client, tell_finished,
    tell_listening,
};

/// Play a torrent while it is downloaded: a server on this machine has a page with the files and a player,
/// and each file at an address of its own. What is read next is downloaded first. Serves until interrupted
#[derive(Parser)]
#[command(name = "stream", version, mut_arg("listen", |listen| {
    listen.help("Address of the HTTP server; by default a free port of this machine alone")
}))]
struct Options {
    /// A .torrent file, a magnet link, the URL of a .torrent, or an info-hash
    source: Source,

    /// The file to play, by index as `inspect` prints them; by default the largest that can be played
    #[arg(long, value_name = "N")]
    file: Option<u32>,

    #[command(flatten)]
    download: DownloadOptions,

    #[command(flatten)]
    common: Common,
}

fn main() -> Outcome {
    let started = Instant::now();
    let mut options: Options = start();
    // Peers are accepted at a free port.
    let listen = options.download.network.listen.take();
    let listen = listen.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
    run(&options.common, || block_on(stream(&options, listen, started)))
}

async fn stream(options: &Options, listen: SocketAddr, started: Instant) -> Result<(), Failure> {
    let out = options.common.output();
    let deadline = Deadline::new(started, options.download.timeout);
    let late = || Failure::CouldNot(format!("not complete after {} s", deadline.seconds()));
    let mut interrupt = std::pin::pin!(interrupted());
    let server = StreamServer::bind(listen, options.file).await;
    let server =
        server.map_err(|error| Failure::could_not(format!("cannot listen at {listen}"), &error))?;
    let client = start_client(&options.download.network)?;
    let reporter = Reporter::new(out);
    let source = tokio::select! {
        loaded = deadline.limit(load_in(&client, &options.source)) => loaded.ok_or_else(late)??,
        _ = &mut interrupt => return Err(Failure::Interrupted),
    };
    let torrent = options.download.add(&client, source)?;
    let ended = async {
        let is_told = torrent.info().is_some();
        if is_told {
            tell_serving(&out, &server, &torrent)?;
        }
        tell_listening(&out, client.listen_addresses());
        if let Some(info) = torrent.info() {
            reporter.metadata(&info);
        }
        tokio::select! {
            ended = download(&torrent, &reporter, deadline, options, started) => ended,
            never = server.run(torrent.clone()) => match never {},
            Err(wrong) = tell_later(&server, &torrent, &out), if !is_told => Err(wrong),
            _ = &mut interrupt => Err(Failure::Interrupted),
        }
    };
    let ended = ended.await;
    torrent.stop().await;
    close(&client).await;
    reporter.finish();
    ended
}

/// Downloads the torrent, and then seeds it until it fails.
async fn download(
    torrent: &Torrent,
    reporter: &Reporter,
    deadline: Deadline,
    options: &Options,
    started: Instant,
) -> Result<(), Failure> {
    let followed = deadline.limit(follow(torrent, reporter)).await;
    followed.ok_or_else(|| {
        Failure::CouldNot(format!("not complete after {} s", deadline.seconds()))
    })??;
    let out = options.common.output();
    tell_finished(&out, torrent, &options.download.output, &torrent.stats(), started.elapsed());
    report(torrent, reporter).await
}

/// Tells where the file is served, as soon as the metadata is known.
async fn tell_later(server: &StreamServer, torrent: &Torrent, out: &Output) -> Result<(), Failure> {
    // It waits for the metadata, and whether there is this file does not matter. That the torrent has ended is
    // told by the download.
    let _ = torrent.reader(0).await;
    if torrent.info().is_some() { tell_serving(out, server, torrent) } else { Ok(()) }
}

fn tell_serving(out: &Output, server: &StreamServer, torrent: &Torrent) -> Result<(), Failure> {
    let url = server.url(torrent).map_err(|error| Failure::InvalidInput(error.to_string()))?;
    out.say(format!("serving at {}", server.page()));
    out.event(&json!({
        "event": "serving",
        "url": url.as_str(),
        "page": server.page().as_str(),
    }));
    Ok(())
}
