//! Files on disk: the torrent that is made of them reads strictly, and they verify against it.
#![no_main]

use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_metainfo::{
    CreateError, CreateOptions, PathPolicy, Progress, ReadOptions, RefusalReason, VerifyOptions,
    Version,
};

fuzz_target!(|input: &[u8]| {
    let [version, input @ ..] = input else { return };
    let folder = Scratch::new();
    let root = folder.0.join("root");
    fs::create_dir_all(&root).expect("the scratch folder can be written");
    // A line is a file: two bytes for its length, and its path.
    for line in input.split(|&byte| byte == b'\n').take(8) {
        write(&root, line);
    }
    let mut options = CreateOptions::new();
    options.version([Version::V1, Version::V2, Version::Hybrid][usize::from(version % 3)]);
    options.threads(usize::from(version / 3 % 2) + 1);
    options.piece_length(16 << 10 << (version / 6 % 3)).expect("a power of two");
    let created = match options.create(&root, &go_on) {
        Err(CreateError::NoContent { .. } | CreateError::Layout(_)) => return,
        Err(CreateError::Refused(refusals)) => {
            for refusal in refusals.list() {
                let path = refusal.path.as_os_str().as_bytes();
                let is_right = match refusal.reason {
                    RefusalReason::NotUtf8 => std::str::from_utf8(path).is_err(),
                    RefusalReason::Padding => {
                        path.windows(18).any(|name| name == b"_____padding_file_")
                    }
                    RefusalReason::TooDeep => refusal.path.components().count() > 100,
                    _ => false,
                };
                assert!(is_right, "{refusal:?}");
            }
            return;
        }
        created => created.expect("what is there can be read"),
    };
    let bytes = created.to_bytes();
    let mut options = ReadOptions::strict();
    options.path_policy(PathPolicy::System);
    let read = within(bytes.len(), 64, 1 << 20, || options.read(&bytes));
    let read = read.expect("what we make, we read");
    assert_eq!(read.hashes(), created.hashes());
    assert_eq!(read.to_bytes(), bytes);
    let report = VerifyOptions::new().verify(&read, &folder.0, &go_on).expect("it can be read");
    assert!(report.is_complete() && report.faults().is_empty(), "{report:?}");
});

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn write(root: &Path, line: &[u8]) {
    let [high, low, path @ ..] = line else { return };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let mut file = root.to_owned();
    for element in path.split(|&byte| byte == b'/') {
        if matches!(element, b"" | b"." | b"..") || element.len() > 100 || element.contains(&0) {
            return;
        }
        file.push(OsStr::from_bytes(element));
    }
    let is_free =
        !file.exists() && file.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok());
    if is_free {
        let bytes: Vec<u8> = (0..length).map(|at| (at / 7 + line.len()) as u8).collect();
        // A path that is too long for the system is no file.
        let _ = fs::write(file, bytes);
    }
}

/// A folder of this process that is empty at first and gone in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tinytorrent-fuzz-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
