use std::net::{IpAddr, SocketAddr};

use tinytorrent_types::AddressScope;

/// A place that a URL leads to, for the rule of server-side request forgery.
///
/// Anybody can write a URL into a torrent, and whoever opens the torrent sends a request there from inside his
/// own network. So a URL of a stranger must not lead to a local place (loopback, link-local, private, and all
/// others that the public internet does not route) as it likes, and a redirect must not lead from a public
/// place to a local one. The addresses that are judged have to be those that are connected to: a name that is
/// looked up twice can have two meanings (DNS rebinding).
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// A name, or an address without brackets.
    pub host: &'a str,
    /// The addresses of the host that may be connected to. None behind a proxy, which resolves names, so that
    /// most of them cannot be judged.
    pub addresses: &'a [SocketAddr],
}

impl<'a> Place<'a> {
    /// A place whose addresses only the proxy knows.
    pub fn named(host: &'a str) -> Self {
        Self { host, addresses: &[] }
    }

    /// True if one of the addresses is local; without addresses, if the host is known to be local without a
    /// look-up. A host has public and local addresses if its owner wants to lead us from one to the other.
    pub fn is_local(&self) -> bool {
        match self.addresses {
            [] => is_local_host(self.host),
            addresses => addresses.iter().any(|address| is_local(address.ip())),
        }
    }

    /// True if the way from here to there leads from the public internet into the local network.
    pub fn turns_local(&self, there: &Place<'_>) -> bool {
        !self.is_local() && there.is_local()
    }
}

/// True if the public internet does not route the address.
pub fn is_local(ip: IpAddr) -> bool {
    !AddressScope::of(ip).is_public()
}

/// True if the host is an address that is local, or a name that stands for this machine.
fn is_local_host(host: &str) -> bool {
    match host.parse() {
        Ok(ip) => is_local(ip),
        // RFC 6761, section 6.3.
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_public_addresses_are_local() {
        for local in ["127.0.0.1", "10.0.0.1", "0.0.0.0", "240.0.0.1", "::ffff:10.0.0.1", "fd12::1"]
        {
            assert!(is_local(local.parse().unwrap()), "{local}");
        }
        for public in ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8"] {
            assert!(!is_local(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_host_is_judged_without_a_lookup_only_if_none_is_needed() {
        for local in ["127.0.0.1", "::1", "localhost", "a.localhost"] {
            assert!(Place::named(local).is_local(), "{local}");
        }
        for other in ["localhost.example", "8.8.8.8", "notlocalhost"] {
            assert!(!Place::named(other).is_local(), "{other}");
        }
    }

    /// libtorrent has this rule as `ssrf_mitigation`
    #[test]
    fn only_the_way_from_outside_to_inside_turns_local() {
        let (inside, outside): (SocketAddr, SocketAddr) =
            ("10.0.0.1:80".parse().unwrap(), "8.8.8.8:80".parse().unwrap());
        let public = Place { host: "a.example", addresses: &[outside] };
        let local = Place { host: "b.example", addresses: &[inside] };
        let both = Place { host: "c.example", addresses: &[outside, inside] };
        assert!(public.turns_local(&local) && public.turns_local(&both));
        assert!(!local.turns_local(&local) && !local.turns_local(&public));
        assert!(Place::named("a.example").turns_local(&Place::named("localhost")));
        assert!(!Place::named("a.example").turns_local(&Place::named("b.example")));
    }
}
