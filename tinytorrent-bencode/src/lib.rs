//! A bencode codec that keeps spans: strict or lenient, with limits, and errors that say where.
