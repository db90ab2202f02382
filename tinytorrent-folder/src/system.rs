//! The calls of the system, and their refusals.

#[cfg(any(not(unix), test))]
pub(crate) mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use portable::{Folder, os_element};
#[cfg(unix)]
pub(crate) use unix::{Folder, os_element};

/// The reason of a call that failed, without the path, which the caller knows.
pub(crate) enum Refusal {
    /// An error of the operating system.
    Io(std::io::Error),
    /// The element at this depth is a link.
    Link { depth: usize },
    /// An element is not the name of an entry.
    InvalidPath,
}
