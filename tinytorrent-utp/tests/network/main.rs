//! Two endpoints on links of all kinds, in virtual time. The law of all: what was written is what is read, or there is
//! an error.
#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

mod congestion;
mod link;
mod streams;
mod world;
