//! Files below a folder, opened element by element, so that a path from a stranger's torrent stays
//! inside the folder.
//!
//! ```text
//!   elements of a path ──▶ Folder ──▶ a regular file, opened below the descriptor of each folder
//!                            │         before it; a link, a pipe or a device is an error
//!                            └──────▶ stamps, entries, links, trials of names
//! ```
//!
//! # Promises
//! - Nothing outside the folder is reached. An element that is `..` or empty, or has a separator, is an
//!   error. No symbolic link below the folder is followed, unless [`Folder::follow_links`] allows it for
//!   reading content of the user's own.
//! - No call blocks on another program: a named pipe in the place of a file is an error at once.
//! - A path may be longer than `PATH_MAX`: its elements are then opened one by one.
//! - Opening a file for reading creates nothing.
//!
//! The folder itself may be a link, as the user chose it.
//!
//! ```
//! use std::io::Write as _;
//! use tinytorrent_folder::{Folder, Mode};
//!
//! let place = tempfile::tempdir()?;
//! let folder = Folder::create(place.path())?;
//! let path = ["album", "track.flac"].map(str::as_bytes);
//! folder.create_file(path, Mode::Data)?.write_all(b"fLaC")?;
//! assert_eq!(folder.stamp(path)?.map(|stamp| stamp.size), Some(4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! The crate knows nothing of torrents, and keeps no file open. Its one cache is the part of a file that
//! [`Extents`] has found last.

mod entry;
mod error;
mod extents;
mod folder;
mod mode;
#[cfg(all(test, unix))]
mod on_portable;
mod stamp;
mod system;
mod trial;

pub use entry::{Entry, EntryKind};
pub use error::{Error, ErrorKind, Operation, is_out_of_descriptors};
pub use extents::{Extent, Extents, first_data};
pub use folder::{Elements, Folder};
pub use mode::Mode;
pub use stamp::{FileStamp, FileTime};
pub use trial::Trial;
