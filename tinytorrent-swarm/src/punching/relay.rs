use std::net::SocketAddr;

use tinytorrent_types::compact::Family;
use tinytorrent_types::{AddressScope, canonical};
use tinytorrent_wire::extension::{Extension, HolepunchFailure};

use crate::PeerKey;
use crate::peer::{Contact, Peer};
use crate::peers::Peers;

/// Two peers of ours that are to connect to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meeting {
    /// The connection to the target.
    pub(crate) target: PeerKey,
    /// The address of the initiator, for the target.
    pub(crate) initiator_at: SocketAddr,
}

/// The peer at an address, for another one that wants to meet it.
///
/// # Errors
/// The answer that the initiator gets instead (BEP 55, "error codes").
pub(crate) fn find(
    peers: &Peers,
    initiator: PeerKey,
    target: SocketAddr,
) -> Result<Meeting, HolepunchFailure> {
    let initiator = peers.get(initiator).ok_or(HolepunchFailure::NotConnected)?;
    if initiator.contact.is_at(target) {
        return Err(HolepunchFailure::NoSuchPeer);
    }
    let initiator_at = seen_at(&initiator.contact);
    // As with the exchange, nobody on the internet learns who is in our network. And a hole is in one family: what
    // one of them sends has to come from where the other sends to.
    if !are_of_one_net(initiator_at, target) {
        return Err(HolepunchFailure::NotConnected);
    }
    let there = peers.iter().filter(|peer| peer.contact.is_at(target));
    // The port at which somebody says that he listens may be that of another.
    let found = there.max_by_key(|peer| (speaks(peer), peer.contact.is_proven));
    let target = found.ok_or(HolepunchFailure::NotConnected)?;
    match speaks(target) {
        true => Ok(Meeting { target: target.key, initiator_at }),
        false => Err(HolepunchFailure::NoSupport),
    }
}

/// The address from which a peer sends by uTP, as far as it can be known. Where it came by TCP, its port is another
/// one; but there are NATs that let in whatever comes from a host.
fn seen_at(contact: &Contact) -> SocketAddr {
    canonical(contact.listens_at.unwrap_or(contact.address))
}

fn are_of_one_net(a: SocketAddr, b: SocketAddr) -> bool {
    let net = |address: SocketAddr| {
        let ip = address.ip().to_canonical();
        (Family::of(ip), AddressScope::of(ip).is_local())
    };
    net(a) == net(b)
}

fn speaks(peer: &Peer) -> bool {
    peer.extensions.id(Extension::Holepunch).is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tinytorrent_wire::extension::{ExtendedHandshake, OurExtensions};

    use super::*;
    use crate::contract::Transport;
    use crate::peer::testing::peer;

    /// A peer that came from this address by TCP, and speaks the extension.
    fn came_from(slot: u32, address: &str) -> Peer {
        let mut peer = peer(Instant::now(), slot);
        peer.contact = Contact::incoming(address.parse().unwrap());
        let theirs = OurExtensions::new([Extension::Holepunch]);
        peer.extensions.update(&ExtendedHandshake::new(&theirs));
        peer
    }

    fn answer(peers: [Peer; 2], target: &str) -> Result<String, HolepunchFailure> {
        let peers = Peers::of(peers);
        let keys: Vec<_> = peers.keys().collect();
        let meeting = find(&peers, keys[0], target.parse().unwrap())?;
        assert_eq!(meeting.target, keys[1]);
        Ok(meeting.initiator_at.to_string())
    }

    #[test]
    fn a_target_is_known_by_where_it_listens_and_where_it_sends_from() {
        //
        let peers = || {
            let (mut initiator, mut target) =
                (came_from(0, "20.0.0.1:99"), came_from(1, "20.0.0.2:7"));
            initiator.contact.note_transport(Transport::Utp);
            target.contact.note_listens_at(6881);
            [initiator, target]
        };
        for target in ["20.0.0.2:7", "20.0.0.2:6881"] {
            assert_eq!(answer(peers(), target).as_deref(), Ok("20.0.0.1:99"));
        }
        assert_eq!(answer(peers(), "20.0.0.2:8"), Err(HolepunchFailure::NotConnected));
        assert_eq!(answer(peers(), "20.0.0.1:99"), Err(HolepunchFailure::NoSuchPeer));
        let mut deaf = peers();
        deaf[1].extensions = Default::default();
        assert_eq!(answer(deaf, "20.0.0.2:7"), Err(HolepunchFailure::NoSupport));
    }

    #[test]
    fn an_initiator_is_named_by_the_port_that_it_tells_and_by_its_own_host_alone() {
        //
        let mut initiator = came_from(0, "20.0.0.1:99");
        initiator.contact.note_listens_at(1234);
        let peers = [initiator, came_from(1, "20.0.0.2:7")];
        assert_eq!(answer(peers, "20.0.0.2:7").as_deref(), Ok("20.0.0.1:1234"));
        let peers = [came_from(0, "[::ffff:20.0.0.1]:99"), came_from(1, "20.0.0.2:7")];
        assert_eq!(answer(peers, "20.0.0.2:7").as_deref(), Ok("20.0.0.1:99"));
    }

    #[test]
    fn nobody_meets_peers_of_another_net() {
        //
        let unknown = Err(HolepunchFailure::NotConnected);
        for (initiator, target) in [
            ("20.0.0.1:99", "192.168.0.2:7"),
            ("192.168.0.2:7", "20.0.0.1:99"),
            ("20.0.0.1:99", "[2606:4700::1]:7"),
        ] {
            let peers = [came_from(0, initiator), came_from(1, target)];
            assert_eq!(answer(peers, target), unknown, "{initiator} and {target}");
        }
        let peers = [came_from(0, "192.168.0.1:99"), came_from(1, "192.168.0.2:7")];
        assert_eq!(answer(peers, "192.168.0.2:7").as_deref(), Ok("192.168.0.1:99"));
    }
}
