//! Recordings of the engine. Feature `record`.
//!
//! The driver hands over what is written down, and a thread writes it: no turn waits for the disk.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::threads::SpawnThread;

/// The sink of a recording among the options of a torrent. It can be taken once, whatever clones there are.
#[derive(Clone)]
pub(crate) struct RecordingSink(Arc<Mutex<Option<Box<dyn Write + Send>>>>);

impl RecordingSink {
    pub(crate) fn new(sink: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(sink)))))
    }

    /// The way to a thread that writes to the sink. `None` if another torrent has it.
    pub(crate) fn open(&self, spawn: SpawnThread) -> Option<Spool> {
        let sink = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        sink.map(|sink| Spool::new(sink, spawn))
    }
}

impl fmt::Debug for RecordingSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordingSink")
    }
}

/// Bytes that wait for the sink at most: seconds of the fastest download. A recording with a gap would be worth nothing,
/// so that it ends.
const MAX_BEHIND: usize = 16 << 20;

/// The way to the thread that writes. Once it is dropped the thread writes what is left, and drops the sink.
pub(crate) struct Spool {
    parts: Sender<Vec<u8>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Bytes that are not written yet.
    behind: AtomicUsize,
    failure: Mutex<Option<io::Error>>,
}

impl Spool {
    fn new(sink: Box<dyn Write + Send>, spawn: SpawnThread) -> Self {
        let (sender, parts) = channel();
        let shared = Arc::new(Shared::default());
        let by_thread = Arc::clone(&shared);
        if let Err(error) = spawn(Box::new(move || by_thread.write(sink, &parts))) {
            // The first write is told of it.
            shared.fail(error);
        }
        Self { parts: sender, shared }
    }
}

impl Shared {
    /// Writes until nothing more can come, or the sink fails.
    fn write(&self, mut sink: Box<dyn Write + Send>, parts: &Receiver<Vec<u8>>) {
        let mut write = || -> io::Result<()> {
            for part in parts {
                sink.write_all(&part)?;
                self.behind.fetch_sub(part.len(), Ordering::Relaxed);
            }
            sink.flush()
        };
        if let Err(error) = write() {
            // Whoever writes next is told of it; at the end there is nobody.
            tracing::debug!(%error, "the recording cannot be written");
            self.fail(error);
        }
    }

    fn fail(&self, error: io::Error) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn failure(&self) -> io::Error {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure
            .unwrap_or_else(|| io::Error::other("the thread that writes the recording has ended"))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let behind = self.shared.behind.fetch_add(bytes.len(), Ordering::Relaxed);
        if behind > MAX_BEHIND {
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "the disk is too slow for the recording",
            ));
        }
        self.parts.send(bytes.to_vec()).map_err(|_| self.shared.failure())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::threads;

    /// A disk that waits for a word before each write.
    struct Slow {
        go_on: mpsc::Receiver<()>,
        written: mpsc::Sender<usize>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go_on.recv().map_err(|_| io::ErrorKind::StorageFull)?;
            self.written.send(bytes.len()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Spool, mpsc::Sender<()>, mpsc::Receiver<usize>) {
        let ((tell, go_on), (sender, written)) = (mpsc::channel(), mpsc::channel());
        let sink = RecordingSink::new(Slow { go_on, written: sender });
        let spool = sink.clone().open(threads::spawn).expect("nobody has it");
        assert!(sink.open(threads::spawn).is_none(), "it is taken once");
        (spool, tell, written)
    }

    #[test]
    fn no_writer_waits_and_all_is_written_before_the_sink_goes() {
        let (mut spool, tell, written) = slow();
        for length in 1..10 {
            spool.write_all(&vec![0; length]).expect("it is kept");
        }
        drop(spool);
        for length in 1..10 {
            tell.send(()).expect("the thread is there");
            assert_eq!(written.recv(), Ok(length));
        }
        assert!(written.recv().is_err(), "the sink is dropped");
    }

    #[test]
    fn a_recording_that_falls_behind_ends() {
        let (mut spool, _tell, _written) = slow();
        let part = vec![0; MAX_BEHIND];
        spool.write_all(&part).expect("there is room");
        spool.write_all(&part).expect("not yet more than the limit");
        let error = spool.write_all(&[0]).expect_err("there is no room");
        assert!(error.to_string().contains("too slow"));
    }

    #[test]
    fn without_a_thread_the_first_write_fails() {
        let sink = RecordingSink::new(io::sink());
        let none = |_| Err(io::Error::from(io::ErrorKind::OutOfMemory));
        let mut spool = sink.open(none).expect("nobody has it");
        let error = spool.write_all(&[0]).expect_err("there is no thread");
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }

    #[test]
    fn an_error_of_the_disk_is_told_by_a_later_write() {
        let (mut spool, tell, written) = slow();
        drop(tell);
        spool.write_all(&[0]).expect("nobody knows yet");
        assert!(written.recv().is_err(), "the sink is dropped");
        let error = loop {
            // The thread may still be about to end.
            if let Err(error) = spool.write_all(&[0]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
