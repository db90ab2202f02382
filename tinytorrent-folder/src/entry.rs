use std::ffi::OsString;

/// An entry of a folder; see [`Folder::entries`](crate::Folder::entries).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The name as the file system has it.
    pub name: OsString,
    /// The kind of the entry.
    pub kind: EntryKind,
}

/// The kind of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link to anything, or to nothing.
    Link,
    /// A pipe, a socket, a device.
    Other,
}
