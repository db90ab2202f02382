//! Comparison with the torrents that other programs make of the same content and options, if they are
//! installed: `apt-get install mktorrent transmission-cli python3-libtorrent`.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use tinytorrent_metainfo::{CreateOptions, Metainfo, Progress, Version};

const PIECE_LENGTH: u32 = 32_768;

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A folder with subfolders and empty files, and a single file. `one.bin` comes before `one/…` in the
/// order of whole paths, and after it element by element.
fn content(folder: &Path) {
    for (number, (path, length)) in [
        ("album/one/a.bin", 40_000_usize),
        ("album/one/b.bin", 65_536),
        ("album/one/deep/er/c", 100_001),
        ("album/one.bin", 30_000),
        ("album/two/empty", 0),
        ("album/zero.txt", 5),
        ("alone.bin", 200_000),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251 + number) as u8).collect();
        fs::write(path, bytes).unwrap();
    }
}

fn ours(path: &Path, version: Version) -> Metainfo {
    let mut options = CreateOptions::new();
    options.version(version).piece_length(PIECE_LENGTH.into()).unwrap();
    options.create(path, &go_on).unwrap()
}

/// Runs a program that writes `torrent`, and reads the result. `None` if the program is not installed.
fn theirs(mut command: Command, torrent: &Path) -> Option<Metainfo> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: {name} is not installed");
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Some(Metainfo::from_bytes(&fs::read(torrent).unwrap()).unwrap())
}

/// Compares our torrents of a folder and of a file with those of another program.
fn agree(version: Version, command: impl Fn(&Path, &Path) -> Command) {
    let folder = tempfile::tempdir().unwrap();
    content(folder.path());
    for name in ["album", "alone.bin"] {
        let (path, torrent) =
            (folder.path().join(name), folder.path().join(format!("{name}.torrent")));
        let Some(theirs) = theirs(command(&path, &torrent), &torrent) else { return };
        let ours = ours(&path, version);
        assert_eq!(
            String::from_utf8_lossy(ours.info().bytes()),
            String::from_utf8_lossy(theirs.info().bytes())
        );
        assert_eq!(ours.hashes(), theirs.hashes());
    }
}

#[test]
fn mktorrent_makes_the_same_torrent() {
    agree(Version::V1, |path, torrent| {
        let mut command = Command::new("mktorrent");
        command.args(["-l", "15", "-a", "http://tracker.example/", "-o"]).arg(torrent).arg(path);
        command
    });
}

#[test]
fn transmission_makes_the_same_pieces() {
    let folder = tempfile::tempdir().unwrap();
    content(folder.path());
    for name in ["album", "alone.bin"] {
        let (path, torrent) =
            (folder.path().join(name), folder.path().join(format!("{name}.torrent")));
        let mut command = Command::new("transmission-create");
        command.args(["-s", "32", "-o"]).arg(&torrent).arg(&path);
        let Some(theirs) = theirs(command, &torrent) else { return };
        // Transmission always writes `private` and leaves out empty files, so the info-hash differs.
        let ours = ours(&path, Version::V1);
        assert_eq!(ours.layout().total_length(), theirs.layout().total_length());
        assert_eq!(ours.info().piece_hashes(), theirs.info().piece_hashes());
    }
}

/// Adds the files in our order and without attributes. By itself libtorrent adds them in the order of
/// the disk.
const LIBTORRENT: &str = r#"
import os, sys
try:
    import libtorrent as lt
except ImportError:
    sys.exit(77)
path, torrent, version = sys.argv[1:]
flags = {"V1": lt.create_torrent.v1_only, "V2": lt.create_torrent.v2_only, "Hybrid": 0}[version]
found = []
if os.path.isfile(path):
    found.append((os.path.basename(path), os.path.getsize(path)))
else:
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            found.append((os.path.relpath(full, os.path.dirname(path)), os.path.getsize(full)))
files = lt.file_storage()
for name, size in sorted(found):
    files.add_file(name, size)
made = lt.create_torrent(files, 32768, flags)
lt.set_piece_hashes(made, os.path.dirname(path))
open(torrent, "wb").write(lt.bencode(made.generate()))
"#;

fn has_libtorrent() -> bool {
    let python = Command::new("/usr/bin/python3").args(["-c", "import libtorrent"]).status();
    let is_there = python.is_ok_and(|status| status.success());
    if !is_there {
        println!("skipped: python3-libtorrent is not installed");
    }
    is_there
}

fn libtorrent(version: Version) {
    if !has_libtorrent() {
        return;
    }
    agree(version, |path, torrent| {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", LIBTORRENT]).arg(path).arg(torrent).arg(format!("{version:?}"));
        command
    });
}

#[test]
fn libtorrent_makes_the_same_v1_torrent() {
    libtorrent(Version::V1);
}

#[test]
fn libtorrent_makes_the_same_v2_torrent() {
    libtorrent(Version::V2);
}

#[test]
fn libtorrent_makes_the_same_hybrid_torrent() {
    libtorrent(Version::Hybrid);
}

/// Prints each file but padding: path, size, attributes of BEP 47, target of a link.
const READ_WITH_LIBTORRENT: &str = r#"
import libtorrent as lt, sys
files = lt.torrent_info(sys.argv[1]).files()
for i in range(files.num_files()):
    flags = files.file_flags(i)
    if flags & 1 == 0:
        letters = ("l" if flags & 8 else "") + ("x" if flags & 4 else "")
        print(files.file_path(i), files.file_size(i), letters, files.symlink(i) if flags & 8 else "")
"#;

fn libtorrent_reads(made: &Metainfo, place: &Path) -> Vec<String> {
    let torrent = place.join("made.torrent");
    fs::write(&torrent, made.to_bytes()).unwrap();
    let mut python = Command::new("/usr/bin/python3");
    let output = python.args(["-c", READ_WITH_LIBTORRENT]).arg(&torrent).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect()
}

// M-39, M-43
#[cfg(unix)]
#[test]
fn libtorrent_reads_links_and_executable_bits_as_we_do() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    if !has_libtorrent() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    content(place.path());
    let album = place.path().join("album");
    fs::set_permissions(album.join("zero.txt"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../zero.txt", album.join("one/link")).unwrap();
    symlink("one/deep", album.join("way")).unwrap();
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let made = ours(&album, version);
        let read = libtorrent_reads(&made, place.path());
        let files = made.layout().files().filter(|file| !file.is_pad());
        let told = files.map(|file| {
            let target = file.link_target.map(|target| target.to_string()).unwrap_or_default();
            let letters = file.attributes.to_letters();
            format!("{} {} {letters} {target}", file.path, file.length).trim().to_owned()
        });
        assert_eq!(read, told.collect::<Vec<_>>(), "{version:?}");
        assert!(read.contains(&"album/zero.txt 5 x".to_owned()), "{read:?}");
        assert!(read.contains(&"album/one/link 0 l album/zero.txt".to_owned()), "{read:?}");
    }
}

// V-08, V-09
#[test]
fn libtorrent_finds_the_only_file_of_a_folder_in_the_folder() {
    if !has_libtorrent() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let album = place.path().join("album");
    fs::create_dir(&album).unwrap();
    for name in ["track.flac", ".a", ".pad.0"] {
        let path = album.join(name);
        fs::write(&path, [7; 50_000]).unwrap();
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let read = libtorrent_reads(&ours(&album, version), place.path());
            assert_eq!(read, [format!("album/{name} 50000")], "{version:?}");
        }
        fs::remove_file(path).unwrap();
    }
}
