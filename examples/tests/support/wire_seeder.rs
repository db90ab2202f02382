//! Seeders that misbehave in a chosen way.

use std::net::SocketAddr;
use std::process::Command;

use super::need::PYTHON;
use super::process::Process;
use super::scene::{Scene, Source};
use super::{START, net, script};

/// The way in which a seeder misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// About a third of the blocks have a wrong byte.
    Corrupt,
    /// Silent after so many blocks, with the connection open.
    Stall(u32),
    /// Gone for good after so many blocks.
    Vanish(u32),
    /// Accepts connections and never says a word.
    Mute,
    /// Never unchokes the first peer that it meets.
    Aloof,
}

/// A seeder of the plain protocol.
pub struct WireSeeder {
    /// The address at which it accepts peers.
    pub address: SocketAddr,
    process: Process,
}

impl WireSeeder {
    /// A seeder on this host, without a limit.
    pub fn start(scene: &Scene, host: &str, manner: Manner) -> Self {
        Self::with_rate(scene, host, manner, 0)
    }

    /// A seeder that sends so many bytes a second; 0 is no limit.
    pub fn with_rate(scene: &Scene, host: &str, manner: Manner, rate: u64) -> Self {
        Self::spawn(scene, host, manner, &["--rate", &rate.to_string()])
    }

    /// A seeder that goes to a peer by itself, from this host.
    pub fn dialing(scene: &Scene, host: &str, manner: Manner, peer: SocketAddr) -> Self {
        Self::spawn(scene, host, manner, &["--dial", &peer.to_string()])
    }

    fn spawn(scene: &Scene, host: &str, manner: Manner, words: &[&str]) -> Self {
        let (mode, after) = match manner {
            Manner::Honest => ("honest", 0),
            Manner::Corrupt => ("corrupt", 0),
            Manner::Stall(after) => ("stall", after),
            Manner::Vanish(after) => ("vanish", after),
            Manner::Mute => ("mute", 0),
            Manner::Aloof => ("aloof", 0),
        };
        let address = net::free_address(host);
        let mut command = Command::new(PYTHON);
        command.arg(script("wire_seeder.py")).args(["--mode", mode]);
        command.args(["--torrent", &scene.source(Source::Torrent)]);
        command.arg("--dir").arg(scene.seed_dir()).args(["--listen", &address.to_string()]);
        command.args(["--after", &after.to_string()]).args(words);
        let name = format!("{mode}-seed-{}", address.port());
        let mut process = Process::spawn(&name, &command, scene.path());
        process.wait_for_line("READY", START);
        Self { address, process }
    }

    /// Bytes of payload it has sent on all connections, once they are closed.
    pub fn served(&mut self) -> u64 {
        self.process.wait_for("closed connections", START, |out| {
            let last = out.lines().rev().find_map(|line| line.strip_prefix("served "))?;
            last.strip_suffix(" open 0")?.parse().ok()
        })
    }

    /// Waits until the first peer it met is interested, and so has read all that it was told.
    pub fn wait_interested(&mut self) {
        self.process.wait_for_line("INTERESTED", START);
    }

    /// Waits until it has gone.
    pub fn wait_vanished(&mut self) {
        self.process.wait_for_line("VANISHED", super::COMPLETE);
    }
}
