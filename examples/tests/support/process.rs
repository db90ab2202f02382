//! A child process that never outlives its guard.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::need::on_path;

/// A running program whose output goes to files; killed and reaped when dropped.
pub struct Process {
    name: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// Starts `command`; its output lies in `folder` as `NAME.out` and `NAME.err`.
    ///
    /// Standard input is a pipe that closes when the guard goes, so that a script can end by it.
    pub fn spawn(name: &str, command: &Command, folder: &Path) -> Self {
        let out = folder.join(format!("{name}.out"));
        let err = folder.join(format!("{name}.err"));
        let create = |path| File::create(path).expect("the temporary folder can be written");
        let child = bound_to_this_thread(command)
            .stdin(Stdio::piped())
            .stdout(create(&out))
            .stderr(create(&err))
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), child, out, err }
    }

    /// The bytes written to stdout so far, as text.
    pub fn stdout(&self) -> String {
        read_lossy(&self.out)
    }

    /// The bytes written to stderr so far, as text.
    pub fn stderr(&self) -> String {
        read_lossy(&self.err)
    }

    /// The id of the process.
    #[allow(dead_code, reason = "only the suite of faults uses it")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its stdin.
    #[allow(dead_code, reason = "only the suite of faults uses it")]
    pub fn write_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is a pipe");
        let written = stdin.write_all(format!("{line}\n").as_bytes());
        written.unwrap_or_else(|error| panic!("{} takes no `{line}`: {error}", self.name));
    }

    /// Waits until `found` makes something of its stdout.
    ///
    /// # Panics
    ///
    /// When the time is up, or when it ended and its whole output holds no such thing.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        patience: Duration,
        found: impl Fn(&str) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience;
        loop {
            let ended = self.try_wait();
            if let Some(value) = found(&self.stdout()) {
                return value;
            }
            assert!(ended.is_none(), "{} ended ({ended:?}) before {what}", self.name);
            assert!(Instant::now() < deadline, "{}: no {what} after {patience:?}", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a line on stdout that is exactly this.
    pub fn wait_for_line(&mut self, line: &str, patience: Duration) {
        let found = |out: &str| out.lines().any(|found| found == line).then_some(());
        self.wait_for(&format!("line `{line}`"), patience, found);
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.try_wait() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} still runs after {patience:?}", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `true` while the process runs.
    pub fn is_running(&mut self) -> bool {
        self.try_wait().is_none()
    }

    /// Sends it a signal by name, such as `INT`.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot signal {}", self.name);
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        // It fails only when the process has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            for (stream, text) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
                eprintln!("--- {} of {}:\n{}", stream, self.name, tail(&text, 40));
            }
        }
    }
}

/// The command run such that the kernel kills it when the test's thread ends, however that ends.
fn bound_to_this_thread(command: &Command) -> Command {
    let mut bound = match on_path("setpriv") {
        Some(setpriv) => {
            let mut bound = Command::new(setpriv);
            bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
            bound
        }
        None => Command::new(command.get_program()),
    };
    bound.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(key, value),
            None => bound.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        bound.current_dir(folder);
    }
    bound
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
