//! The automatic client: every torrent that is in a folder is downloaded and seeded.
//!
//! ```text
//!  folder ──Scan──▶ Ledger ──files to read──▶ Content ──torrents──▶ Fleet ──▶ tinytorrent-client
//!                     └──────torrents that were taken out────────────▶ │
//!                                                                   Status ──▶ Screen, page, metrics
//! ```
//!
//! `run` composes the parts. What is decided is decided in plain structs that read no clock and no file:
//!
//! | part | decides |
//! |---|---|
//! | `Ledger` | which files are to be read, and which torrents are not in the folder any more |
//! | `Links` | what the lines of a file with links mean |
//! | `Retry` | when a torrent that failed is tried again |
//! | `Ui` | what a key does |
//! | `Screen`, `page`, `metrics` | how a `Status` looks on a terminal, in a browser, to Prometheus |

mod block_list;
mod book;
mod detail;
mod fleet;
mod folder;
mod ledger;
mod links;
mod log;
mod member;
mod metrics;
mod options;
mod page;
mod retry;
mod round;
mod run;
mod screen;
mod setup;
mod state;
mod status;
mod tell;
mod terminal;
#[cfg(test)]
mod testing;
mod ui;
mod view;
mod web;

pub(crate) use detail::Detail;
pub(crate) use folder::{Content, Found, Kind, Scan, Stamp};
pub(crate) use ledger::{Book, Ledger, Named, News};
pub use log::Log;
pub(crate) use metrics::metrics;
pub use options::Options;
pub(crate) use page::page;
pub use run::watch;
pub(crate) use screen::Screen;
pub(crate) use state::StateFolder;
pub(crate) use status::{Phase, Row, Status, Totals};
pub(crate) use ui::{Command, Dialog, Pane, Ui};
pub use view::has_view;
pub(crate) use web::respond;
