//! Peer exchange over time: the messages to each peer, and limits on those of each peer (BEP 11).
//!
//! Each peer that speaks `ut_pex` has one [`PexSender`] and one [`PexReceiver`]. A private torrent has
//! neither (BEP 27).
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
//! // The connected peers that can be reached, by the port at which they listen.
//! let connected = [peer("10.0.0.1:6881")?, peer("10.0.0.2:6881")?];
//!
//! // 1. Once a minute there may be a message.
//! let mut sender = PexSender::new("10.0.0.2:6881".parse()?);
//! let message = sender.poll_message(now, connected).unwrap();
//! assert_eq!(message.added, [connected[0]], "without its receiver");
//! assert!(sender.poll_message(now, connected).is_none());
//!
//! // 2. Received messages are limited.
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

/// BEP 11: peers added, and peers dropped, in one message, except the first.
const MAX_ENTRIES: usize = 50;
