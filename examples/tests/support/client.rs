//! A program of others with one torrent, at whichever end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::need::Need;
use super::process::Process;
use super::scene::{Scene, Source};

/// A BitTorrent client of others. It learns of peers from trackers, or is dialled.
pub trait OtherClient: Sized {
    /// The programs and packages that must be installed.
    const NEED: Need;

    /// A seeder on the loopback of IPv4 that has checked the scene's content and listens.
    fn seed(scene: &Scene) -> Self;

    /// A leecher on the loopback of IPv4; the torrent must name a tracker.
    fn leech(scene: &Scene, source: Source, dir: &Path) -> Self;

    /// The address at which it accepts peers.
    fn address(&self) -> SocketAddr;

    /// Waits until the leecher says that it is complete.
    fn wait_complete(&mut self);
}

/// Waits until a file exists, which a client makes to say something.
pub fn wait_for_file(file: &Path, process: &mut Process, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !file.exists() {
        assert!(process.is_running(), "the client ended before it made {}", file.display());
        assert!(Instant::now() < deadline, "no {} after {patience:?}", file.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}
