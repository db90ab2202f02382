/// The permissions of a file that is created, before the umask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Reading and writing.
    Data,
    /// Running as well.
    Executable,
}
