//! System calls, in one implementation for Unix and one for other systems.

#[cfg(any(not(unix), test))]
pub(crate) mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use portable::{Folder, os_element};
#[cfg(unix)]
pub(crate) use unix::{Folder, os_element};

/// The reason of a failed call. The caller adds the path.
pub(crate) enum Refusal {
    /// An error of the operating system.
    Io(std::io::Error),
    /// The element at this depth is a link.
    Link { depth: usize },
    /// An element cannot be the name of an entry.
    InvalidPath,
}
