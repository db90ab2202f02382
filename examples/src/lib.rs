//! Options, output and exit codes that the example programs share.
//!
//! Every program in `examples/` is a small `main` over these modules and one of the libraries:
//!
//! ```no_run
//! use clap::Parser;
//! use tinytorrent_examples::{Common, Failure, Outcome, run, start};
//!
//! /// What the program does, in a line.
//! #[derive(Parser)]
//! struct Options {
//!     #[command(flatten)]
//!     common: Common,
//! }
//!
//! fn main() -> Outcome {
//!     let options: Options = start();
//!     run(&options.common, || {
//!         let out = options.common.output();
//!         out.say("words for people; with --json they are left out");
//!         out.event(&serde_json::json!({ "event": "done" }));
//!         Ok::<(), Failure>(())
//!     })
//! }
//! ```

mod allow_list;
mod block_list;
mod cancel;
mod common;
pub mod demo;
mod downloading;
mod exit;
mod hangups;
mod http;
mod identity;
mod interrupt;
mod load;
mod names;
mod network;
mod new_file;
mod output;
mod recording;
mod runtime;
mod selection;
mod session;
mod size;
mod source;
mod start;
mod stream;
mod told;
mod trackers;
mod urls;
mod ways;

pub use allow_list::AllowList;
pub use block_list::{read_block_list, tell_block_list};
pub use cancel::interrupt_flag;
pub use common::Common;
pub use downloading::{DownloadOptions, add};
pub use exit::{Failure, Outcome, run, say_on_stderr};
pub use hangups::Hangups;
pub use http::{HttpServer, escape_html, text_response};
pub use identity::Identity;
pub use interrupt::interrupted;
pub use load::{load, load_in};
pub use names::Names;
pub use network::{Encryption, NetworkOptions};
pub use new_file::NewFile;
pub use output::{Mode, Output};
pub use recording::{RecordOptions, RecordingEnd, new_file};
pub use runtime::{Deadline, block_on, block_on_interruptible, block_on_threads};
pub use selection::{Selection, SelectionError};
pub use session::{
    Reporter, apply_network, client_options, close, follow, hashes_json, report, start_client,
    start_client_with, tell_finished, tell_listening,
};
pub use size::{SizeError, format_duration, format_size, parse_rate, parse_size};
pub use source::{MAX_TORRENT_BYTES, Source, read_torrent_file};
pub use start::start;
pub use stream::{NoSuchFile, StreamServer};
pub use told::{Told, Words};
pub use trackers::{TrackerOptions, none_answered};
pub use urls::{WebSeedError, parse_tier, parse_tracker, parse_web_seed};
pub use ways::WayOptions;

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
