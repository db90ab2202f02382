//! HTTP trackers (BEP 3, 7, 21, 23, 24, 31, 48): codecs of queries and responses.
//!
//! The codecs work on the text of the request target and the bytes of the body. Connections are
//! made by the caller, or by `client`.

mod peers;
mod percent;
mod query;
mod request_target;
mod response;
mod scrape;
mod write;

#[cfg(feature = "client")]
pub(crate) use percent::decode as percent_decode;
pub use query::{AnnounceQuery, QueryError, ScrapeQuery};
pub use request_target::{announce_target, scrape_target};
pub use response::{ResponseError, read_announce};
pub use scrape::read_scrape;
pub use write::{PeerFormat, write_announce, write_refusal, write_scrape};
