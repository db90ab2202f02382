//! The inputs and outputs of the engine: plain data, to be logged, compared and replayed.

mod action;
mod event;
mod input;
mod reason;
mod stats;
mod transport;
mod view;
mod web_seed;

pub use action::{Action, BlockVerdict};
pub use event::Event;
pub use input::{Content, Input, PeerSource};
pub use reason::{ConnectionError, DiskError, LeaveReason};
pub use stats::{Introductions, Stats};
pub use transport::{Route, Transport, Transports};
pub use view::{ChokeReason, PeerFlow, PeerView};
pub use web_seed::{FetchKey, FetchOutcome, FetchTask, WebSeedKey, WebSeedState, WebSeedView};
