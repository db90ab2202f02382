//! Peer exchange over time: what to tell each peer, and how much to believe (BEP 11).
//!
//! One [`PexSender`] and one [`PexReceiver`] for each peer that speaks `ut_pex`. A private
//! torrent has neither (BEP 27).
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tinytorrent_wire::extension::{PexFlags, PexPeer};
//! use tinytorrent_wire::pex::{PexReceiver, PexSender};
//!
//! let now = Instant::now();
//! let peer = |address: &str| {
//!     address.parse().map(|address| PexPeer { address, flags: PexFlags::default() })
//! };
//! // Those we are connected to and who can be reached, at the port where they listen.
//! let connected = [peer("10.0.0.1:6881")?, peer("10.0.0.2:6881")?];
//!
//! // 1. Once a minute there may be something to tell.
//! let mut sender = PexSender::new("10.0.0.2:6881".parse()?);
//! let message = sender.poll_message(now, connected).unwrap();
//! assert_eq!(message.added, [connected[0]], "not to itself");
//! assert!(sender.poll_message(now, connected).is_none());
//!
//! // 2. What comes in is bounded.
//! let mut receiver = PexReceiver::new();
//! let candidates = receiver.handle_message(now, &message)?;
//! assert_eq!(candidates, [connected[0]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

mod receiver;
mod sender;

pub use receiver::{PexFlood, PexReceiver};
pub use sender::PexSender;

/// BEP 11: no more than one message a minute.
const INTERVAL: Duration = Duration::from_secs(60);

/// BEP 11: no more than this many added, and dropped, but for the first message.
const MAX_ENTRIES: usize = 50;
