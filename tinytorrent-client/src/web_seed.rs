//! Web seeds: web servers that have the files of a torrent (BEP 19, BEP 17).

mod handle;
mod info;
mod options;
mod parts;

pub use info::{WebSeedInfo, WebSeedProtocol, WebSeedSource, WebSeedState};
pub(crate) use options::{NamedWebSeeds, WebSeedOptions};
pub(crate) use parts::{Report, WebSeedParts};
