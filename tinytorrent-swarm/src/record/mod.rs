//! Recordings of an engine: its settings, each call that changes it with its instant, and each answer. Feature
//! `record`.
//!
//! An engine has neither a clock nor randomness of its own. So an engine that is made with the same settings and
//! called alike answers alike, up to the last action, and where it does not, something in it has changed.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::{Duration, Instant};
//! use tinytorrent_swarm::record::{Recorded, replay};
//! use tinytorrent_swarm::{InfoHashV1, InfoHashes, Input, PeerId, PeerSource, SwarmConfig};
//!
//! # #[derive(Clone, Default)]
//! # struct Memory(Arc<Mutex<Vec<u8>>>);
//! # impl std::io::Write for Memory {
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
//! #         self.0.lock().unwrap().write(bytes)
//! #     }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! let file = Memory::default(); // a file, say
//! let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
//! let config = SwarmConfig::new(hashes, PeerId::generate(*b"abcdefghijkl"), 42);
//! let now = Instant::now();
//! let mut swarm = Recorded::with_recording(now, config, file.clone());
//! let addresses = vec!["192.0.2.1:6881".parse()?];
//! swarm.handle_input(now, Input::PeersFound { source: PeerSource::User, addresses });
//! while let Some(action) = swarm.poll_action() {
//!     println!("{action:?}");
//! }
//! drop(swarm);
//!
//! let recording = file.0.lock().unwrap();
//! let replayed = replay(Instant::now(), &recording[..], &[])?;
//! assert!(replayed.parting.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Format
//!
//! A line with the version, then entries, each behind its length in bytes. The first has the settings; each of the
//! others the number of a method, the time since the call before, the arguments, and the answer. Numbers are written
//! seven bits a byte. A recording is good up to its last whole entry, so that one can be read while it grows.
//!
//! The content of blocks is not there, as no engine sees it. Addresses, names and info dictionaries are there,
//! and so are passwords in the URLs of trackers. [`mask`] takes them out.

mod addresses;
mod calls;
mod code;
mod contract;
mod disguise;
mod head;
mod mask;
mod neighbours;
mod numbers;
mod primitives;
mod recorded;
mod recording;
mod replay;
mod wire;

pub use calls::Call;
pub use mask::{MaskError, Masked, mask};
pub use recorded::Recorded;
pub use recording::{Entry, Recording, RecordingError};
pub use replay::{Parting, Replay, ReplayError, Replayed, replay};
