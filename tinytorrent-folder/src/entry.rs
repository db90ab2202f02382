use std::ffi::OsString;

/// An entry of a folder; see [`Folder::entries`](crate::Folder::entries).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The name as the file system has it.
    pub name: OsString,
    /// The kind of thing that bears the name.
    pub kind: EntryKind,
}

/// The kind of thing that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    Link,
    /// A pipe, a socket, a device.
    Other,
}
