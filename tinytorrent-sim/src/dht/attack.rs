use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_dht::message::{Body, Message, Method, Query, Response};
use tinytorrent_dht::{NodeId, NodeInfo};

/// Nodes of one attacker, in one /16, that want to be the closest ones to a target: they ask the nodes around it to
/// get into their tables, name each other alone, know no peers, and take announcements, which they forget.
#[derive(Debug)]
pub(super) struct Sybils {
    pub(super) target: NodeId,
    pub(super) members: Vec<NodeInfo>,
    by_address: HashMap<SocketAddr, usize>,
}

/// The ids that Sybils have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SybilIds {
    /// Next to the target, whatever the address: they do not fit it (BEP 42).
    Chosen,
    /// The closest ones to the target of those that fit the addresses of the /16, one for each /24.
    Fitting,
}

impl Sybils {
    /// At most 256 of them with ids that fit.
    pub(super) fn new(
        target: NodeId,
        network: [u8; 2],
        ids: SybilIds,
        count: usize,
        rng: &mut StdRng,
    ) -> Self {
        let members: Vec<_> = match ids {
            SybilIds::Chosen => (0..count)
                .map(|n| {
                    let [.., high, low] = n.to_be_bytes();
                    let ip = Ipv4Addr::new(network[0], network[1], high, low);
                    let mut id = *target.as_bytes();
                    id[18] ^= high;
                    id[19] ^= low.wrapping_add(1);
                    at(ip, NodeId::from_bytes(id))
                })
                .collect(),
            SybilIds::Fitting => {
                (0..=255u8).take(count).map(|third| best_fit(target, network, third, rng)).collect()
            }
        };
        let addresses = members.iter().enumerate().map(|(n, node)| (node.address, n));
        Self { target, by_address: addresses.collect(), members }
    }

    /// The answer of a Sybil to a query.
    pub(super) fn answer(
        &self,
        at: SocketAddr,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<Vec<u8>> {
        let message = Message::decode(datagram).ok()?;
        let Body::Query(query) = &message.body else { return None };
        let member = self.members[*self.by_address.get(&at)?];
        let mut response = Response::new(member.id);
        let target = match &query.method {
            Method::FindNode { target } | Method::Get { target, .. } => Some(*target),
            Method::GetPeers { info_hash, .. } => Some((*info_hash).into()),
            _ => None,
        };
        response.nodes = target.map(|target| self.closest(target));
        response.token = Some(b"sybil");
        let mut answer = Message::new(message.transaction, Body::Response(Box::new(response)));
        answer.ip = Some(from);
        Some(encode(&answer))
    }

    /// A query that brings a Sybil to the notice of a node.
    pub(super) fn advertisement(&self, member: usize) -> Vec<u8> {
        let query = Query::new(self.members[member].id, Method::FindNode { target: self.target });
        encode(&Message::new(b"syb", Body::Query(query)))
    }

    fn closest(&self, target: NodeId) -> Vec<NodeInfo> {
        let mut members = self.members.clone();
        members.sort_by_key(|node| node.id.distance(target));
        members.truncate(8);
        members
    }
}

/// An answer with a peer of the attacker's, from one who does not know the transaction id.
pub(super) fn forged_answer(peer: SocketAddr, rng: &mut StdRng) -> Vec<u8> {
    let mut lie = Response::new(NodeId::from_bytes(rng.random()));
    lie.values = vec![peer];
    let transaction: [u8; 4] = rng.random();
    encode(&Message::new(&transaction, Body::Response(Box::new(lie))))
}

/// The node of a /24 whose id is the closest to a target of those that fit an address there.
fn best_fit(target: NodeId, network: [u8; 2], third: u8, rng: &mut StdRng) -> NodeInfo {
    let hosts = (1..255).map(|last| Ipv4Addr::new(network[0], network[1], third, last));
    let mut fitting: Vec<_> = hosts
        .flat_map(|ip| (0..16).map(move |seed| (ip, seed)))
        .map(|(ip, seed)| {
            at(ip, NodeId::for_address(IpAddr::V4(ip), &mut StdRng::seed_from_u64(seed)))
        })
        .collect();
    fitting.sort_by_key(|node| node.id.distance(target));
    let mut best = fitting[0];
    // The last bits of an id are free but for the number in its last byte.
    let mut id = *target.as_bytes();
    id[..3].copy_from_slice(&best.id.as_bytes()[..3]);
    id[18] = rng.random();
    id[19] = best.id.as_bytes()[19];
    best.id = NodeId::from_bytes(id);
    best
}

fn at(ip: Ipv4Addr, id: NodeId) -> NodeInfo {
    NodeInfo { id, address: SocketAddr::from((ip, 6881)) }
}

fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torrent;

    #[test]
    fn sybils_are_next_to_their_target_and_fit_their_addresses_if_they_should() {
        let target: NodeId = torrent(1).into();
        let mut rng = StdRng::seed_from_u64(1);
        let chosen = Sybils::new(target, [66, 66], SybilIds::Chosen, 200, &mut rng);
        let fits = |node: &NodeInfo| node.id.fits_address(node.address.ip());
        assert!(chosen.members.iter().all(|node| node.id.shared_bits(target) >= 144));
        assert!(!chosen.members.iter().any(fits));
        let fitting = Sybils::new(target, [66, 66], SybilIds::Fitting, 200, &mut rng);
        assert!(fitting.members.iter().all(fits));
        let near = fitting.members.iter().filter(|node| node.id.shared_bits(target) >= 9);
        assert!(near.count() > 150);
    }
}
