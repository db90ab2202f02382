use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tinytorrent_dht::{Announce, DhtNode, Event};
use tinytorrent_swarm::LookUpTask;
use tinytorrent_types::{InfoHashes, WireInfoHash};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::PeerAddress;
use crate::registry::Registry;
use crate::told_port::ToldPort;

/// The look-ups of all torrents: some run, and the others wait, those of seeds behind those of downloads.
#[derive(Debug)]
pub(crate) struct LookUps {
    /// The port that is announced; without one, that of the node's socket. `None` if nothing is announced.
    port: Option<Arc<ToldPort>>,
    queue: Mutex<Queue>,
    /// One has come in.
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    downloads: VecDeque<WireInfoHash>,
    seeds: VecDeque<WireInfoHash>,
    /// The tasks of those in line. A hash in line that is missing here was forgotten.
    waiting: HashMap<WireInfoHash, LookUpTask>,
    running: HashMap<WireInfoHash, AbortHandle>,
}

/// Look-ups at a time at most. The node sends a limited number of queries a second for all of them, so that more
/// would end later each.
const MOST_RUNNING: usize = 16;

/// The longest wait for the first node before a look-up starts all the same, from the nodes to enter by alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// The first pause after a look-up that reached nobody. It doubles with each more.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl LookUps {
    pub(super) fn new(port: Option<Arc<ToldPort>>) -> Self {
        Self { port, queue: Mutex::default(), wake: Notify::new() }
    }

    /// Adds a look-up. It takes the place of one for the same hash that still waits.
    pub(crate) fn add(&self, task: LookUpTask) {
        self.lock().add(task);
        self.wake.notify_one();
    }

    /// Enters the DHT, if that has not been done.
    pub(crate) fn enter(&self) {
        self.wake.notify_one();
    }

    /// Ends the look-ups for these hashes, with the announcements at their ends.
    pub(crate) fn forget(&self, hashes: InfoHashes) {
        let mut queue = self.lock();
        for hash in hashes.wire_hashes() {
            queue.waiting.remove(&hash);
            queue.running.remove(&hash).iter().for_each(AbortHandle::abort);
        }
    }

    /// Runs the look-ups for ever. The DHT is entered with the first of them: who has private torrents alone does not
    /// go there.
    pub(super) async fn run(
        self: Arc<Self>,
        node: DhtNode,
        entries: Vec<PeerAddress>,
        registry: Arc<Registry>,
    ) {
        let mut running = JoinSet::new();
        let (mut pause, mut paused_until) = (FIRST_PAUSE, Instant::now());
        self.wake.notified().await;
        // The node looks names up again as long as it knows nobody.
        let names = entries.iter().filter(|entry| matches!(entry, PeerAddress::Name(_)));
        node.bootstrap(names.map(ToString::to_string));
        enter(&node, &entries);
        wait_for_nodes(&node).await;
        loop {
            let is_paused = paused_until > Instant::now();
            while running.len() < MOST_RUNNING && !is_paused {
                let mut queue = self.lock();
                let Some(task) = queue.next() else { break };
                let port = self.port.as_ref().map(|port| port.get());
                let look_up = look_up(node.clone(), Arc::clone(&registry), task, port);
                queue.running.insert(task.hash, running.spawn(look_up));
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep_until(paused_until), if is_paused => {}
                () = node.is_in_network(), if is_paused && is_alone(&node) => {
                    paused_until = Instant::now();
                }
                Some(ended) = running.join_next_with_id() => {
                    // One that was aborted has no outcome.
                    let Ok((id, (task, has_reached))) = ended else { continue };
                    let mut queue = self.lock();
                    if !queue.end(task.hash, id) {
                        continue;
                    }
                    if has_reached {
                        pause = FIRST_PAUSE;
                    } else {
                        // The network is gone, or not yet there.
                        queue.add_again(task);
                        enter(&node, &entries);
                        // Once for all that ran at a time.
                        if !is_paused {
                            paused_until = Instant::now() + pause;
                            pause = (pause * 2).min(LONGEST_PAUSE);
                        }
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic under the lock cannot leave the tables in a bad state.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn add(&mut self, task: LookUpTask) {
        let is_new = self.waiting.insert(task.hash, task).is_none();
        if is_new {
            let line = if task.is_seed { &mut self.seeds } else { &mut self.downloads };
            line.push_back(task.hash);
        }
    }

    /// Adds a look-up once more, unless there is a newer one.
    fn add_again(&mut self, task: LookUpTask) {
        if !self.waiting.contains_key(&task.hash) {
            self.add(task);
        }
    }

    /// Takes note of the end of a look-up. Returns false if it was forgotten before: it may have ended by itself just
    /// then, and is not to be made again. Another one of the same hash may run already.
    fn end(&mut self, hash: WireInfoHash, id: Id) -> bool {
        let is_it = self.running.get(&hash).is_some_and(|running| running.id() == id);
        if is_it {
            self.running.remove(&hash);
        }
        is_it
    }

    /// Takes the next look-up to run: none of a hash that is being looked up.
    fn next(&mut self) -> Option<LookUpTask> {
        for line in [&mut self.downloads, &mut self.seeds] {
            for _ in 0..line.len() {
                let Some(hash) = line.pop_front() else { break };
                if self.running.contains_key(&hash) {
                    line.push_back(hash);
                } else if let Some(task) = self.waiting.remove(&hash) {
                    return Some(task);
                }
            }
        }
        None
    }
}

/// Waits for the first node, as a look-up that begins where nobody is known ends at once; but not for ever.
pub(crate) async fn wait_for_nodes(node: &DhtNode) {
    let _ = timeout(PATIENCE, node.is_in_network()).await;
}

fn is_alone(node: &DhtNode) -> bool {
    node.stats().nodes() == 0
}

/// Adds the nodes whose addresses are known. Unlike routers, whom everybody names, they are nodes like others: one of
/// them may be the only one there is.
fn enter(node: &DhtNode, entries: &[PeerAddress]) {
    for entry in entries {
        if let PeerAddress::Address(address) = entry {
            node.add_node(*address);
        }
    }
}

/// Looks up one hash, and hands peers to its torrent as they are found. `port` is that to announce, if anything is
/// announced, and `None` in it stands for that of the socket. Returns false if no node has answered.
async fn look_up(
    node: DhtNode,
    registry: Arc<Registry>,
    task: LookUpTask,
    port: Option<Option<u16>>,
) -> (LookUpTask, bool) {
    let LookUpTask { hash, announce, is_seed } = task;
    let mut lookup = match (port.filter(|_| announce), is_seed) {
        (Some(port), _) => node.announce(hash, Announce { port, is_seed }),
        // For a seed, others are of no use.
        (None, true) => node.find_leeches(hash),
        (None, false) => node.find_peers(hash),
    };
    while let Some(event) = lookup.next().await {
        match event {
            Event::PeersFound { from, peers, .. } => {
                // A look-up is over with its torrent.
                let Some(torrent) = registry.find(hash) else { break };
                torrent.change(|driver, now| driver.add_dht_peers(now, from.ip(), peers));
            }
            Event::SearchEnded { report, .. } => {
                if let Some(torrent) = registry.find(hash) {
                    let (peers, stored) = (report.peers, report.stored);
                    torrent.log(|| tracing::debug!(%hash, peers, stored, "looked up in the DHT"));
                }
                return (task, report.answers > 0);
            }
            _ => {}
        }
    }
    (task, true)
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::InfoHashV1;

    use super::*;

    fn task(n: u8, is_seed: bool) -> LookUpTask {
        LookUpTask { hash: WireInfoHash::from_bytes([n; 20]), announce: true, is_seed }
    }

    fn order(queue: &mut Queue) -> Vec<LookUpTask> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn downloads_come_before_seeds_and_each_hash_once() {
        let mut queue = Queue::default();
        for (n, is_seed) in [(1, true), (2, false), (3, false), (2, false)] {
            queue.add(task(n, is_seed));
        }
        assert_eq!(order(&mut queue), [task(2, false), task(3, false), task(1, true)]);
    }

    #[test]
    fn what_was_forgotten_does_not_run_and_may_come_again() {
        let look_ups = LookUps::new(None);
        let hashes = |n| InfoHashes::from_v1(InfoHashV1::from_bytes([n; 20]));
        look_ups.add(task(1, false));
        look_ups.add(task(2, false));
        look_ups.forget(hashes(1));
        look_ups.add(task(3, false));
        assert_eq!(order(&mut look_ups.lock()), [task(2, false), task(3, false)]);
        look_ups.add(task(1, false));
        assert_eq!(order(&mut look_ups.lock()), [task(1, false)]);
    }

    // D-21
    #[tokio::test]
    async fn one_that_was_forgotten_has_no_say_in_the_next_of_its_hash() {
        let look_ups = LookUps::new(None);
        let hash = task(1, false).hash;
        let run = || tokio::spawn(std::future::pending::<()>()).abort_handle();
        let (first, second) = (run(), run());
        let ids = [first.id(), second.id()];
        look_ups.lock().running.insert(hash, first);
        look_ups.forget(InfoHashes::from_v1(InfoHashV1::from_bytes([1; 20])));
        assert!(!look_ups.lock().end(hash, ids[0]), "it ended just before it was forgotten");
        let mut queue = look_ups.lock();
        queue.running.insert(hash, second);
        assert!(!queue.end(hash, ids[0]) && queue.running.contains_key(&hash));
        assert!(queue.end(hash, ids[1]) && queue.running.is_empty());
    }

    #[tokio::test]
    async fn a_hash_that_is_being_looked_up_waits_for_the_end() {
        let mut queue = Queue::default();
        let running = tokio::spawn(std::future::pending::<()>()).abort_handle();
        queue.running.insert(task(1, false).hash, running);
        queue.add(task(1, false));
        queue.add(task(2, true));
        assert_eq!(order(&mut queue), [task(2, true)]);
        queue.running.clear();
        assert_eq!(order(&mut queue), [task(1, false)]);
        queue.add(task(3, true));
        queue.add_again(task(3, false));
        assert_eq!(order(&mut queue), [task(3, true)], "the newer one stays");
    }
}
