//! Worlds of BitTorrent swarms in virtual time, with faulty links, disks and peers.
