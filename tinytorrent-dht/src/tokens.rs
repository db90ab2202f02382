use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use tinytorrent_hash::sha1;

use crate::NodeId;

/// The tokens that we give out, and that come back with what is to be stored (BEP 5, "announce_peer").
///
/// A token is a hash over a secret, the address of the receiver and the target, so that nothing is kept for
/// each, and nobody can announce an address that is not his. The secret changes every five minutes, and the
/// one before it counts as well.
#[derive(Debug)]
pub(crate) struct Tokens {
    current: [u8; 16],
    previous: [u8; 16],
    rotates_at: Instant,
    rng: StdRng,
}

/// The length of our tokens in bytes: who guesses one has to send 2^63 datagrams.
pub(crate) const TOKEN_LENGTH: usize = 8;

/// The time between two secrets (BEP 5).
const ROTATION: Duration = Duration::from_secs(5 * 60);

impl Tokens {
    pub(crate) fn new(now: Instant, mut rng: StdRng) -> Self {
        let (current, previous) = (rng.random(), rng.random());
        Self { current, previous, rotates_at: now + ROTATION, rng }
    }

    /// The token for an address and a target.
    pub(crate) fn issue(&mut self, now: Instant, ip: IpAddr, target: NodeId) -> [u8; TOKEN_LENGTH] {
        self.rotate(now);
        token(&self.current, ip, target)
    }

    /// True if the token was given to this address for this target, at most ten minutes ago.
    pub(crate) fn is_valid(
        &mut self,
        now: Instant,
        ip: IpAddr,
        target: NodeId,
        given: &[u8],
    ) -> bool {
        self.rotate(now);
        [self.current, self.previous].iter().any(|secret| token(secret, ip, target) == given)
    }

    fn rotate(&mut self, now: Instant) {
        // After a long silence both secrets are too old.
        for _ in 0..2 {
            if now >= self.rotates_at {
                self.previous = self.current;
                self.current = self.rng.random();
                self.rotates_at += ROTATION;
            }
        }
        if now >= self.rotates_at {
            self.rotates_at = now + ROTATION;
        }
    }
}

fn token(secret: &[u8; 16], ip: IpAddr, target: NodeId) -> [u8; TOKEN_LENGTH] {
    let mut message = [0; 16 + 16 + 20];
    message[..16].copy_from_slice(secret);
    let ip = match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    message[16..32].copy_from_slice(&ip.octets());
    message[32..].copy_from_slice(target.as_bytes());
    let hash = sha1(&message);
    std::array::from_fn(|at| hash[at])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use rand::SeedableRng;

    use super::*;

    const HASH: NodeId = NodeId::from_bytes([1; 20]);

    fn tokens(now: Instant) -> (Tokens, IpAddr) {
        (Tokens::new(now, StdRng::from_seed([7; 32])), "1.2.3.4".parse().unwrap())
    }

    #[test]
    fn a_token_is_good_for_its_address_and_its_target_only() {
        // D-06, D-29, D-65
        let now = Instant::now();
        let (mut tokens, ip) = tokens(now);
        let token = tokens.issue(now, ip, HASH);
        assert!(tokens.is_valid(now, ip, HASH, &token));
        assert!(tokens.is_valid(now, "::ffff:1.2.3.4".parse().unwrap(), HASH, &token));
        assert!(!tokens.is_valid(now, "1.2.3.5".parse().unwrap(), HASH, &token));
        assert!(!tokens.is_valid(now, ip, NodeId::from_bytes([2; 20]), &token));
        let longer = [&token[..], &[0]].concat();
        for wrong in [&token[..7], &longer, b"", b"12345678"] {
            assert!(!tokens.is_valid(now, ip, HASH, wrong), "it is compared whole");
        }
    }

    #[test]
    fn a_token_is_good_for_five_to_ten_minutes() {
        // D-06
        let start = Instant::now();
        for issued in 0..30 {
            let (mut tokens, ip) = tokens(start);
            let issued = start + Duration::from_secs(issued * 20);
            let token = tokens.issue(issued, ip, HASH);
            assert!(tokens.is_valid(issued + ROTATION, ip, HASH, &token));
            assert!(!tokens.is_valid(issued + 2 * ROTATION, ip, HASH, &token));
        }
        let (mut tokens, ip) = tokens(start);
        let token = tokens.issue(start, ip, HASH);
        assert!(!tokens.is_valid(start + Duration::from_secs(86_400), ip, HASH, &token));
    }

    #[test]
    fn other_seeds_have_other_tokens() {
        // D-29
        let now = Instant::now();
        let (mut one, ip) = tokens(now);
        let mut other = Tokens::new(now, StdRng::from_seed([8; 32]));
        assert_ne!(one.issue(now, ip, HASH), other.issue(now, ip, HASH));
    }
}
