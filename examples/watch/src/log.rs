use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The last lines of a log, for a screen that shows them. Clones share the lines.
#[derive(Debug, Clone, Default)]
pub struct Log {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Log {
    /// Maximum number of lines.
    pub const KEPT: usize = 1000;

    /// Adds a line.
    pub fn push(&self, line: String) {
        let mut lines = self.lock();
        if lines.len() == Self::KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The lines, the newest last.
    pub fn lines(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// A writer of lines, for a logger.
    pub fn writer(&self) -> impl io::Write + use<> {
        LogWriter { log: self.clone(), line: Vec::new() }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        // A panic under the lock cannot leave the list in a bad state.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line may come in parts. What is left at the end is a line as well.
struct LogWriter {
    log: Log,
    line: Vec<u8>,
}

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.line.extend(bytes);
            return Ok(bytes.len());
        };
        self.line.extend(&bytes[..end]);
        self.log.push(String::from_utf8_lossy(&self.line).into_owned());
        self.line.clear();
        Ok(end + 1)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.log.push(String::from_utf8_lossy(&self.line).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let log = Log::default();
        for number in 0..Log::KEPT + 2 {
            writeln!(log.writer(), "{number}").unwrap();
        }
        let lines = log.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (Log::KEPT, "2"));
        assert_eq!(lines.last().map(String::as_str), Some("1001"));
    }
}
