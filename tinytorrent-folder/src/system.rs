//! The calls of the system, and what they refuse.

#[cfg_attr(unix, path = "system/unix.rs")]
#[cfg_attr(not(unix), path = "system/portable.rs")]
mod calls;

pub(crate) use calls::{Folder, os_element};

/// A reason without the path, which the caller knows.
pub(crate) enum Refusal {
    Io(std::io::Error),
    /// The element at this depth is a link.
    Link {
        depth: usize,
    },
    InvalidPath,
}
