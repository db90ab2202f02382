//! Assembly of the info dictionary of a magnet link from several peers (BEP 9).

use std::time::Instant;

mod attempt;
mod config;
mod outcome;
mod room;

use attempt::Attempt;
pub use config::AssemblyConfig;
pub use outcome::{Complete, DataOutcome, SizeRefused};
pub use room::Demand;

/// Metadata travels in blocks of 16 KiB, the last one shorter (BEP 9).
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// The assembly of metadata from several peers at once, which finds the peers that lie.
///
/// Peers may disagree about the size, lie about it, or send wrong bytes. The honest ones are heard
/// all the same:
///
/// - each announced size has an attempt of its own, as far as the memory allows; those come first that most
///   peers announce, then the smaller ones;
/// - memory grows with the received bytes, not with the announced size, and has a limit;
/// - when an attempt fails the check against the info-hash, all peers that announced its size are
///   suspects. From then on each is tried alone, and one that fails alone is proven guilty;
/// - requests to a silent peer time out and go to others, those first that were silent least often, and a
///   stalled attempt makes way.
///
/// It reads no clock and computes no hash: the caller passes the time and checks the result of
/// [`poll_complete`](Self::poll_complete). `P` is the caller's key of a peer.
///
/// ```
/// use std::time::Instant;
/// use tinytorrent_wire::metadata::{AssemblyConfig, MetadataAssembly};
///
/// let now = Instant::now();
/// let info = b"d4:name1:x6:lengthi1e12:piece lengthi1e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
/// let mut assembly = MetadataAssembly::new(AssemblyConfig::default());
///
/// // 1. The extended handshake of a peer has `ut_metadata` and `metadata_size`.
/// assembly.add_peer(now, "peer", info.len() as u64)?;
///
/// // 2. Send the requests, after each call.
/// while let Some((peer, block)) = assembly.poll_request(now) {
///     assert_eq!((peer, block), ("peer", 0));
/// }
///
/// // 3. Pass the answers in.
/// assembly.handle_data(now, "peer", 0, Some(info.len() as u64), info);
///
/// // 4. Check complete metadata against the info-hash, and pass the verdict in.
/// while let Some(complete) = assembly.poll_complete() {
///     let is_right = complete.bytes == info; // hash it here
///     assembly.handle_verdict(now, complete, is_right);
/// }
/// assert!(assembly.is_done());
/// # Ok::<(), tinytorrent_wire::metadata::SizeRefused>(())
/// ```
#[derive(Debug)]
pub struct MetadataAssembly<P> {
    config: AssemblyConfig,
    peers: Vec<Peer<P>>,
    attempts: Vec<Attempt<P>>,
    /// Complete attempts that are not checked yet.
    complete: Vec<Complete<P>>,
    /// Size and sole peer of the attempts that wait for their verdict, polled or not.
    checking: Vec<(u32, Option<P>)>,
    /// Sizes whose common attempt failed the check. From then on their peers are tried alone.
    failed_sizes: Vec<u32>,
    /// Bytes of all blocks that were stored.
    stored: u64,
    done: bool,
}

#[derive(Debug)]
struct Peer<P> {
    key: P,
    size: u32,
    /// The end of the pause in requests after a reject or a timeout.
    rests_until: Option<Instant>,
    /// Proven to send wrong bytes.
    is_guilty: bool,
    /// How often it has owed an answer for too long.
    silences: u32,
    requests: Vec<(u32, Instant)>,
}

impl<P: Copy + Eq> MetadataAssembly<P> {
    /// An assembly without peers.
    pub fn new(config: AssemblyConfig) -> Self {
        Self {
            config,
            peers: Vec::new(),
            attempts: Vec::new(),
            complete: Vec::new(),
            checking: Vec::new(),
            failed_sizes: Vec::new(),
            stored: 0,
            done: false,
        }
    }

    /// Adds a peer that announces metadata of this size: `metadata_size` of its extended handshake, with
    /// a `ut_metadata` that is not 0. A later size replaces an earlier one.
    ///
    /// # Errors
    /// The size is 0 or over the limit. No request goes to the peer.
    pub fn add_peer(&mut self, now: Instant, peer: P, announced: u64) -> Result<(), SizeRefused> {
        let limit = self.config.max_size;
        let size = u32::try_from(announced)
            .ok()
            .filter(|&size| size > 0 && size <= limit)
            .ok_or(SizeRefused { announced, limit })?;
        if let Some(known) = self.peers.iter().find(|known| known.key == peer) {
            // An extended handshake may come again (BEP 10). Requests in flight stay.
            if known.size == size {
                return Ok(());
            }
            // A liar could otherwise clear its name by announcing another size.
            let (is_guilty, silences) = (known.is_guilty, known.silences);
            self.remove_peer(peer);
            self.push_peer(peer, size, is_guilty, silences);
        } else {
            self.push_peer(peer, size, false, 0);
        }
        self.expire(now);
        Ok(())
    }

    fn push_peer(&mut self, key: P, size: u32, is_guilty: bool, silences: u32) {
        let requests = Vec::new();
        self.peers.push(Peer { key, size, rests_until: None, is_guilty, silences, requests });
    }

    /// Removes a peer that is gone. Its blocks stay until they are checked.
    pub fn remove_peer(&mut self, peer: P) {
        let Some(at) = self.peers.iter().position(|known| known.key == peer) else { return };
        let gone = self.peers.swap_remove(at);
        // Nobody else can complete its solo attempt.
        self.attempts.retain(|attempt| attempt.only != Some(peer));
        for (block, _) in gone.requests {
            remove_request(&mut self.attempts, gone.size, peer, block);
        }
    }

    /// The next request to send: a peer and the number of a block. There may be a new one after any other
    /// call, and once [`poll_timeout`](Self::poll_timeout) has passed.
    pub fn poll_request(&mut self, now: Instant) -> Option<(P, u32)> {
        if self.done {
            return None;
        }
        self.expire(now);
        // Those that were silent least often come first, or many silent ones would be asked again and again.
        let mut order: Vec<usize> = (0..self.peers.len()).collect();
        order.sort_by_key(|&at| self.peers[at].silences);
        order.into_iter().find_map(|at| Some((self.peers[at].key, self.request_from(now, at)?)))
    }

    /// The next request to send to this peer.
    pub fn next_request(&mut self, now: Instant, peer: P) -> Option<u32> {
        if self.done {
            return None;
        }
        self.expire(now);
        let at = self.peers.iter().position(|known| known.key == peer)?;
        self.request_from(now, at)
    }

    fn request_from(&mut self, now: Instant, at: usize) -> Option<u32> {
        let peer = &self.peers[at];
        let is_busy = peer.requests.len() >= self.config.requests_per_peer;
        let is_resting = peer.rests_until.is_some_and(|until| now < until);
        if peer.is_guilty || is_busy || is_resting {
            return None;
        }
        let (key, silences) = (peer.key, peer.silences);
        let attempt = self.attempt_for(now, at)?;
        let block = attempt.next_block(key, silences)?;
        attempt.add_request(key, block, silences);
        self.peers[at].requests.push((block, now));
        Some(block)
    }

    /// The attempt to which this peer may contribute. It is made if there is room for one more.
    fn attempt_for(&mut self, now: Instant, at: usize) -> Option<&mut Attempt<P>> {
        let (size, only) = self.attempt_of(&self.peers[at]);
        let found = self.attempts.iter().position(|one| one.size == size && one.only == only);
        if let Some(at) = found {
            return self.attempts.get_mut(at);
        }
        // While such bytes are checked, more of the same size are not needed.
        if self.checking.contains(&(size, only)) || !self.make_room(now, size, only) {
            return None;
        }
        self.attempts.push(Attempt::new(now, size, only, self.config.attempt_timeout));
        self.attempts.last_mut()
    }

    /// The size of the attempt to which this peer contributes, and the peer if it is tried alone.
    fn attempt_of(&self, peer: &Peer<P>) -> (u32, Option<P>) {
        // After a failure each peer is tried alone, which shows the liar (X-14).
        (peer.size, self.failed_sizes.contains(&peer.size).then_some(peer.key))
    }

    /// Takes in a `data` message. `total_size` is the size of the whole that it states.
    pub fn handle_data(
        &mut self,
        now: Instant,
        peer: P,
        block: u32,
        total_size: Option<u64>,
        data: &[u8],
    ) -> DataOutcome {
        let Some(sender) = self.peers.iter_mut().find(|known| known.key == peer) else {
            return DataOutcome::Unasked;
        };
        let Some(open) = sender.requests.iter().position(|&(asked, _)| asked == block) else {
            return DataOutcome::Unasked;
        };
        // Whatever the data is worth, no other answer to this request will come.
        sender.requests.swap_remove(open);
        let size = sender.size;
        let attempt = self
            .attempts
            .iter_mut()
            .filter(|attempt| attempt.size == size && attempt.accepts(peer))
            // The request was made for the solo attempt if the peer has one.
            .max_by_key(|attempt| attempt.only.is_some());
        // The attempt was completed by others, or given up, while the answer was on its way.
        let Some(attempt) = attempt else { return DataOutcome::Duplicate };
        attempt.remove_request(peer, block);
        let is_sized = attempt.block_length(block) == u32::try_from(data.len()).ok()
            // Some clients leave the total size out.
            && total_size.is_none_or(|total| total == u64::from(size));
        if !is_sized {
            sender.rests_until = Some(now + self.config.reject_rest);
            return DataOutcome::WrongSize;
        }
        if !attempt.store(peer, block, data) {
            return DataOutcome::Duplicate;
        }
        self.stored += data.len() as u64;
        self.collect_complete();
        DataOutcome::Stored
    }

    /// Takes in a `reject` message. The peer gets no requests for a while, and others get them.
    pub fn handle_reject(&mut self, now: Instant, peer: P, block: u32) {
        let Some(sender) = self.peers.iter_mut().find(|known| known.key == peer) else { return };
        let Some(open) = sender.requests.iter().position(|&(asked, _)| asked == block) else {
            return;
        };
        sender.requests.swap_remove(open);
        sender.rests_until = Some(now + self.config.reject_rest);
        remove_request(&mut self.attempts, sender.size, peer, block);
    }

    /// The next complete metadata. Check it against the info-hash, then pass the verdict to
    /// [`handle_verdict`](Self::handle_verdict). There may be some after
    /// [`handle_data`](Self::handle_data).
    pub fn poll_complete(&mut self) -> Option<Complete<P>> {
        self.complete.pop()
    }

    /// Takes in the verdict on complete metadata, and returns the peers that it proves guilty.
    ///
    /// Right bytes end the assembly. After wrong bytes a sole contributor is guilty, and several are each
    /// tried alone.
    pub fn handle_verdict(&mut self, now: Instant, of: Complete<P>, is_right: bool) -> Vec<P> {
        if is_right {
            self.done = true;
            self.attempts.clear();
            self.complete.clear();
            return Vec::new();
        }
        let size = of.size;
        self.checking.retain(|&checked| checked != (size, of.only));
        // Wrong bytes of one peer alone show a liar, and prove nothing against the size.
        if of.contributors.len() > 1 && !self.failed_sizes.contains(&size) {
            self.failed_sizes.push(size);
        }
        self.expire(now);
        let [liar] = of.contributors[..] else { return Vec::new() };
        // The liar may have left during the check, and is returned all the same.
        for peer in self.peers.iter_mut().filter(|peer| peer.key == liar) {
            peer.is_guilty = true;
        }
        vec![liar]
    }

    /// The instant at which to call [`poll_request`](Self::poll_request) again if nothing is received
    /// before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.done {
            return None;
        }
        let timeout = self.config.request_timeout;
        let requests = self.peers.iter().flat_map(|peer| &peer.requests);
        let requests = requests.map(|&(_, asked)| asked + timeout);
        // A guilty peer gets no request after its rest, so that the end of it changes nothing.
        let rests = self.peers.iter().filter(|peer| !peer.is_guilty).filter_map(|p| p.rests_until);
        let attempts = self.attempts.iter().map(|attempt| attempt.deadline);
        requests.chain(rests).chain(attempts).min()
    }

    /// Returns true if the right bytes have been found.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Bytes that are held: received blocks, and what waits to be polled.
    pub fn held_bytes(&self) -> u64 {
        let received = self.attempts.iter().map(|attempt| u64::from(attempt.received_bytes()));
        let complete = self.complete.iter().map(|complete| u64::from(complete.size));
        received.chain(complete).sum()
    }

    /// Received bytes and total bytes of the attempt that has most.
    pub fn progress(&self) -> Option<(u32, u32)> {
        let furthest = self.attempts.iter().max_by_key(|attempt| attempt.received_bytes())?;
        Some((furthest.received_bytes(), furthest.size))
    }

    fn collect_complete(&mut self) {
        let complete = self.attempts.extract_if(.., |attempt| attempt.is_complete());
        for attempt in complete {
            // What is still requested for this attempt is not needed any more.
            for peer in self.peers.iter_mut() {
                if peer.size == attempt.size && attempt.accepts(peer.key) {
                    peer.requests.clear();
                }
            }
            let (size, only) = (attempt.size, attempt.only);
            self.checking.push((size, only));
            let (bytes, contributors) = attempt.into_parts();
            self.complete.push(Complete { bytes, contributors, size, only });
        }
    }

    /// Ends requests without an answer in time, pauses that are over, and stalled attempts.
    fn expire(&mut self, now: Instant) {
        for peer in &mut self.peers {
            if peer.rests_until.is_some_and(|until| until <= now) {
                peer.rests_until = None;
            }
            let timeout = self.config.request_timeout;
            let late = peer.requests.extract_if(.., |(_, asked)| *asked + timeout <= now);
            for (block, _) in late {
                peer.rests_until = Some(now + self.config.reject_rest);
                peer.silences = peer.silences.saturating_add(1);
                remove_request(&mut self.attempts, peer.size, peer.key, block);
            }
        }
        // One without blocks or requests would only keep its place from other sizes.
        self.attempts.retain(|attempt| !attempt.is_idle());
        // Searched anew each time, as `give_up` moves the last attempt to the free place.
        while let Some(at) = self.attempts.iter().position(|attempt| attempt.deadline <= now) {
            self.give_up(now, at);
        }
    }

    /// Drops an attempt. Its peers get no requests for a while, or they would begin it anew at once.
    fn give_up(&mut self, now: Instant, at: usize) {
        let rests_until = now + self.config.reject_rest;
        self.drop_attempt(at, |peer| peer.rests_until = Some(rests_until));
    }

    /// Drops an attempt with the requests for it. `also` is called for each of its peers.
    fn drop_attempt(&mut self, at: usize, mut also: impl FnMut(&mut Peer<P>)) {
        let attempt = self.attempts.swap_remove(at);
        for peer in &mut self.peers {
            if peer.size == attempt.size && attempt.accepts(peer.key) {
                peer.requests.clear();
                also(peer);
            }
        }
    }
}

/// Removes a request of this peer from the attempts of this size.
fn remove_request<P: Copy + Eq>(attempts: &mut [Attempt<P>], size: u32, peer: P, block: u32) {
    for attempt in attempts.iter_mut().filter(|attempt| attempt.size == size) {
        attempt.remove_request(peer, block);
    }
}
