//! Addresses that the user avoids.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use play::Play;
use tinytorrent_swarm::{Action, ConnectionError, Input, LeaveReason, PeerKey, PeerSource};
use tinytorrent_types::{IpRanges, PeerId};

const MINUTE: Duration = Duration::from_secs(60);

/// 20.0.0.0/24 and 2001:db8::/64.
fn ranges() -> Option<Arc<IpRanges>> {
    let mut ranges = IpRanges::builder();
    for (first, last) in
        [("20.0.0.0", "20.0.0.255"), ("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff")]
    {
        ranges.add(first.parse().unwrap(), last.parse().unwrap()).unwrap();
    }
    Some(Arc::new(ranges.build()))
}

fn blocked() -> Play {
    let mut play = Play::new(false, |_| {});
    play.swarm.set_blocked(play.now, ranges());
    play
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn dialed(play: &Play) -> Vec<SocketAddr> {
    let dialed = play.actions.iter().filter_map(|action| match action {
        Action::Connect { address, .. } => Some(*address),
        _ => None,
    });
    dialed.collect()
}

#[test]
fn nobody_is_dialed_there_whoever_tells() {
    use PeerSource::{Dht, LocalTracker, Tracker, User};

    let mut play = blocked();
    for source in [Tracker, LocalTracker, Dht, User] {
        for there in ["20.0.0.7:1", "[2001:db8::7]:1", "[::ffff:20.0.0.8]:1"] {
            play.tell(Input::PeersFound { source, addresses: vec![address(there)] });
        }
    }
    play.wait(MINUTE);
    assert_eq!(dialed(&play), []);
    let elsewhere = ["20.0.1.7:1", "[2001:db8:0:1::7]:1"].map(address);
    play.tell(Input::PeersFound { source: Tracker, addresses: elsewhere.to_vec() });
    let mut dialed = dialed(&play);
    dialed.sort();
    assert_eq!(dialed, elsewhere);
}

#[test]
fn nobody_is_accepted_from_there() {
    let mut play = blocked();
    for there in ["20.0.0.7:1", "[2001:db8::7]:1", "[::ffff:20.0.0.7]:1"] {
        assert_eq!(play.swarm.accept(play.now, address(there)), None, "{there}");
    }
    assert!(play.swarm.accept(play.now, address("20.0.1.7:1")).is_some());
}

fn leaves_of(play: &Play, peers: &[PeerKey]) -> Vec<Option<LeaveReason>> {
    peers.iter().map(|peer| play.left(*peer).cloned()).collect()
}

#[test]
fn a_new_list_ends_connections_and_forgets_addresses() {
    let mut play = Play::new(false, |config| _ = config.max_connecting(2));
    let far = play.join_from(address("20.0.1.1:5"), PeerId::from_bytes([5; 20]), &[]);
    let near = play.join_from(address("20.0.0.1:6"), PeerId::from_bytes([6; 20]), &[]);
    let dialing = play.dial(address("20.0.0.2:7"));
    let waiting = play.dial(address("20.0.1.2:7"));
    // Two are being made, so that this one waits.
    let addresses = vec![address("20.0.0.3:8"), address("20.0.1.3:8")];
    play.tell(Input::PeersFound { source: PeerSource::LocalTracker, addresses });
    play.swarm.set_blocked(play.now, ranges());
    play.wait(Duration::ZERO);
    play.tell(Input::ConnectFailed { peer: waiting, error: ConnectionError::TimedOut });
    let blocked = Some(LeaveReason::Blocked);
    assert_eq!(leaves_of(&play, &[far, near, dialing]), [None, blocked.clone(), blocked]);
    play.wait(10 * MINUTE);
    let there = |dialed: &&SocketAddr| dialed.ip().to_string().starts_with("20.0.0.");
    assert_eq!(dialed(&play).iter().filter(there).count(), 1, "the one before the list");
    assert!(dialed(&play).contains(&address("20.0.1.3:8")), "its place is given to another");
    // Without a list they are as welcome as others.
    play.swarm.set_blocked(play.now, None);
    assert!(play.swarm.accept(play.now, address("20.0.0.1:6")).is_some());
    play.dial(address("20.0.0.3:8"));
}
