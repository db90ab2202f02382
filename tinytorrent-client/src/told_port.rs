use std::sync::atomic::{AtomicU32, Ordering};

/// The port that others are told to connect to.
#[derive(Debug, Default)]
pub(crate) struct ToldPort {
    /// That of the listener; `None` without one, or if there are several.
    listener: Option<u16>,
    /// The one that the gateway maps to it; 0 for none.
    mapped: AtomicU32,
}

impl ToldPort {
    pub(crate) fn new(listener: Option<u16>) -> Self {
        Self { listener, ..Self::default() }
    }

    pub(crate) fn get(&self) -> Option<u16> {
        let mapped = u16::try_from(self.mapped.load(Ordering::Acquire)).ok();
        mapped.filter(|&port| port != 0).or(self.listener)
    }

    #[cfg(feature = "port-mapping")]
    pub(crate) fn set_mapped(&self, port: Option<u16>) {
        self.mapped.store(port.unwrap_or(0).into(), Ordering::Release);
    }
}
