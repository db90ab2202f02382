//! rtorrent, which is told all by a file of commands and tells what happened by making files.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::client::{OtherClient, wait_for_file};
use super::need::Need;
use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START, net};

/// An rtorrent process with one torrent.
pub struct Rtorrent {
    address: SocketAddr,
    finished: PathBuf,
    process: Process,
}

impl OtherClient for Rtorrent {
    const NEED: Need = Need::Rtorrent;

    fn seed(scene: &Scene) -> Self {
        let mut seeder = Self::spawn("seed", Source::Torrent, scene, &scene.seed_dir());
        let checked = scene.room("rtorrent-seed").join("checked");
        wait_for_file(&checked, &mut seeder.process, START);
        net::wait_listening(seeder.address.port(), START);
        seeder
    }

    fn leech(scene: &Scene, source: Source, dir: &Path) -> Self {
        Self::spawn("leech", source, scene, dir)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait_complete(&mut self) {
        wait_for_file(&self.finished, &mut self.process, COMPLETE);
    }
}

impl Rtorrent {
    fn spawn(role: &str, source: Source, scene: &Scene, dir: &Path) -> Self {
        let address = net::free_address("127.0.0.1");
        let room = scene.room(&format!("rtorrent-{role}"));
        let rc = room.join("rtorrent.rc");
        fs::write(&rc, commands(address.port(), &room, dir, &scene.source(source))).unwrap();
        let mut command = Command::new("rtorrent");
        command.args(["-n", "-o"]).arg(format!("import={}", rc.display()));
        command.env("HOME", &room).env("TERM", "dumb");
        let process = Process::spawn(&format!("rtorrent-{role}"), &command, scene.path());
        Self { address, finished: room.join("finished"), process }
    }
}

fn commands(port: u16, room: &Path, dir: &Path, source: &str) -> String {
    let (room, dir) = (room.display(), dir.display());
    format!(
        "system.daemon.set = true
directory.default.set = {dir}
session.path.set = {room}
network.port_range.set = {port}-{port}
network.port_random.set = no
network.bind_address.set = 127.0.0.1
network.local_address.set = 127.0.0.1
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = allow_incoming
method.set_key = event.download.hash_done, told_checked, \"execute.nothrow=touch,{room}/checked\"
method.set_key = event.download.finished, told_finished, \"execute.nothrow=touch,{room}/finished\"
load.start = \"{source}\"
"
    )
}
