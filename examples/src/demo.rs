//! A whole download on one machine, for show: a tracker, two seeders, and content made on the spot.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tinytorrent_client::{Client, ClientOptions, Event, SwarmEvent, Torrent, TorrentOptions};
use tinytorrent_metainfo::{CreateOptions, Metainfo, VerifyOptions};
use tinytorrent_tracker::server::{ServerConfig, TrackerServer};

use crate::{Failure, Output, Reporter, follow, format_size, tell_finished, tell_listening};

/// Paths below the torrent's folder, and their sizes: 256 MiB in all.
const FILES: [(&str, u64); 5] = [
    ("film.bin", (200 << 20) - 12_345),
    ("extras/interview.bin", 40 << 20),
    ("extras/songs.bin", 16 << 20),
    ("extras/empty", 0),
    ("about.txt", 12_345),
];

/// Runs it: content, torrent, tracker, seeders, download, verification, summary.
///
/// # Errors
///
/// When the machine does not play along: no room in the temporary folder, say.
pub async fn run(out: Output) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|error| no_room(&error))?;
    let seeds = folder.path().join("seeds");
    let loopback = ["127.0.0.1:0".parse().expect("an address")];
    let tracker = TrackerServer::bind(ServerConfig::default(), &loopback, &loopback)
        .await
        .map_err(|error| Failure::could_not("cannot start a tracker", &error))?;
    let urls = tracker.announce_urls();
    out.say("no SOURCE given: showing a download on this machine alone");

    let made = Instant::now();
    let content = seeds.join("tinytorrent demo");
    make_content(&content).map_err(|error| no_room(&error))?;
    let metainfo = make_torrent(&content, &urls)?;
    let total = metainfo.info().geometry().total_payload();
    let files = metainfo.layout().file_count();
    let took = made.elapsed().as_secs_f64();
    out.say(format!(
        "made {files} files, {}, and their torrent in {took:.1} s",
        format_size(total)
    ));

    // One seeder comes to the tracker over UDP, the other over HTTP.
    let mut seeders = Vec::new();
    for url in &urls {
        let seeder = seed(&metainfo, &seeds, url).await?;
        out.say(format!("a seeder has announced itself to {url}"));
        seeders.push(seeder);
    }
    let result = download(&out, &metainfo, &folder.path().join("download")).await;
    for (_, torrent) in &seeders {
        torrent.stop().await;
    }
    tracker.shutdown().await;
    result
}

fn make_content(folder: &Path) -> std::io::Result<()> {
    let mut chance = StdRng::seed_from_u64(7);
    let mut chunk = vec![0; 1 << 20];
    for (path, size) in FILES {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let mut file = BufWriter::new(fs::File::create(path)?);
        let mut left = size;
        while left > 0 {
            let part = left.min(chunk.len() as u64) as usize;
            chance.fill_bytes(&mut chunk[..part]);
            file.write_all(&chunk[..part])?;
            left -= part as u64;
        }
        file.flush()?;
    }
    Ok(())
}

fn make_torrent(content: &Path, urls: &[String]) -> Result<Metainfo, Failure> {
    let mut options = CreateOptions::new();
    options.private(true).threads(2);
    for url in urls {
        options.tracker(url);
    }
    options
        .create_unobserved(content)
        .map_err(|error| Failure::could_not("cannot make a torrent", &error))
}

/// A client of its own that seeds, once the tracker knows of it.
async fn seed(metainfo: &Metainfo, folder: &Path, url: &str) -> Result<(Client, Torrent), Failure> {
    let client = start()?;
    let mut options = TorrentOptions::new(folder);
    options.read_only(true).resume(false).without_trackers(true).tracker(url);
    let torrent = add(&client, metainfo, options)?;
    let mut events = torrent.events();
    while let Some(event) = events.next().await {
        match event {
            Event::Swarm(SwarmEvent::TrackerAnswered { .. }) => return Ok((client, torrent)),
            Event::Swarm(SwarmEvent::TrackerFailed { url, failure }) => {
                return Err(Failure::CouldNot(format!("tracker {url}: {failure}")));
            }
            _ => {}
        }
    }
    Err(Failure::CouldNot("a seeder ended before it began".into()))
}

async fn download(out: &Output, metainfo: &Metainfo, folder: &Path) -> Result<(), Failure> {
    let started = Instant::now();
    let client = start()?;
    let torrent = add(&client, metainfo, TorrentOptions::new(folder))?;
    tell_listening(out, client.listen_addresses());
    let reporter = Reporter::new(*out);
    reporter.metadata(metainfo.info());
    follow(&torrent, &reporter).await?;
    let took = started.elapsed();
    let stats = torrent.stop().await;
    reporter.finish();
    compare(metainfo, folder)?;
    tell_finished(out, &torrent, folder, &stats, took);
    Ok(())
}

/// Each piece was verified before it counted. This looks at the files once more.
fn compare(metainfo: &Metainfo, folder: &Path) -> Result<(), Failure> {
    let mut options = VerifyOptions::new();
    let report = options
        .threads(2)
        .verify_unobserved(metainfo, folder)
        .map_err(|error| Failure::could_not("cannot verify the download", &error))?;
    if report.is_complete() {
        Ok(())
    } else {
        Err(Failure::CouldNot("the download is not what was seeded".into()))
    }
}

fn start() -> Result<Client, Failure> {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().expect("an address"));
    Client::start(options).map_err(|error| Failure::could_not("cannot start a client", &error))
}

fn add(client: &Client, metainfo: &Metainfo, options: TorrentOptions) -> Result<Torrent, Failure> {
    client.add(metainfo, options).map_err(|error| Failure::could_not("cannot add it", &error))
}

fn no_room(error: &std::io::Error) -> Failure {
    Failure::could_not("cannot make content in the temporary folder", error)
}
