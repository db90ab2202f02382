use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use crate::server::shares::Shares;

/// The open HTTP connections of all listeners. At the limit a new one ends the oldest of the host
/// with most, so that silent ones delay nobody.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    open: Arc<Mutex<Open>>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Open {
    shares: Shares<u64>,
    /// The task of each, once it has one.
    tasks: HashMap<u64, (IpAddr, Option<AbortHandle>)>,
    next: u64,
}

/// The place of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Connections,
    id: u64,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self { open: Arc::default(), limit: limit.max(1) }
    }

    /// Takes a place for a connection from this address, and ends others for it.
    pub(super) fn enter(&self, ip: IpAddr) -> Place {
        let mut open = self.lock();
        while open.tasks.len() >= self.limit {
            let Some(victim) = open.shares.greediest().next() else { break };
            if let Some(task) = open.leave(victim) {
                task.abort();
            }
        }
        open.next += 1;
        let id = open.next;
        open.shares.add(ip, id);
        open.tasks.insert(id, (ip, None));
        Place { connections: self.clone(), id }
    }

    /// Names the task to end if the place is taken away.
    pub(super) fn set_task(&self, id: u64, task: AbortHandle) {
        match self.lock().tasks.get_mut(&id) {
            Some((_, place)) => *place = Some(task),
            None => task.abort(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // A panic in another thread leaves at most one connection uncounted.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn leave(&mut self, id: u64) -> Option<AbortHandle> {
        let (ip, task) = self.tasks.remove(&id)?;
        self.shares.remove(ip, &id);
        task
    }
}

impl Place {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test]
    async fn a_new_connection_ends_the_oldest_of_the_host_with_most() {
        let connections = Connections::new(3);
        let open = |host| {
            let place = connections.enter(ip(host));
            let id = place.id();
            let task = tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(place);
            });
            connections.set_task(id, task.abort_handle());
            task
        };
        let tasks = [open(1), open(2), open(2), open(1), open(3)];
        let mut ended = Vec::new();
        for (at, task) in tasks.into_iter().enumerate() {
            tokio::task::yield_now().await;
            if task.is_finished() {
                ended.push(at);
            } else {
                task.abort();
            }
        }
        // The second host had two, and then the first.
        assert_eq!(ended, [0, 1]);
        tokio::task::yield_now().await;
        assert!(connections.lock().tasks.is_empty());
        connections.lock().shares.check_invariants();
    }
}
