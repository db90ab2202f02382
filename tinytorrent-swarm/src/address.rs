use std::net::SocketAddr;

/// The address without a mapping into IPv6, by which one peer would have two.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
