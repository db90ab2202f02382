//! An exFAT image, mounted by FUSE. On it `Foo` and `foo` are the same name, and `?` is refused.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it mounts a disk")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) struct Exfat {
    place: tempfile::TempDir,
    device: String,
    mounted: PathBuf,
}

impl Exfat {
    /// Mounts the image. It needs root, `/dev/fuse` and Debian's packages exfatprogs and exfat-fuse;
    /// without them the result is `None`, and a message is printed.
    pub(crate) fn mount() -> Option<Self> {
        let mounted = Self::try_mount();
        if mounted.is_none() {
            eprintln!("left out: no exFAT here (root, exfatprogs, exfat-fuse)");
        }
        mounted
    }

    fn try_mount() -> Option<Self> {
        let place = tempfile::tempdir().ok()?;
        let (image, mounted) = (place.path().join("image"), place.path().join("mounted"));
        std::fs::File::create(&image).ok()?.set_len(16 << 20).ok()?;
        std::fs::create_dir(&mounted).ok()?;
        run(Command::new("mkfs.exfat").arg(&image))?;
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(&image))?;
        let disk = Self { place, device: device.trim().to_owned(), mounted };
        run(Command::new("mount.exfat-fuse").arg(&disk.device).arg(&disk.mounted))?;
        // The process that serves the file system takes a moment to start.
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::fs::write(disk.path().join("x"), b"").is_err() || !disk.path().join("X").exists()
        {
            if Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::fs::remove_file(disk.path().join("x")).ok()?;
        Some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mounted
    }
}

impl Drop for Exfat {
    fn drop(&mut self) {
        // A file that another test's child has inherited keeps the disk busy for a moment.
        let is_unmounted = run(Command::new("umount").arg(&self.mounted)).is_some();
        if !is_unmounted {
            run(Command::new("umount").arg("--lazy").arg(&self.mounted));
        }
        run(Command::new("losetup").arg("--detach").arg(&self.device));
        let _ = &self.place;
    }
}

/// The output of a command, if it succeeds.
fn run(command: &mut Command) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let path = std::env::join_paths(folders).ok()?;
    let output = command.env("PATH", path).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
