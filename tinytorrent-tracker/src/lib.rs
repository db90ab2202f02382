//! BitTorrent trackers over UDP and HTTP: codecs for both ends, exchange and schedule machines.
