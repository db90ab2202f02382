//! The kept session of a client: what brings its torrents back in the next run.

mod fields;
mod lock;
mod record;
mod store;

pub(crate) use lock::SessionLock;
pub(crate) use record::Record;
pub(crate) use store::{Entry, Kept, Store};
