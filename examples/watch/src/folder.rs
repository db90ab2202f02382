use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use tinytorrent_client::Source;
use tinytorrent_examples::MAX_TORRENT_BYTES;
use tinytorrent_metainfo::{ErrorKind, Info, Magnet, Metainfo};

use crate::links::{BadLine, Links};

/// The files of a folder that may hold torrents, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The number of the folder in its file system, which tells a folder from another one that lies at the same
    /// path, such as that below a disk that is not mounted. `None` on systems without such numbers.
    pub(crate) folder: Option<u64>,
    /// The files by their names.
    pub(crate) files: BTreeMap<OsString, Stamp>,
}

/// The state of a file. While it is the same, the file is taken for unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Stamp {
    /// Bytes of the file.
    pub(crate) size: u64,
    /// Nanoseconds from 1970 to the last change of the content, as programs may have set it.
    pub(crate) modified: u64,
    /// The same of the last change of the content, the name or the permissions, where the system keeps it.
    pub(crate) changed: u64,
    /// The number of the file in its file system, where it has one.
    pub(crate) inode: u64,
}

/// The kind of a file that may hold torrents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A torrent. One that is cut is none, so that it may be read as soon as it is there.
    Torrent,
    /// Lines with magnet links. One that is cut is often a link, too, so that it has to be at rest first.
    Links,
}

/// A torrent that was found in a file.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// What a client can add.
    pub(crate) source: Source,
    /// The name of the content, or the one in the link. It comes from a stranger.
    pub(crate) name: Option<String>,
    /// The metadata, if it is known.
    pub(crate) info: Option<Arc<Info>>,
}

/// What was read of one file.
#[derive(Debug)]
pub(crate) struct Content {
    /// The state of the file when it had been read.
    pub(crate) stamp: Stamp,
    /// The torrents in it, or the reason why there are none.
    pub(crate) found: Result<Vec<Found>, String>,
    /// The lines that are neither a link nor a comment.
    pub(crate) bad_lines: Vec<BadLine>,
}

impl Kind {
    /// The kind of a file of this name; `None` if it is not to be taken. Hidden files are not: they are
    /// drafts of other programs.
    pub(crate) fn of(name: &OsStr) -> Option<Self> {
        let name = name.to_string_lossy().to_ascii_lowercase();
        match name.rsplit_once('.') {
            _ if name.starts_with('.') => None,
            Some((_, "torrent")) => Some(Kind::Torrent),
            Some((_, "magnet")) => Some(Kind::Links),
            _ => None,
        }
    }
}

/// The name that a content would have in the folder of contents, if a scan of that folder would take it for a
/// torrent.
pub(crate) fn name_like_a_torrent(info: &Info) -> Option<OsString> {
    let mut names = info.layout().files().map(|file| file.path.to_string());
    names.find(|name| !name.contains('/') && Kind::of(name.as_ref()).is_some()).map(Into::into)
}

impl Scan {
    /// Lists the files of the folder. Links to files are followed, folders and pipes are left out. Blocks.
    ///
    /// # Errors
    /// The folder is not there, or cannot be read.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let mut scan = Scan { folder: number(&fs::metadata(folder)?), files: BTreeMap::new() };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if Kind::of(&entry.file_name()).is_none() {
                continue;
            }
            // One that is gone by now, and a link to nothing, are no files.
            if let Ok(metadata) = fs::metadata(entry.path())
                && metadata.is_file()
            {
                scan.files.insert(entry.file_name(), Stamp::of(&metadata));
            }
        }
        Ok(scan)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = since.unwrap_or_default().as_nanos() as u64;
        let changed = changed(metadata);
        Self {
            size: metadata.len(),
            modified,
            changed,
            inode: number(metadata).unwrap_or_default(),
        }
    }
}

impl Content {
    /// Reads a file that a scan has found. Blocks.
    ///
    /// # Errors
    /// The file cannot be read, which may be another now.
    pub(crate) fn read(folder: &Path, name: &OsStr) -> io::Result<Self> {
        let mut file = File::open(folder.join(name))?;
        let mut bytes = Vec::new();
        (&mut file).take(MAX_TORRENT_BYTES + 1).read_to_end(&mut bytes)?;
        let stamp = Stamp::of(&file.metadata()?);
        if bytes.len() as u64 > MAX_TORRENT_BYTES {
            let found = Err(format!("it is larger than {} MiB", MAX_TORRENT_BYTES >> 20));
            return Ok(Self { stamp, found, bad_lines: Vec::new() });
        }
        let is_torrent = Kind::of(name) == Some(Kind::Torrent) && !is_link(&bytes);
        let (found, bad_lines) =
            if is_torrent { (read_torrent(&bytes), Vec::new()) } else { read_links(&bytes) };
        Ok(Self { stamp, found, bad_lines })
    }
}

/// Some programs save a link as a torrent file.
fn is_link(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"magnet:"))
}

fn read_torrent(bytes: &[u8]) -> Result<Vec<Found>, String> {
    match Metainfo::from_bytes_lenient(bytes) {
        Ok(metainfo) => {
            let info = Arc::clone(metainfo.info());
            let name = Some(info.name().to_string());
            Ok(vec![Found { source: metainfo.into(), name, info: Some(info) }])
        }
        Err(error) => match error.kind() {
            ErrorKind::IsMagnet(link) => match link.parse::<Magnet>() {
                Ok(magnet) => Ok(vec![found(magnet)]),
                Err(error) => Err(error.to_string()),
            },
            _ => Err(error.to_string()),
        },
    }
}

fn read_links(bytes: &[u8]) -> (Result<Vec<Found>, String>, Vec<BadLine>) {
    if bytes.starts_with(b"d") {
        return (read_torrent(bytes), Vec::new());
    }
    if bytes.len() > MAX_LINKS_BYTES {
        let reason = format!("it is larger than {} MiB", MAX_LINKS_BYTES >> 20);
        return (Err(reason), Vec::new());
    }
    let links = Links::parse(&String::from_utf8_lossy(bytes));
    (Ok(links.magnets.into_iter().map(found).collect()), links.bad_lines)
}

fn found(magnet: Magnet) -> Found {
    Found { name: magnet.name.clone(), source: magnet.into(), info: None }
}

/// Bytes of a file with links at most: some ten thousand of them.
const MAX_LINKS_BYTES: usize = 4 << 20;

#[cfg(unix)]
fn number(metadata: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(metadata))
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> Option<u64> {
    None
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let nanos = metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec());
    nanos as u64
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TORRENT: &[u8] = b"d4:infod6:lengthi3e4:name1:a12:piece lengthi16384e\
        6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

    #[test]
    fn files_are_taken_by_their_names() {
        for (name, kind) in [
            ("a.torrent", Some(Kind::Torrent)),
            ("A.TORRENT", Some(Kind::Torrent)),
            ("links.magnet", Some(Kind::Links)),
            ("._a.torrent", None),
            (".torrent", None),
            ("a.torrent.part", None),
            ("torrent", None),
        ] {
            assert_eq!(Kind::of(name.as_ref()), kind, "{name}");
        }
    }

    #[test]
    fn a_scan_has_files_and_links_to_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.torrent"), TORRENT).unwrap();
        fs::write(path("else"), "").unwrap();
        fs::create_dir(path("folder.torrent")).unwrap();
        let mut expected = vec!["a.torrent"];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("a.torrent"), path("b.torrent")).unwrap();
            std::os::unix::fs::symlink(path("nothing"), path("c.torrent")).unwrap();
            expected.push("b.torrent");
        }
        let scan = Scan::of(folder.path()).unwrap();
        let names: Vec<_> = scan.files.keys().map(|name| name.to_str().unwrap()).collect();
        assert_eq!(names, expected);
        let read = Content::read(folder.path(), "a.torrent".as_ref()).unwrap();
        assert_eq!(read.stamp, scan.files[OsStr::new("a.torrent")]);
        assert!(Scan::of(&path("nowhere")).is_err());
    }

    #[test]
    fn a_file_that_is_cut_is_no_torrent_until_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            fs::write(folder.path().join("a.torrent"), bytes).unwrap();
            Content::read(folder.path(), "a.torrent".as_ref()).unwrap().found
        };
        for end in 0..TORRENT.len() {
            assert!(read(&TORRENT[..end]).is_err(), "{end} bytes");
        }
        let found = read(TORRENT).unwrap();
        assert_eq!((found.len(), found[0].name.as_deref()), (1, Some("a")));
    }

    #[test]
    fn a_content_that_would_be_taken_for_a_torrent_is_known_by_its_name() {
        let info = |torrent: &str| Metainfo::from_bytes(torrent.as_bytes()).unwrap().info().clone();
        let rest = "12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
        let single = info(&format!("d4:infod6:lengthi3e4:name9:x.Torrent{rest}"));
        assert_eq!(name_like_a_torrent(&single), Some("x.Torrent".into()));
        let files = "5:filesld6:lengthi3e4:pathl9:x.torrenteee";
        let multi = info(&format!("d4:infod{files}4:name9:y.torrent{rest}"));
        assert_eq!(name_like_a_torrent(&multi), None, "it is a folder");
    }

    #[test]
    fn a_link_is_found_in_whatever_file_it_is_saved() {
        let folder = tempfile::tempdir().unwrap();
        let hash = "ab".repeat(20);
        let link = format!("magnet:?xt=urn:btih:{hash}&dn=x");
        let in_dictionary = format!("d10:magnet-uri{}:{link}e", link.len());
        for name in ["a.torrent", "a.magnet"] {
            for text in [&link, &in_dictionary, &format!("\n{link}\n")] {
                fs::write(folder.path().join(name), text).unwrap();
                let found = Content::read(folder.path(), name.as_ref()).unwrap().found.unwrap();
                assert_eq!(found[0].source.hashes().to_string(), hash, "{name}: {text}");
            }
        }
    }
}
