//! Disks for programs that are hurt: one that is small, and one that errs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node::PATIENCE;
use crate::support::need::mounts;
use crate::support::process::Process;

/// A small file system, which only programs see that are started with [`command`](Self::command).
pub struct SmallDisk {
    /// A process in the namespace of the disk, which ends with it.
    keeper: Process,
    /// The path at which those programs find it.
    pub path: PathBuf,
}

impl SmallDisk {
    /// A disk of this many bytes, which is in memory.
    pub fn new(path: &Path, bytes: u64) -> Self {
        fs::create_dir_all(path).unwrap();
        let mount =
            "mount -t tmpfs -o size=\"$1\" none \"$2\" && echo READY && exec sleep infinity";
        let mut command = mounts();
        command.args(["sh", "-c", mount, "sh", &bytes.to_string()]).arg(path);
        let mut keeper = Process::spawn("disk", &command, path.parent().expect("it is below"));
        keeper.wait_for_line("READY", PATIENCE);
        Self { keeper, path: path.to_owned() }
    }

    /// The command as one that sees the disk.
    pub fn command(&self, command: &Command) -> Command {
        let mut there = Command::new("nsenter");
        there.args(["--target", &self.keeper.id().to_string()]);
        there.args(["--user", "--preserve-credentials", "--mount"]).arg(command.get_program());
        there.args(command.get_args());
        there
    }

    /// A path below the disk as the test reaches it.
    pub fn reach(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").expect("it is absolute");
        Path::new(&format!("/proc/{}/root", self.keeper.id())).join(path)
    }
}

/// A disk that errs for programs that are started with [`command`](Self::command).
pub struct BadDisk {
    shim: PathBuf,
    rules: PathBuf,
    folder: PathBuf,
}

impl BadDisk {
    /// Everything below `folder` is on the disk. The program behind it is built at `place`.
    pub fn new(place: &Path, folder: &Path) -> Self {
        let shim = build(place, "faulty", &[]);
        let disk = Self { shim, rules: place.join("rules"), folder: folder.to_owned() };
        disk.set_rules("");
        disk
    }

    /// The command as one for which the disk errs.
    pub fn command(&self, command: &Command) -> Command {
        let mut there = Command::new(&self.shim);
        there.arg(&self.rules).arg(&self.folder).arg(command.get_program());
        there.args(command.get_args());
        there
    }

    /// Has calls fail from now on: lines of a kind, a fault, and the number of the calls of which one has it.
    pub fn set_rules(&self, rules: &str) {
        // At once, as the program behind the disk reads them at any time.
        let draft = self.rules.with_extension("new");
        fs::write(&draft, rules).unwrap();
        fs::rename(draft, &self.rules).unwrap();
    }
}

/// Builds a program in C, beside the others of the test. A linker is there wherever Rust is.
pub fn build(place: &Path, name: &str, words: &[&str]) -> PathBuf {
    let source: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/faults/shims"].iter().collect();
    let built = place.join(name);
    let mut compiler = Command::new("cc");
    compiler.arg("-O1").args(words).arg("-o").arg(&built).arg(source.join(format!("{name}.c")));
    assert!(compiler.status().unwrap().success(), "{name} is not built");
    built
}
