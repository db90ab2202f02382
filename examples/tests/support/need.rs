//! Which programs a test needs, and what is said when one is missing.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Python of the system: python3-libtorrent is a package of it.
pub const PYTHON: &str = "/usr/bin/python3";

/// Something that must be on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Aria2,
    /// No package of the system, so that it is never required.
    Imdl,
    Libtorrent,
    Mktorrent,
    Opentracker,
    Python,
    Transmission,
    /// One of the example programs, built beside the test.
    Example(&'static str),
}

impl Need {
    fn is_met(self) -> bool {
        static LIBTORRENT: OnceLock<bool> = OnceLock::new();
        static PYTHON_RUNS: OnceLock<bool> = OnceLock::new();
        match self {
            Need::Aria2 => on_path("aria2c").is_some(),
            Need::Imdl => on_path("imdl").is_some(),
            Need::Libtorrent => *LIBTORRENT.get_or_init(|| python_runs("import libtorrent")),
            Need::Mktorrent => on_path("mktorrent").is_some(),
            Need::Opentracker => on_path("opentracker").is_some(),
            Need::Python => *PYTHON_RUNS.get_or_init(|| python_runs("import asyncio")),
            Need::Transmission => on_path("transmission-daemon").is_some(),
            Need::Example(name) => example(name).exists(),
        }
    }

    fn remedy(self) -> String {
        let package = match self {
            Need::Aria2 => "aria2",
            Need::Imdl => return "imdl is not installed: cargo install imdl".to_owned(),
            Need::Libtorrent => "python3-libtorrent",
            Need::Mktorrent => "mktorrent",
            Need::Opentracker => "opentracker",
            Need::Python => "python3",
            Need::Transmission => "transmission-daemon",
            Need::Example(name) => {
                return format!(
                    "the example `{name}` is not built: cargo build -p tinytorrent-examples --example {name}"
                );
            }
        };
        format!("{package} is not installed: apt-get install {package}")
    }
}

/// Whether all of it is there. If not, tells why the test that asks is left out.
///
/// # Panics
///
/// When something is missing and `TINYTORRENT_INTEROP=require` is set.
pub fn have(needs: &[Need]) -> bool {
    let Some(missing) = needs.iter().find(|need| !need.is_met()) else { return true };
    let remedy = missing.remedy();
    let required = std::env::var("TINYTORRENT_INTEROP").is_ok_and(|value| value == "require");
    assert!(!required || *missing == Need::Imdl, "{remedy}");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not `eprintln!`, which the test harness keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "left out: {test}: {remedy}");
    false
}

/// Where a program is, as the shell would find it.
pub fn on_path(program: &str) -> Option<PathBuf> {
    // Debian keeps opentracker and others out of a user's PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The built file of an example, of the same profile as this test.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

fn python_runs(code: &str) -> bool {
    let mut python = Command::new(PYTHON);
    python.args(["-c", code]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

/// Leaves the test if something that it needs is missing.
macro_rules! need {
    ($($need:expr),+ $(,)?) => {
        if !$crate::support::need::have(&[$($need),+]) {
            return;
        }
    };
}
pub(crate) use need;
