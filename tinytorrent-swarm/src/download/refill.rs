use crate::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;

/// Peers that may be asked for more, once the batch of inputs is through.
#[derive(Debug, Default)]
pub(super) struct Refill {
    /// Each once, here or in `held`.
    queue: Vec<PeerKey>,
    /// Peers that wait until the disk has written something.
    held: Vec<PeerKey>,
    /// All peers, those in the queue first.
    takes_all: bool,
    /// Some peer with room found nothing to be asked for.
    is_idle: bool,
    /// The peer that had the last of what the download limit let through.
    limited: Option<PeerKey>,
}

impl Refill {
    /// Puts a peer in.
    pub(super) fn add(&mut self, peer: &mut Peer) {
        if !std::mem::replace(&mut peer.pipeline.is_queued, true) {
            self.queue.push(peer.key);
        }
    }

    /// Holds a peer back until the disk has written something.
    pub(super) fn hold(&mut self, peer: &mut Peer) {
        if !std::mem::replace(&mut peer.pipeline.is_queued, true) {
            self.held.push(peer.key);
        }
    }

    /// Takes a peer out that is gone.
    pub(super) fn remove(&mut self, peer: &Peer) {
        // The lists are walked only for a peer that is in one.
        if peer.pipeline.is_queued {
            self.queue.retain(|&key| key != peer.key);
            self.held.retain(|&key| key != peer.key);
        }
    }

    /// Puts those in that were held back: no more of them than blocks have come.
    pub(super) fn release_held(&mut self) {
        self.queue.append(&mut self.held);
    }

    /// Puts all peers in: a limit has gone.
    pub(super) fn add_all(&mut self) {
        self.takes_all = true;
    }

    /// Notes that a peer with room found nothing to be asked for.
    pub(super) fn note_idle(&mut self) {
        self.is_idle = true;
    }

    /// Something can be asked for again: those that found nothing may look once more.
    pub(super) fn wake_idle(&mut self) {
        self.takes_all |= std::mem::take(&mut self.is_idle);
    }

    /// The same, for blocks that were requested of one peer and are free for all.
    pub(super) fn wake_after_release(&mut self) {
        self.is_idle = true;
        self.wake_idle();
    }

    /// Notes the peer that had the last of what the download limit let through.
    pub(super) fn note_limited(&mut self, peer: PeerKey) {
        self.limited = Some(peer);
    }

    /// Takes out all, in the order in which to ask them: that in which they joined. The turn is at the
    /// one behind the peer that had the last of what the limit let through (S-24), and blocks that
    /// somebody failed to give go first to a peer that has given something.
    pub(super) fn take(&mut self, peers: &mut Peers) -> Vec<PeerKey> {
        if std::mem::take(&mut self.takes_all) {
            self.release_held();
            let mut all: Vec<_> = peers.iter().map(|peer| (peer.joined, peer.key)).collect();
            // Whoever comes anew again and again, to the first free place, is not always asked first.
            all.sort_unstable();
            let last = self.limited.and_then(|last| all.iter().position(|&(_, key)| key == last));
            all.rotate_left(last.map_or(0, |at| at + 1));
            for (_, key) in all {
                if let Some(peer) = peers.get_mut(key) {
                    self.add(peer);
                }
            }
        }
        let mut queue = std::mem::take(&mut self.queue);
        let standing = |key: &PeerKey| peers.get(*key).map(Peer::standing);
        // Most often all stand equal, and a sort of many would take memory for each batch.
        if !queue.is_sorted_by_key(standing) {
            queue.sort_by_key(standing);
        }
        queue
    }

    /// Takes back a queue that is done, for its memory.
    pub(super) fn recycle(&mut self, mut queue: Vec<PeerKey>) {
        if self.queue.is_empty() {
            queue.clear();
            self.queue = queue;
        }
    }

    /// Returns true if there is nobody to be asked.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.takes_all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::peer::testing::peer;

    fn four() -> (Peers, Vec<PeerKey>) {
        let now = Instant::now();
        let peers = Peers::of((0..4).map(|slot| peer(now, slot)));
        let keys = peers.keys().collect();
        (peers, keys)
    }

    fn taken(refill: &mut Refill, peers: &mut Peers) -> Vec<usize> {
        let queue = refill.take(peers);
        let slots = queue.iter().map(|key| key.slot()).collect();
        for key in &queue {
            peers.get_mut(*key).unwrap().pipeline.is_queued = false;
        }
        refill.recycle(queue);
        slots
    }

    #[test]
    fn each_peer_is_in_the_queue_once() {
        let (mut peers, keys) = four();
        let mut refill = Refill::default();
        for at in [2, 1, 2] {
            refill.add(peers.get_mut(keys[at]).unwrap());
        }
        assert_eq!(taken(&mut refill, &mut peers), [2, 1]);
        refill.add(peers.get_mut(keys[3]).unwrap());
        refill.add_all();
        assert_eq!(taken(&mut refill, &mut peers), [3, 0, 1, 2]);
        assert!(refill.is_empty());
    }

    #[test]
    fn the_turn_goes_on_behind_the_last_one_that_the_limit_served() {
        // S-24
        let (mut peers, keys) = four();
        let mut refill = Refill::default();
        refill.note_limited(keys[1]);
        refill.add_all();
        assert_eq!(taken(&mut refill, &mut peers), [2, 3, 0, 1]);
    }

    #[test]
    fn those_held_back_come_when_the_disk_has_written_or_a_limit_goes() {
        let (mut peers, keys) = four();
        let mut refill = Refill::default();
        for wake in [Refill::release_held, Refill::add_all] {
            for at in [2, 1, 2] {
                refill.hold(peers.get_mut(keys[at]).unwrap());
            }
            refill.add(peers.get_mut(keys[1]).unwrap());
            assert!(refill.is_empty(), "they wait");
            wake(&mut refill);
            assert_eq!(taken(&mut refill, &mut peers)[..2], [2, 1]);
        }
    }

    #[test]
    fn those_that_are_gone_are_on_no_list() {
        let (mut peers, keys) = four();
        let mut refill = Refill::default();
        refill.add(peers.get_mut(keys[0]).unwrap());
        refill.hold(peers.get_mut(keys[1]).unwrap());
        keys.iter().for_each(|&key| refill.remove(peers.get(key).unwrap()));
        assert!(refill.queue.is_empty() && refill.held.is_empty());
    }

    #[test]
    fn peers_that_failed_come_last() {
        let (mut peers, keys) = four();
        let mut refill = Refill::default();
        peers.get_mut(keys[0]).unwrap().pipeline.credit.fail(Instant::now());
        refill.add_all();
        assert_eq!(taken(&mut refill, &mut peers), [1, 2, 3, 0]);
    }

    #[test]
    fn whoever_comes_anew_is_not_asked_first_for_that() {
        let now = Instant::now();
        let second = std::time::Duration::from_secs(1);
        // Each in the place of one that left, but for the last.
        let mut peers = Peers::of((0..4).map(|slot| peer(now + (9 - slot) * second, slot)));
        let mut refill = Refill::default();
        refill.add_all();
        assert_eq!(taken(&mut refill, &mut peers), [3, 2, 1, 0]);
    }

    #[test]
    fn only_those_that_found_nothing_are_woken() {
        let (mut peers, _) = four();
        let mut refill = Refill::default();
        refill.wake_idle();
        assert!(taken(&mut refill, &mut peers).is_empty());
        refill.note_idle();
        refill.wake_idle();
        assert_eq!(taken(&mut refill, &mut peers).len(), 4);
    }
}
