use std::fmt;

/// The protocol that carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Transport {
    /// TCP.
    Tcp,
    /// The uTorrent transport protocol (BEP 29).
    Utp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "TCP",
            Transport::Utp => "uTP",
        })
    }
}

/// The transports by which connections are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Transports {
    /// TCP alone.
    #[default]
    Tcp,
    /// uTP alone.
    Utp,
    /// Both, whichever serves a peer better.
    Both,
}

impl Transports {
    /// Returns true if connections are made by this transport.
    pub const fn includes(self, transport: Transport) -> bool {
        match self {
            Transports::Tcp => matches!(transport, Transport::Tcp),
            Transports::Utp => matches!(transport, Transport::Utp),
            Transports::Both => true,
        }
    }

    /// The way to a peer, by this transport first if there is a reason for it.
    pub(crate) fn route(self, first: Option<Transport>) -> Route {
        match self {
            Transports::Tcp => Route::Only(Transport::Tcp),
            Transports::Utp => Route::Only(Transport::Utp),
            Transports::Both => first.map_or(Route::Either, Route::First),
        }
    }
}

/// The way to connect to a peer. Whatever is tried, it is one dial with one outcome: the peer is to see one handshake.
///
/// A download by uTP must not be slower than by TCP, so that both are tried unless something speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Nothing is known: both transports race, and the connection that is there first is kept.
    Either,
    /// This transport led to the peer the last time, or the peer hung up on the other one. That follows once this
    /// one fails or takes long.
    First(Transport),
    /// This transport and no other: the user allows no other, or it is uTP and the peer connects to us at the same
    /// time, as both are behind NATs (BEP 55). Then the first packets may be lost, and are worth repeating for some
    /// seconds.
    Only(Transport),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_race_until_there_is_a_reason_for_one() {
        // P-41
        assert_eq!(Transports::Both.route(None), Route::Either);
        let route = |transport| Transports::Both.route(Some(transport));
        assert_eq!(route(Transport::Tcp), Route::First(Transport::Tcp));
        assert_eq!(route(Transport::Utp), Route::First(Transport::Utp));
    }

    #[test]
    fn a_transport_that_is_left_out_is_never_tried() {
        let both = [Transport::Tcp, Transport::Utp];
        for (transports, only) in [Transports::Tcp, Transports::Utp].into_iter().zip(both) {
            for first in [None, Some(Transport::Tcp), Some(Transport::Utp)] {
                assert_eq!(transports.route(first), Route::Only(only));
            }
            assert_eq!(both.map(|one| transports.includes(one)), both.map(|one| one == only));
        }
        assert!(both.iter().all(|&one| Transports::Both.includes(one)));
    }
}
