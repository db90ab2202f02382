//! Torrent files and magnet links, v1, v2 and hybrid: read, create, lay out, verify.
