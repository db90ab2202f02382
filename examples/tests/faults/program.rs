//! The program that is hurt: a client with a kept session, told what to do by lines on its stdin.
//!
//! It prints its events as they happen, one JSON object a line, and its logs to stderr.

use std::io::BufRead;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tinytorrent_client::{CheckScope, Client, ClientOptions, FilesError, Torrent, TorrentOptions};
use tinytorrent_examples::{Mode, Output};
use tokio::sync::mpsc;

/// The first word on the command line.
pub const WORD: &str = "--program";

/// Runs with the words `STATE LISTEN [OPEN_FILES]` until stdin ends, or until it is told to stop.
pub fn main(mut words: impl Iterator<Item = String>) -> ExitCode {
    let logs = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    logs.with_max_level(tracing::Level::INFO).init();
    let (state, listen) = (words.next().expect("STATE"), words.next().expect("LISTEN"));
    let mut options = ClientOptions::default();
    options.state(state).listen(listen.parse().expect("an address")).dht(false);
    if let Some(open_files) = words.next() {
        options.open_files(open_files.parse().expect("a number"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run(&options));
    ExitCode::SUCCESS
}

async fn run(options: &ClientOptions) {
    let client = Client::start(options).unwrap_or_else(|error| panic!("{error}"));
    tokio::spawn(print_events(client.clone()));
    let address = client.listen_addresses()[0];
    let torrents: Vec<_> = client.torrents().iter().map(name).collect();
    print(&json!({ "listening": address, "torrents": torrents }));
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines();
        lines.map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    while let Some(line) = lines.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["stop"] => break,
            ["add", file, folder] => {
                let mut options = TorrentOptions::new(folder);
                let added =
                    std::fs::read(file).map_err(|error| error.to_string()).and_then(|bytes| {
                        client.add(bytes, options.lsd(false)).map_err(|error| error.to_string())
                    });
                let added = added.map(|torrent| name(&torrent));
                print(&json!({ "done": line, "error": added.err() }));
            }
            ["peer", address] => {
                let address: SocketAddr = address.parse().expect("an address");
                client.torrents().iter().for_each(|torrent| torrent.add_peers([address.into()]));
            }
            [verb, name, ref words @ ..] => match find(&client, name) {
                Some(torrent) => change(torrent, &line, verb, words),
                None => print(&json!({ "done": line, "error": "there is no such torrent" })),
            },
            _ => panic!("`{line}` is no command"),
        }
    }
    client.shutdown(Duration::from_secs(10)).await;
}

/// Does something with a torrent, and prints that it is done.
fn change(torrent: Torrent, line: &str, verb: &str, words: &[&str]) {
    let done = |line: &str, error: Option<FilesError>| {
        print(&json!({ "done": line, "error": error.map(|error| error.to_string()) }));
    };
    let line = line.to_owned();
    match (verb, words) {
        ("pause", []) => torrent.pause(),
        ("resume", []) => torrent.resume(),
        ("limit", [limit]) => torrent.set_download_limit(limit.parse().ok()),
        ("status", []) => print(&status(&torrent)),
        ("check", []) => drop(tokio::spawn(async move {
            done(&line, torrent.recheck(CheckScope::All).await.err());
        })),
        ("move", [folder]) => {
            let folder = (*folder).to_owned();
            tokio::spawn(async move { done(&line, torrent.move_to(folder).await.err()) });
        }
        ("forget", []) => drop(tokio::spawn(async move {
            torrent.stop().await;
            done(&line, None);
        })),
        _ => panic!("`{line}` is no command"),
    }
}

async fn print_events(client: Client) {
    let mut events = client.events();
    while let Some(event) = events.next().await {
        let event = event.expect("no events are lost, as they are printed at once");
        let name = client.get(event.hashes).and_then(|torrent| torrent.name());
        print(&json!({ "name": name, "event": event.event }));
    }
}

fn status(torrent: &Torrent) -> Value {
    let (history, stats, counts) = (torrent.history(), torrent.stats(), torrent.counts());
    let path = torrent.content_path().and_then(|path| Some(path.to_str()?.to_owned()));
    let (state, paused_by) = (torrent.state(), torrent.paused_by());
    // Before 1970 it is negative.
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let time = time.map_or_else(
        |error| -error.duration().as_secs().cast_signed(),
        |time| time.as_secs().cast_signed(),
    );
    let limit = torrent.limits().and_then(|limits| limits.download);
    json!({
        "status": name(torrent), "state": state, "paused_by": paused_by, "path": path, "limit": limit,
        "stats": stats, "counts": counts, "history": history, "time": time,
    })
}

fn find(client: &Client, wanted: &str) -> Option<Torrent> {
    client.torrents().into_iter().find(|torrent| name(torrent) == wanted)
}

fn name(torrent: &Torrent) -> String {
    torrent.name().unwrap_or_default()
}

fn print(event: &Value) {
    Output::new(Mode::Json).event(event);
}
