//! Torrent files and magnet links, v1, v2 and hybrid: read, create, lay out, verify.

mod layout;
mod path;

pub use layout::{
    File, FileAttributes, FileIndex, FileSpan, Layout, LayoutBuilder, LayoutError, MAX_DEPTH, Spans,
};
pub use path::{PathChange, PathChangeKind, PathPolicy, SafePath};
