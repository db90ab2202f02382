//! Web seeds: the content of a torrent from web servers (BEP 19, and BEP 17 for `httpseeds`).
//!
//! A web seed is a web server that has the files of a torrent. Blocks become requests for ranges of files, and the
//! bodies of the responses become blocks again:
//!
//! ```text
//!   blocks ──▶ plan ──▶ Part ──▶ requests of WebSeedUrl ──▶ server
//!   blocks ◀── Assembler ◀── skip, pad ◀── judge ◀── ResponseReader ◀── bytes
//! ```
//!
//! - [`WebSeedUrl`] joins URLs with the names of files.
//! - [`plan`] turns blocks into ranges of files, in order, and leaves padding out.
//! - [`ResponseReader`] reads responses of HTTP/1 from bytes, and [`judge`] decides whether a response has what was
//!   asked for.
//! - [`Assembler`] cuts bodies into blocks without copying those that lie in one read.
//!
//! All of that is pure. With the feature `client`, `client::WebSeed` fetches blocks on tokio: it keeps connections,
//! sends the requests of many files at once (pipelining), follows redirects, and goes on where a broken connection
//! ended.
//!
//! ```
//! use tinytorrent_webseed::WebSeedUrl;
//!
//! let url: WebSeedUrl = "http://mirror.example/pub".parse()?;
//! let joined = url.join("album/a #1.flac").unwrap();
//! assert_eq!(joined.as_str(), "http://mirror.example/pub/album/a%20%231.flac");
//! # Ok::<(), tinytorrent_webseed::WebSeedUrlError>(())
//! ```

mod answer;
mod assembler;
#[cfg(feature = "client")]
pub mod client;
mod head;
mod plan;
mod response;
mod url;

pub use self::url::{WebSeedUrl, WebSeedUrlError};
pub use answer::{Answer, Refusal, judge, judge_piece, pause_of_body};
pub use assembler::Assembler;
pub use head::{ContentRange, Head};
pub use plan::{FileRange, Part, PieceRanges, plan, plan_pieces};
pub use response::{Event, ResponseError, ResponseReader};
