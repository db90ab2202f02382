use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tinytorrent_types::compact::Family;
use tinytorrent_types::{PeerId, WireInfoHash};

use super::ServerConfig;
use super::figures::Totals;
use super::members::{Member, Record};
use super::owners::{Owner, Owners};
use super::swarm::{Limits, Swarm};
use crate::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, Peer, Refusal, ScrapeResponse, SwarmCounts,
};

/// Swarms and their peers, in one piece: the state of a tracker without a protocol. Threads share the
/// shards of a [`Tracker`](super::Tracker).
#[derive(Debug)]
pub struct Swarms {
    config: ServerConfig,
    swarms: HashMap<WireInfoHash, Swarm>,
    owners: Owners,
    /// The sizes of all swarms.
    totals: Totals,
    rng: StdRng,
    begun: Instant,
    swept_at: Instant,
}

impl Swarms {
    /// A tracker without swarms. The choice of peers for a response comes from `seed`.
    pub fn new(config: ServerConfig, seed: u64, now: Instant) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let (swarms, owners) = (HashMap::new(), Owners::default());
        let totals = Totals::default();
        Self { config, swarms, owners, totals, rng, begun: now, swept_at: now }
    }

    /// Takes an announce from this address. The response has peers of the same family first, and
    /// with `both_families` also those of the other, which a UDP reply cannot hold.
    ///
    /// # Errors
    /// A port of 0, or more torrents or peers than the limits allow while nobody has more of them
    /// than this address.
    pub fn announce(
        &mut self,
        now: Instant,
        from: IpAddr,
        request: &AnnounceRequest,
        both_families: bool,
    ) -> Result<AnnounceResponse, Refusal> {
        let mut response = self.response();
        if let Some(Recorded { swarm, member, wanted, random }) = self.record(now, from, request)? {
            let family = Family::of(member.address.ip());
            // The peer can certainly reach the family over which it announces.
            response.peers.extend(swarm.others(family, &member, wanted, random).map(to_peer));
            if both_families {
                let wanted = wanted - response.peers.len();
                let others = swarm.others(other(family), &member, wanted, random);
                response.peers.extend(others.map(to_peer));
            }
            response.external_ip = Some(from.to_canonical());
        }
        let counts = self.counts_or_zeros(request.info_hash);
        response.seeders = counts.seeders;
        response.leechers = counts.leechers;
        response.downloaded = counts.completed;
        Ok(response)
    }

    /// Takes an announce for a UDP reply: `write` appends the interval and the counts, and then come
    /// peers of the sender's family in compact form.
    pub(super) fn announce_compact(
        &mut self,
        now: Instant,
        from: IpAddr,
        request: &AnnounceRequest,
        out: &mut Vec<u8>,
        write: impl FnOnce(Duration, SwarmCounts, &mut Vec<u8>),
    ) -> Result<(), Refusal> {
        let interval = self.config.interval;
        match self.record(now, from, request)? {
            Some(Recorded { swarm, member, wanted, random }) => {
                write(interval, swarm.counts(), out);
                let family = Family::of(from);
                let wanted = wanted.min(MAX_PEER_BYTES / family.stride());
                swarm.write_others(family, &member, wanted, random, out);
            }
            None => write(interval, self.counts_or_zeros(request.info_hash), out),
        }
        Ok(())
    }

    /// Updates the swarm of an announce. Returns `None` for a peer that leaves, which gets no
    /// peers.
    fn record(
        &mut self,
        now: Instant,
        from: IpAddr,
        request: &AnnounceRequest,
    ) -> Result<Option<Recorded<'_>>, Refusal> {
        self.handle_timeout(now);
        // An address that the sender names itself could point a swarm at a third party.
        let ip = request.ip.filter(|_| self.config.trusts_ip_parameter).unwrap_or(from);
        let address = SocketAddr::new(ip.to_canonical(), request.port);
        if request.port == 0 {
            return Err(Refusal::new("port 0 cannot be connected to"));
        }
        if request.event == AnnounceEvent::Stopped {
            self.remove(request.info_hash, address);
            return Ok(None);
        }
        let limits = self.make_room(request.info_hash, address)?;
        let member = member_of(self.second(now), address, request);
        let random = self.rng.next_u64();
        let swarm = self.swarms.entry(request.info_hash).or_default();
        swarm.owner = Some(match swarm.owner {
            None => {
                self.totals.torrents += 1;
                self.owners.add(address.ip(), request.info_hash)
            }
            Some(owner) => self.owners.announced(owner, address.ip(), request.info_hash),
        });
        // Before the peer becomes a seed.
        if request.event == AnnounceEvent::Completed {
            swarm.complete(member.record.id);
        }
        self.totals.subtract(swarm.totals());
        if !swarm.renew(&member) {
            swarm.insert(&member, limits, random);
        }
        self.totals.add(swarm.totals());
        let wanted = request.num_want.map_or(self.config.default_peers, |count| count as usize);
        let wanted = wanted.min(self.config.max_peers);
        Ok(Some(Recorded { swarm, member, wanted, random }))
    }

    fn remove(&mut self, info_hash: WireInfoHash, address: SocketAddr) {
        if let Some(swarm) = self.swarms.get_mut(&info_hash) {
            self.totals.subtract(swarm.totals());
            swarm.remove(address);
            self.totals.add(swarm.totals());
        }
    }

    /// Makes room for an address in a swarm, and returns the limits that it has to keep there.
    ///
    /// # Errors
    /// If the tracker has no room for another torrent or address, and nobody has more than this one.
    fn make_room(
        &mut self,
        info_hash: WireInfoHash,
        address: SocketAddr,
    ) -> Result<Limits, Refusal> {
        let host = self.config.max_per_host as usize;
        let limits = Limits { swarm: self.config.max_swarm, host };
        let swarm = self.swarms.get(&info_hash);
        if swarm.is_some_and(|swarm| swarm.contains(address)) {
            return Ok(limits);
        }
        if swarm.is_none()
            && self.swarms.len() >= self.config.max_torrents
            && !self.displace(info_hash, address.ip())
        {
            return Err(Refusal::new("this tracker has reached its limit of torrents"));
        }
        if self.totals.addresses < self.config.max_addresses as u64 {
            return Ok(limits);
        }
        let known = self.swarms.get(&info_hash);
        let known = known.map_or(0, |swarm| swarm.len_of(Family::of(address.ip())));
        // The greediest makes room for others elsewhere, and for itself here.
        if known == 0 || !self.owners.is_greediest(address.ip()) {
            // A torrent that all have left makes no room, and is gone at the next sweep anyway.
            for _ in 0..MAX_DISPLACED {
                if !self.displace(info_hash, address.ip()) {
                    break;
                }
                if self.totals.addresses < self.config.max_addresses as u64 {
                    return Ok(limits);
                }
            }
        }
        match known {
            0 => Err(Refusal::new("this tracker has reached its limit of peers")),
            known => Ok(Limits { swarm: known.min(limits.swarm), ..limits }),
        }
    }

    /// Removes a torrent of the greediest host for an address of another one. Returns false if
    /// nobody has more torrents than this address.
    fn displace(&mut self, info_hash: WireInfoHash, ip: IpAddr) -> bool {
        let is_alone =
            |torrent: &WireInfoHash| self.swarms.get(torrent).is_some_and(Swarm::is_of_one_network);
        let Some(victim) = self.owners.victim(ip, info_hash, is_alone) else { return false };
        let Some(swarm) = self.swarms.remove(&victim) else { return false };
        self.forget(victim, swarm.owner, swarm.totals());
        true
    }

    /// Takes a swarm that was removed out of the sums.
    fn forget(&mut self, info_hash: WireInfoHash, owner: Option<Owner>, totals: Totals) {
        self.totals.subtract(totals);
        if let Some(owner) = owner {
            self.owners.remove(owner, info_hash);
        }
    }

    /// The response to a scrape. An unknown swarm has no peers, as in a UDP reply, which has an
    /// entry for each info-hash of the request.
    pub fn scrape(&self, info_hashes: &[WireInfoHash]) -> ScrapeResponse {
        let counts = |hash: &WireInfoHash| (*hash, self.counts_or_zeros(*hash));
        ScrapeResponse {
            files: info_hashes.iter().map(counts).collect(),
            ..ScrapeResponse::default()
        }
    }

    /// The counts of one swarm; `None` for an unknown swarm.
    pub fn counts(&self, info_hash: WireInfoHash) -> Option<SwarmCounts> {
        self.swarms.get(&info_hash).map(Swarm::counts)
    }

    /// The counts of one swarm; an unknown swarm has no peers.
    pub(super) fn counts_or_zeros(&self, info_hash: WireInfoHash) -> SwarmCounts {
        self.counts(info_hash).unwrap_or_else(|| Swarm::default().counts())
    }

    /// All swarms, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (WireInfoHash, SwarmCounts)> {
        self.swarms.iter().map(|(hash, swarm)| (*hash, swarm.counts()))
    }

    /// The sizes of all swarms together.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The number of known swarms.
    pub fn torrents(&self) -> usize {
        self.swarms.len()
    }

    /// Forgets all swarms for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(WireInfoHash, SwarmCounts) -> bool) {
        self.remove_if(|hash, swarm| !keep(hash, swarm.counts()));
    }

    /// Forgets the peers whose last announce is too old, at most once a minute. Each announce does
    /// so, and a call at another time changes nothing else.
    pub fn handle_timeout(&mut self, now: Instant) {
        // It visits all swarms, and would cost far more than the announce that it comes with.
        if now < self.swept_at + SWEEP {
            return;
        }
        self.swept_at = now;
        let lifetime = u32::try_from(self.config.lifetime().as_secs()).unwrap_or(u32::MAX);
        if let Some(oldest) = self.second(now).checked_sub(lifetime) {
            for swarm in self.swarms.values_mut() {
                self.totals.subtract(swarm.totals());
                swarm.remove_older_than(oldest);
                self.totals.add(swarm.totals());
            }
        }
        self.remove_if(|_, swarm| swarm.is_empty());
    }

    fn remove_if(&mut self, mut is_victim: impl FnMut(WireInfoHash, &Swarm) -> bool) {
        let victims = self.swarms.extract_if(|hash, swarm| is_victim(*hash, swarm));
        let victims: Vec<_> =
            victims.map(|(hash, swarm)| (hash, swarm.owner, swarm.totals())).collect();
        victims.into_iter().for_each(|(hash, owner, totals)| self.forget(hash, owner, totals));
    }

    /// Checks the invariants of the tracker, for tests and fuzzers.
    ///
    /// # Panics
    /// If an invariant does not hold, which is a bug of this crate.
    pub fn check_invariants(&self) {
        assert!(self.swarms.len() <= self.config.max_torrents);
        self.swarms.values().for_each(Swarm::check_invariants);
        self.owners.check_invariants();
        assert!(self.swarms.values().all(|swarm| swarm.owner.is_some()));
        let mut totals = Totals::default();
        self.swarms.values().for_each(|swarm| totals.add(swarm.totals()));
        assert_eq!(self.totals, totals);
        assert!(totals.addresses <= self.config.max_addresses as u64);
    }

    fn response(&self) -> AnnounceResponse {
        AnnounceResponse {
            interval: Some(self.config.interval),
            // A `min interval` above the interval would forbid the regular announce.
            min_interval: Some(self.config.min_interval.min(self.config.interval)),
            ..AnnounceResponse::default()
        }
    }

    /// The time in seconds since the start.
    fn second(&self, now: Instant) -> u32 {
        let age = now.saturating_duration_since(self.begun).as_secs();
        u32::try_from(age).unwrap_or(u32::MAX)
    }
}

/// A peer whose announce was recorded, and the peers that it may get.
struct Recorded<'a> {
    swarm: &'a Swarm,
    member: Member,
    wanted: usize,
    random: u64,
}

fn member_of(second: u32, address: SocketAddr, request: &AnnounceRequest) -> Member {
    let is_seed = request.left == Some(0);
    // BEP 21 defines `paused` for incomplete peers only.
    let is_paused = request.event == AnnounceEvent::Paused && !is_seed;
    let id = if request.peer_id == NO_ID { anonymous(address) } else { request.peer_id };
    Member { address, record: Record::new(id, second, is_seed, is_paused) }
}

/// A stand-in for the id of a peer that gives none, so that it is known by its address.
fn anonymous(address: SocketAddr) -> PeerId {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut id = [0; 20];
    id[..16].copy_from_slice(&ip.octets());
    id[16..18].copy_from_slice(&address.port().to_be_bytes());
    PeerId::from_bytes(id)
}

fn other(family: Family) -> Family {
    match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    }
}

fn to_peer(member: Member) -> Peer {
    let id = Some(member.record.id).filter(|id| *id != anonymous(member.address));
    Peer { address: member.address, id }
}

/// The time between two sweeps for peers that left without `stopped`.
const SWEEP: Duration = Duration::from_secs(60);

/// The id of programs that have none.
const NO_ID: PeerId = PeerId::from_bytes([0; 20]);

/// The room for peers in the longest UDP datagram (65,507 bytes over IPv4), behind the 20 bytes of an
/// announce reply.
const MAX_PEER_BYTES: usize = 65_507 - 20;

/// A guess: enough to pass some empty torrents, and little work for an announce.
const MAX_DISPLACED: usize = 4;

#[cfg(test)]
mod tests;
