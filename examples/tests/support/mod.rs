//! Real peers and trackers on loopback, and the content they exchange.
//!
//! Every process is ended by its id when its guard is dropped, ports are picked free, and all that
//! is written lies in a temporary folder. A test that needs a program which is missing is left out and
//! counted as ignored, unless `TINYTORRENT_INTEROP=require` is set, as `.ci/run` does.

pub mod aria2;
pub mod chromium;
pub mod client;
pub mod content;
pub mod curl;
pub mod dante;
pub mod hidden_peer;
pub mod hosts;
pub mod lftp;
pub mod libtorrent;
pub mod need;
pub mod net;
pub mod opentracker;
pub mod ours;
pub mod process;
pub mod qbittorrent;
pub mod relay;
pub mod rtorrent;
pub mod runner;
pub mod scene;
pub mod tracker;
pub mod transmission;
pub mod web_server;
pub mod webtorrent;
pub mod wire_seeder;

use std::path::PathBuf;
use std::time::Duration;

/// Timeout for a program to start and check a few MiB of content.
pub const START: Duration = Duration::from_secs(60);

/// Timeout of a download of a few MiB. transmission alone waits up to 30 s on timers.
pub const COMPLETE: Duration = Duration::from_secs(150);

/// A script that plays a peer.
pub fn script(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/support/peers", name].iter().collect()
}
