//! The BitTorrent engine without I/O: picking, pipelining, choking, blame; time and chance are arguments.
