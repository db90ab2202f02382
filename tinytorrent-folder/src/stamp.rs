/// Size, times and number of a file. If they are the same as before, the file is taken for unchanged.
///
/// Programs can set [`modified`](Self::modified) back, as `touch -r`, `cp -p` and backups do. No
/// program can set [`changed`](Self::changed), and a file that replaced another has another
/// [`inode`](Self::inode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the content, or a time that a program has set.
    pub modified: FileTime,
    /// Time of the last change of the content, the attributes or the links; `None` on systems that
    /// do not keep it.
    pub changed: Option<FileTime>,
    /// Number of the file in its file system; `None` on systems without such numbers.
    pub inode: Option<u64>,
}

/// A time in the precision of file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileTime {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// Nanoseconds after that second.
    pub nanoseconds: u32,
}
