//! The program that is hurt, from outside.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::program::WORD;
use crate::support::content::Content;
use crate::support::ours::parse_events;
use crate::support::process::Process;

/// Patience for a step. It is long, since the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The running program.
pub struct Node {
    process: Process,
    /// The address at which it accepts peers.
    pub address: SocketAddr,
    /// The names of the torrents that its session brought back.
    pub torrents: Vec<String>,
}

impl Node {
    /// Starts it with the session in `folder/state`, on loopback, and waits until it listens.
    pub fn start(folder: &Path) -> Self {
        Self::start_as(folder, &Self::command(folder, "127.0.0.1:0"))
    }

    /// The command that [`start`](Self::start) runs, to be changed.
    pub fn command(folder: &Path, listen: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("it has a path"));
        command.arg(WORD).arg(folder.join("state")).arg(listen);
        command
    }

    /// Starts it by another command. Its output goes to `folder`.
    pub fn start_as(folder: &Path, command: &Command) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(1);
        let name = format!("node-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let mut process = Process::spawn(&name, command, folder);
        let told = process.wait_for("word that it listens", PATIENCE, |out| {
            parse_events(out).into_iter().find(|told| told.get("listening").is_some())
        });
        let address = told["listening"].as_str().expect("it is text").parse();
        let torrents = told["torrents"].as_array().expect("it is a list").iter();
        let torrents = torrents.map(|name| name.as_str().expect("it is text").to_owned()).collect();
        Self { process, address: address.expect("it is an address"), torrents }
    }

    /// Tells it something.
    pub fn tell(&mut self, line: &str) {
        self.process.write_line(line);
    }

    /// Tells it something, and waits until that is done; the error, if there was one.
    pub fn ask(&mut self, line: &str) -> Option<String> {
        let is_same = |told: &&Value| told["done"] == line;
        let before = self.told().iter().filter(is_same).count();
        self.tell(line);
        let done = self.process.wait_for(line, PATIENCE, |out| {
            parse_events(out).iter().filter(is_same).nth(before).cloned()
        });
        done["error"].as_str().map(str::to_owned)
    }

    /// Adds the torrent of a file.
    pub fn add(&mut self, file: &Path, folder: &Path) {
        let error = self.ask(&format!("add {} {}", text(file), text(folder)));
        assert_eq!(error, None);
    }

    /// The present status of a torrent. It has no `state` if there is no such torrent, or it has failed.
    pub fn status(&mut self, name: &str) -> Value {
        let line = format!("status {name}");
        let is_status = |told: &&Value| told["status"] == name || told["done"] == *line;
        let before = self.told().iter().filter(is_status).count();
        self.tell(&line);
        self.process.wait_for("status", PATIENCE, |out| {
            parse_events(out).iter().filter(is_status).nth(before).cloned()
        })
    }

    /// Waits until a torrent is in this state.
    pub fn wait_for_state(&mut self, name: &str, state: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let status = self.status(name);
            if status["state"] == state {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "it is not {state}: {status}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits for the first event of a torrent of which this is something.
    pub fn wait_for_event<T>(
        &mut self,
        what: &str,
        name: &str,
        patience: Duration,
        find: impl Fn(&Value) -> Option<T>,
    ) -> T {
        self.process.wait_for(what, patience, |out| {
            let events = parse_events(out).into_iter().filter(|told| told["name"] == name);
            events.into_iter().find_map(|told| find(&told["event"]))
        })
    }

    /// All that it has told so far.
    pub fn told(&self) -> Vec<Value> {
        parse_events(&self.process.stdout())
    }

    /// The events of a torrent so far.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let told = self.told().into_iter().filter(|told| told["name"] == name);
        told.map(|mut told| told["event"].take()).collect()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Lets it end as a program does that is told to.
    pub fn stop(&mut self) {
        self.tell("stop");
        let status = self.process.wait(PATIENCE);
        assert!(status.success(), "{status}");
    }

    /// It has not ended by itself.
    #[track_caller]
    pub fn assert_runs(&mut self) {
        assert!(self.process.is_running(), "it has ended: {}", self.log());
    }
}

/// A path of this suite as a word of a command.
fn text(path: &Path) -> &str {
    let text = path.to_str().expect("temporary paths are text");
    assert!(!text.contains(' '), "`{text}` is two words");
    text
}

/// The bytes that are verified, as far as the program has told before it ended.
pub fn verified(events: &[Value], content: &Content) -> u64 {
    let (piece, size) = (content.piece_length as u64, content.size());
    let mut have = 0;
    for event in events {
        if let Some(checked) = event.get("checked") {
            have = checked["have"].as_u64().expect("it is a number");
        } else if let Some(completed) = event["swarm"].get("piece_completed") {
            let index = completed["piece"].as_u64().expect("it is a number");
            have += piece.min(size - index * piece);
        }
    }
    have
}

/// The place of a torrent's content, as the program says.
pub fn folder_of(status: &Value) -> Option<PathBuf> {
    Some(Path::new(status["path"].as_str()?).parent()?.to_owned())
}
