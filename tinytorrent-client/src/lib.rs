//! A BitTorrent client on tokio, composed of the tinytorrent crates.
