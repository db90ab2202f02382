//! Files below a folder, opened element by element: the only way from a path that a stranger chose
//! to the file system.
//!
//! ```text
//!   elements of a path ──▶ Folder ──▶ a regular file, opened below the descriptor of each folder
//!                            │         before it; a link, a pipe or a device is an error
//!                            └──────▶ stamps, entries, links, what names the disk can hold
//! ```
//!
//! # What is promised
//! - Nothing outside the folder is reached: no element is `..`, empty or has a separator, and no
//!   symbolic link below the folder is followed. [`Folder::follow_links`] lifts the second for reading,
//!   for content of the user's own.
//! - Nothing is waited for: a named pipe where a file should be is an error at once.
//! - The length of a path is no limit: where the system takes no path of more than `PATH_MAX` bytes,
//!   its elements are walked one by one.
//! - Opening to read creates nothing.
//!
//! The folder itself is the user's choice and may be a link.
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
//! # What it does not do
//! It knows nothing of torrents, keeps no file open, and has no cache.

mod entry;
mod error;
mod folder;
mod mode;
#[cfg(all(test, unix))]
mod on_portable;
mod stamp;
mod system;
mod trial;

pub use entry::{Entry, EntryKind};
pub use error::{Error, ErrorKind, Operation};
pub use folder::{Elements, Folder};
pub use mode::Mode;
pub use stamp::{FileStamp, FileTime};
pub use trial::Trial;
