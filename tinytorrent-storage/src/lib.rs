//! BitTorrent content on disk: positioned I/O, verification, resume data; blocking, no runtime.
