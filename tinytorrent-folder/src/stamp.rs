/// The marks by which a changed file is known.
///
/// A program can set [`modified`](Self::modified) to what it was before, as `touch -r`, `cp -p` and
/// backups do. No program can set [`changed`](Self::changed), and a file that was put in the place
/// of another has another [`inode`](Self::inode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the content, or what a program set it to.
    pub modified: FileTime,
    /// Time of the last change of the content, the attributes or the links; `None` on systems that
    /// keep none.
    pub changed: Option<FileTime>,
    /// Number of the file in its file system; `None` on systems that have none.
    pub inode: Option<u64>,
}

/// A time that a file system keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileTime {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// The nanoseconds beside them.
    pub nanoseconds: u32,
}
