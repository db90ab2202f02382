//! Peers that come, download, leave and are killed, and attackers.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use tinytorrent_client::{Client, ClientOptions, Torrent, TorrentOptions};
use tokio::runtime::{Builder, Runtime};

use crate::support::Content;

/// Pseudorandom numbers, the same in each run: what is looked for takes its time in any order.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Torrents of one client. It comes back at the same address when it was killed.
struct Host {
    address: SocketAddr,
    client: Client,
    torrents: Vec<(Torrent, PathBuf)>,
}

/// The peers of the program.
pub struct Crowd {
    folder: PathBuf,
    target: SocketAddr,
    hosts: Vec<Host>,
    /// Connections that attackers hold open.
    held: Vec<TcpStream>,
    made: u64,
    traffic: Traffic,
    /// Dropped last: the clients end in it.
    runtime: Runtime,
}

/// The deeds of the peers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    pub joined: u64,
    pub left: u64,
    pub killed: u64,
    pub attacks: u64,
    /// Bytes that they have received.
    pub bytes: u64,
}

/// Torrents of one host.
const TORRENTS: usize = 10;

impl Crowd {
    /// As many places for peers of the program at `target`.
    pub fn new(folder: PathBuf, target: SocketAddr, peers: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let context = runtime.enter();
        let hosts = (0..peers.div_ceil(TORRENTS)).map(|_| {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            Host { address, client: start(address).expect("it was free"), torrents: Vec::new() }
        });
        let hosts = hosts.collect();
        drop(context);
        let (held, traffic) = (Vec::new(), Traffic::default());
        Self { folder, target, hosts, held, made: 0, traffic, runtime }
    }

    /// Somebody comes or goes.
    pub fn change(&mut self, dice: &mut Dice, contents: &[Content]) {
        match dice.roll(20) {
            0 => self.kill(dice),
            1..=3 => self.attack(dice, contents),
            _ => self.replace(dice, contents),
        }
    }

    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// A peer leaves if there is no room, and another one comes.
    fn replace(&mut self, dice: &mut Dice, contents: &[Content]) {
        let _context = self.runtime.enter();
        let at = dice.roll(self.hosts.len() as u64) as usize;
        let host = &mut self.hosts[at];
        if host.torrents.len() >= TORRENTS {
            let (torrent, folder) = host.torrents.remove(dice.roll(TORRENTS as u64) as usize);
            self.traffic.bytes += torrent.stats().downloaded;
            self.runtime.block_on(torrent.stop());
            fs::remove_dir_all(folder).unwrap();
            self.traffic.left += 1;
        }
        self.made += 1;
        let folder = self.folder.join(self.made.to_string());
        fs::create_dir_all(&folder).unwrap();
        let content = &contents[dice.roll(contents.len() as u64) as usize];
        let mut options = TorrentOptions::new(&folder);
        options.resume(false).lsd(false).dht(false).peer(self.target);
        options.download_limit(Some(20_000 + dice.roll(200_000)));
        // One that the host has already is not added.
        match host.client.add(&content.metainfo, options) {
            Ok(torrent) => {
                host.torrents.push((torrent, folder));
                self.traffic.joined += 1;
            }
            Err(_) => fs::remove_dir_all(folder).unwrap(),
        }
    }

    /// All peers of a host are gone at once, and it comes back later.
    fn kill(&mut self, dice: &mut Dice) {
        let _context = self.runtime.enter();
        let at = dice.roll(self.hosts.len() as u64) as usize;
        let host = &mut self.hosts[at];
        for (torrent, folder) in host.torrents.drain(..) {
            self.traffic.bytes += torrent.stats().downloaded;
            self.traffic.killed += 1;
            drop(torrent);
            // It may be written to for a moment.
            let _ = fs::remove_dir_all(folder);
        }
        self.runtime.block_on(host.client.shutdown(Duration::ZERO));
        // The address may be in use for a moment. Somebody else may also have taken it.
        let other = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let new = start(host.address).or_else(|| start(other())).expect("there is a port");
        host.client = new;
    }

    /// Somebody connects who means no good.
    fn attack(&mut self, dice: &mut Dice, contents: &[Content]) {
        const HELD: usize = 30;
        let Ok(mut stream) = TcpStream::connect(self.target) else { return };
        self.traffic.attacks += 1;
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let content = &contents[dice.roll(contents.len() as u64) as usize];
        let hash = content.metainfo.hashes().to_wire();
        let greeting =
            [&b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05"[..], hash.as_ref(), b"-XX0000-"];
        let mut greeting = greeting.concat();
        greeting.extend((0..12).map(|_| dice.roll(256) as u8));
        let noise: Vec<u8> = (0..dice.roll(4_000)).map(|_| dice.roll(256) as u8).collect();
        let request = |piece: u8| [0, 0, 0, 13, 6, 0, 0, 0, piece, 0, 0, 0, 0, 0, 0, 64, 0];
        let asked: Vec<u8> = (0..200).flat_map(|at| request(at as u8)).collect();
        let interested = [0, 0, 0, 1, 2];
        let words = match dice.roll(6) {
            0 => Vec::new(),
            1 => noise,
            2 => greeting,
            3 => [greeting, noise].concat(),
            4 => [&greeting[..], &interested, &asked].concat(),
            _ => [&greeting[..], &[0, 0x7f, 0xff, 0xff, 20]].concat(),
        };
        // It hangs up on some of them.
        let _ = stream.write_all(&words);
        let _ = stream.read(&mut [0; 1000]);
        self.held.push(stream);
        if self.held.len() > HELD {
            self.held.remove(0);
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { joined, left, killed, attacks, bytes } = self;
        write!(
            f,
            "{joined} peers came, {left} left, {killed} were killed; {attacks} attacks; {bytes} bytes"
        )
    }
}

fn start(address: SocketAddr) -> Option<Client> {
    let mut options = ClientOptions::default();
    options.listen(address).dht(false).open_files(4).disk_threads(1);
    Client::start(options).ok()
}
