//! Files that the engine is recorded to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tinytorrent_client::TorrentOptions;
use tokio::sync::oneshot;

use crate::Failure;

/// The options of programs that record.
#[derive(Debug, Clone, Args)]
pub struct RecordOptions {
    /// Write all inputs of the engine, for `simulate --replay`; with addresses and names, which
    /// `simulate --mask` takes out
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Replace the file of --record if it exists
    #[arg(long, requires = "record")]
    pub force: bool,
}

impl RecordOptions {
    /// Has a torrent recorded, if the user wants that.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn apply(&self, torrent: &mut TorrentOptions) -> Result<Option<RecordingEnd>, Failure> {
        let Some(path) = &self.record else { return Ok(None) };
        let (sender, outcome) = oneshot::channel();
        let file = new_file(path, self.force)?;
        torrent.record(RecordingFile { file, failure: None, end: Some(sender) });
        Ok(Some(RecordingEnd { path: path.clone(), outcome }))
    }
}

/// Makes a file for a recording, which can be read while it grows.
///
/// # Errors
/// It exists and is not to be replaced or is no regular file, or it cannot be made.
pub fn new_file(path: &Path, replaces: bool) -> Result<File, Failure> {
    let refuse =
        |reason: &str| Failure::CouldNot(format!("cannot write {}: {reason}", path.display()));
    // A device or a pipe is not emptied.
    if replaces && path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(refuse("it is no regular file"));
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if replaces {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => refuse("it exists already; --force replaces it"),
        _ => refuse(&error.to_string()),
    })
}

/// The file, which tells when all is written.
struct RecordingFile {
    file: File,
    failure: Option<io::Error>,
    end: Option<oneshot::Sender<Option<io::Error>>>,
}

impl Write for RecordingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| self.failure = Some(copy_of(error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn copy_of(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

impl Drop for RecordingFile {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            // A program that is killed by a second signal waits no more.
            let _ = end.send(self.failure.take());
        }
    }
}

/// The end of a recording.
#[derive(Debug)]
pub struct RecordingEnd {
    path: PathBuf,
    outcome: oneshot::Receiver<Option<io::Error>>,
}

/// Time for which a program waits for the end of a recording: it has to end 5 s after a signal.
const PATIENCE: Duration = Duration::from_secs(2);

impl RecordingEnd {
    /// Waits until all is written, after the torrent has stopped. Returns the words for a recording that is not whole.
    pub async fn wait(self) -> Option<String> {
        let why = match tokio::time::timeout(PATIENCE, self.outcome).await {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(error))) => error.to_string(),
            Ok(Err(_)) => "it was not begun".to_owned(),
            Err(_) => "the disk is too slow".to_owned(),
        };
        Some(format!("the recording {} is not whole: {why}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_replaced_only_if_asked_for() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("recording");
        new_file(&path, false).unwrap().write_all(b"old").unwrap();
        let told = new_file(&path, false).unwrap_err().to_string();
        assert!(told.contains("--force"), "{told}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        new_file(&path, true).unwrap().write_all(b"n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"n");
        let told = new_file(place.path(), true).unwrap_err().to_string();
        assert!(told.contains("no regular file"), "{told}");
        let told = new_file(&place.path().join("no/where"), false).unwrap_err().to_string();
        assert!(told.contains("no/where"), "{told}");
    }

    #[tokio::test]
    async fn the_end_comes_once_all_is_written_or_has_failed() {
        let place = tempfile::tempdir().unwrap();
        let options = RecordOptions { record: Some(place.path().join("a")), force: false };
        let mut torrent = TorrentOptions::new(place.path());
        let end = options.apply(&mut torrent).unwrap().unwrap();
        drop(torrent);
        assert_eq!(end.wait().await, None);
        options.apply(&mut TorrentOptions::new(place.path())).unwrap_err();
        let none = RecordOptions { record: None, force: false };
        assert!(none.apply(&mut TorrentOptions::new(place.path())).unwrap().is_none());
    }
}
