/// The marks by which a changed file is known: its size in bytes and its time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Size in bytes.
    pub size: u64,
    /// Seconds of the time of change, since 1970.
    pub seconds: i64,
    /// The nanoseconds beside them.
    pub nanoseconds: u32,
}
