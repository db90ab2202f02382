use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::surroundings::Surroundings;
use crate::task::Task;
use crate::{PortMapping, Transport};

/// Ports of ours that are mapped, as long as the task runs that comes with it.
#[derive(Debug)]
pub struct PortMapper {
    pub(crate) mappings: Arc<Mutex<Vec<PortMapping>>>,
    pub(crate) release: Arc<Notify>,
    /// Becomes true when the task has deleted the mappings.
    pub(crate) released: watch::Receiver<bool>,
}

/// Time for the deletion of the mappings at most. They end by themselves, though later.
const RELEASE_TIME: Duration = Duration::from_secs(2);

impl PortMapper {
    /// A mapper for these ports, and the task that keeps them mapped until it is dropped or the mappings are
    /// [deleted](Self::release). The first port decides which protocol the gateway speaks.
    ///
    /// `announce` is called with the port that others are to be told of, whenever it is another one: that of the first
    /// mapping, or `None` without any.
    pub fn new(
        ports: Vec<(Transport, u16)>,
        announce: impl Fn(Option<u16>) + Send + Sync + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (mapper, task) = Task::new(ports, Surroundings::default(), announce);
        (mapper, task.run())
    }

    /// The mappings as they are at the moment, in the order of the ports.
    pub fn mappings(&self) -> Vec<PortMapping> {
        // A panic under the lock cannot leave the list in a bad state.
        self.mappings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Deletes the mappings and ends the task, within two seconds, whether or not the gateway answers (N-07).
    pub async fn release(&self) {
        self.release.notify_one();
        let mut released = self.released.clone();
        let _ = tokio::time::timeout(RELEASE_TIME, released.wait_for(|is_done| *is_done)).await;
    }
}
