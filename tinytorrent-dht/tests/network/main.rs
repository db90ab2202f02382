//! Laws of networks of nodes, in virtual time.

#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
#![allow(unreachable_pub, reason = "`pub` in a test reads better and reaches nobody either way")]

mod blocked;
mod keys;
mod lookups;
mod serving;
mod world;
