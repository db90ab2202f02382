//! The engine of a driver: with the feature `record` one that can be recorded.

use std::time::Instant;

#[cfg(not(feature = "record"))]
pub(super) use tinytorrent_swarm::Swarm as Engine;
use tinytorrent_swarm::SwarmConfig;
#[cfg(feature = "record")]
pub(super) use tinytorrent_swarm::record::Recorded as Engine;

use crate::TorrentOptions;

/// Makes the engine of a torrent.
#[cfg(not(feature = "record"))]
pub(super) fn make(now: Instant, config: SwarmConfig, _: &TorrentOptions) -> Engine {
    Engine::new(now, config)
}

/// Makes the engine of a torrent, and its recording if the options have one.
#[cfg(feature = "record")]
pub(super) fn make(now: Instant, config: SwarmConfig, options: &TorrentOptions) -> Engine {
    let sink = options.recording.as_ref().and_then(|sink| sink.open(crate::threads::spawn));
    match sink {
        Some(spool) => Engine::with_recording(now, config, spool),
        None => Engine::new(now, config),
    }
}

#[cfg(feature = "record")]
impl super::Driver {
    /// Tells that the recording has ended by an error, once.
    pub(super) fn tell_end_of_recording(&mut self) {
        if let Some(error) = self.swarm.take_failure() {
            let error = crate::DiskError { kind: error.kind(), message: error.to_string() };
            self.outbox.push(crate::Event::RecordingFailed { error });
        }
    }
}
