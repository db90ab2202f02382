//! The BitTorrent peer wire protocol: handshakes, messages, extensions, and what is legal when.
