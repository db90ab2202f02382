use std::io;

/// A job that blocks, or takes long to compute.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A function that runs a job on another thread. Tests take one that fails.
pub(crate) type SpawnThread = fn(Job) -> io::Result<()>;

/// Runs the job on a thread of its own.
pub(crate) fn spawn(job: Job) -> io::Result<()> {
    // Not one of the runtime's blocking threads: a program that ends its runtime waits for those,
    // and hashing a large file may take minutes.
    std::thread::Builder::new().name("torrent".into()).spawn(job).map(drop)
}
