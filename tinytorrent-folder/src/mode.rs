/// The permissions of a file that is created, before the umask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Permission to read and write.
    Data,
    /// Permission to read, write and run.
    Executable,
}
