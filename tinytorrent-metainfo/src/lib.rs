//! Torrent files and magnet links, v1, v2 and hybrid: read, create, lay out, verify.

mod content;
mod create;
mod error;
mod host_port;
mod info;
mod layout;
mod magnet;
pub mod merkle;
mod metainfo;
mod options;
mod path;
mod verify;
mod warning;

pub use content::{Observer, Progress};
pub use create::{CreateError, CreateOptions};
pub use error::{Error, ErrorKind};
pub use host_port::{HostPort, HostPortError};
pub use info::{Info, Version};
pub use layout::{
    File, FileAttributes, FileIndex, FileSpan, Layout, LayoutBuilder, LayoutError, MAX_DEPTH, Spans,
};
pub use magnet::{FileSelection, Magnet, MagnetError};
pub use metainfo::{Metainfo, PieceHash};
pub use options::ReadOptions;
pub use path::{PathChange, PathChangeKind, PathPolicy, SafePath};
pub use verify::{FileFault, FileFaultKind, VerifyError, VerifyOptions, VerifyReport};
pub use warning::{Warning, WarningKind};
