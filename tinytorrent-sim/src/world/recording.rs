//! Recordings of engines.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tinytorrent_swarm::SwarmConfig;
use tinytorrent_swarm::record::Recorded;

use super::{Node, World};

/// The sinks of the recordings of nodes that are yet to be added.
#[derive(Default)]
pub(super) struct Sinks(HashMap<Node, Box<dyn Write + Send>>);

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl World {
    /// Records the engine of a node that is yet to be added, from its first call on. All is written once the world
    /// is dropped. A replay needs [`scramble`](crate::scramble).
    pub fn record(&mut self, node: Node, sink: impl Write + Send + 'static) {
        self.sinks.0.insert(node, Box::new(sink));
    }

    pub(super) fn make_engine(&mut self, node: Node, config: SwarmConfig) -> Recorded {
        match self.sinks.0.remove(&node) {
            Some(sink) => Recorded::with_recording(self.now, config, sink),
            None => Recorded::new(self.now, config),
        }
    }
}

/// A recording in memory. Its clones are one.
#[derive(Debug, Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    /// The bytes that are on it.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
