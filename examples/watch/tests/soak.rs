//! A long run of `watch` with peers, torrents and attackers that come and go: no figure of it grows.
//!
//! By default it is a short run. `TINYTORRENT_SOAK=3600` is an hour, with 300 torrents and 200 peers.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub, reason = "`pub` in a test reads better and reaches nobody either way")]

mod soak {
    pub mod crowd;
    pub mod figures;
    pub mod law;
}
mod support;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use soak::crowd::{Crowd, Dice};
use soak::figures::Series;
use support::{Content, Scene, program};

/// The size of a run.
struct Size {
    time: Duration,
    torrents: usize,
    peers: usize,
}

impl Size {
    fn from_environment() -> Self {
        match std::env::var("TINYTORRENT_SOAK") {
            Err(_) => Self { time: Duration::from_secs(40), torrents: 30, peers: 20 },
            Ok(text) => {
                let time = Duration::from_secs(text.parse().expect("a number of seconds"));
                Self { time, torrents: 300, peers: 200 }
            }
        }
    }
}

/// The program, which is ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn nothing_grows_while_peers_and_torrents_come_and_go() {
    let size = Size::from_environment();
    let mut dice = Dice::new();
    let scene = Scene::new();
    let contents: Vec<Content> = (0..size.torrents)
        .map(|at| scene.content(&format!("content {at}"), 100_000 + 4_999 * at % 300_000))
        .collect();
    for (at, content) in contents.iter().enumerate() {
        scene.put(&format!("{at}.torrent"), content);
    }
    let (listen, http) = (free_address(), free_address());
    let mut command = Command::new(program());
    command.current_dir(scene.path("")).args(["in", "--output", "out", "--quiet", "--no-trackers"]);
    command.args(["--no-dht", "--no-lsd", "--no-port-mapping", "--limit-up", "2MiB"]);
    command.args(["--listen", &listen.to_string(), "--http", &http.to_string()]);
    command
        .args(["--peer", &scene.seeder().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut watch = Program(command.spawn().expect("it was built"));

    let mut series = Series::new(watch.0.id(), http);
    let start = Instant::now();
    while series.look("tinytorrent_torrents{state=\"seeding\"}") < size.torrents as f64 {
        assert!(start.elapsed() < size.time.max(Duration::from_secs(300)), "not all are complete");
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut crowd = Crowd::new(scene.path("peers"), listen, size.peers);
    let pause = (size.time / 400).max(Duration::from_millis(250));
    let (start, mut next) = (Instant::now(), Instant::now());
    let mut away: Option<usize> = None;
    while start.elapsed() < size.time {
        crowd.change(&mut dice, &contents);
        // One torrent at a time is away.
        match away.take() {
            Some(at) => scene.put(&format!("{at}.torrent"), &contents[at]),
            None if dice.roll(20) == 0 => {
                let at = dice.roll(contents.len() as u64) as usize;
                scene.take(&format!("{at}.torrent"));
                away = Some(at);
            }
            None => {}
        }
        if Instant::now() >= next {
            next += pause;
            series.sample();
            assert!(watch.0.try_wait().unwrap().is_none(), "it has ended");
        }
        // All of this is to leave the machine something.
        std::thread::sleep(Duration::from_millis(100));
    }
    let traffic = crowd.traffic();
    drop(crowd);
    println!("{traffic}\n{series}");
    fs::write(std::env::temp_dir().join("tinytorrent-soak.txt"), series.to_string()).unwrap();
    series.assert_flat();
    assert!(traffic.joined > 0 && traffic.bytes > 0, "nobody came");
}
