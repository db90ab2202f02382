//! Content to exchange, and its torrent, made without any of the libraries under test.

mod v2;

use std::fs;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};
use sha2::Sha256;

/// The version of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    /// Both, with padding such that they mean the same pieces.
    Hybrid,
}

/// Files made of pseudo-random bytes.
pub struct Content {
    /// The torrent's `name`.
    pub name: String,
    /// Paths below the download folder, in the torrent's order, and their bytes.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// `true` if the torrent has a `files` list, which it may have for a single file as well.
    pub has_file_list: bool,
    /// In bytes.
    pub piece_length: usize,
    version: Version,
    is_private: bool,
}

impl Content {
    /// One file; the torrent has a `length`.
    pub fn single(name: &str, size: usize) -> Self {
        let files = vec![(name.into(), noise(size, 1))];
        Self::new(name, files, false)
    }

    /// Files below a folder; the torrent has a `files` list.
    pub fn multi(name: &str, files: &[(&str, usize)]) -> Self {
        let file = |(at, (path, size)): (usize, &(&str, usize))| {
            (Path::new(name).join(path), noise(*size, 2 + at as u64))
        };
        let files = files.iter().enumerate().map(file).collect();
        Self::new(name, files, true)
    }

    fn new(name: &str, files: Vec<(PathBuf, Vec<u8>)>, has_file_list: bool) -> Self {
        let (piece_length, version) = (64 << 10, Version::V1);
        let (name, is_private) = (name.to_owned(), false);
        Self { name, files, has_file_list, piece_length, version, is_private }
    }

    /// The same files in a private torrent (BEP 27).
    pub fn private(mut self) -> Self {
        self.is_private = true;
        self
    }

    /// The same files in a torrent of this version, in the order of v2.
    pub fn of_version(mut self, version: Version) -> Self {
        self.version = version;
        self.files.sort();
        self
    }

    /// A few MiB in one file, the last piece and the last block short.
    pub fn small_single() -> Self {
        Self::single("one file.bin", (4 << 20) + 12_345)
    }

    /// A few MiB in files that share pieces, with empty ones and a nested folder.
    pub fn small_multi() -> Self {
        Self::multi(
            "many files",
            &[
                ("first.bin", 1_000_000),
                ("empty", 0),
                ("folder/tiny", 1),
                ("folder/deeper/second.bin", 3_000_001),
                ("folder/deeper/also empty", 0),
                ("z.txt", 77),
            ],
        )
    }

    /// Files that end in the first block of a piece, at its border, right behind it, and within.
    pub fn short_pieces(version: Version) -> Self {
        let files = [
            ("a bit", 5_000),
            ("b/empty", 0),
            ("b/c/a piece", 64 << 10),
            ("b/c/a piece and a bit", (64 << 10) + 1),
            ("b/many pieces", 3_000_001),
            ("two pieces", 128 << 10),
            ("z", 200_000),
        ];
        Self::multi("short pieces", &files).of_version(version)
    }

    /// The same without the empty files, which transmission does not write.
    pub fn without_empty_files(mut self) -> Self {
        self.files.retain(|(_, bytes)| !bytes.is_empty());
        self
    }

    /// All bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Writes the content below `folder`.
    pub fn write_to(&self, folder: &Path) {
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a file lies in a folder")).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Writes the padding of a hybrid below `folder`, as a client does that takes it for content.
    pub fn write_padding_to(&self, folder: &Path) {
        for padding in self.paddings().map(|(_, padding)| padding) {
            let path = folder.join(&self.name).join(".pad").join(padding.to_string());
            fs::create_dir_all(path.parent().expect("a file lies in a folder")).unwrap();
            fs::write(path, vec![0; padding]).unwrap();
        }
    }

    /// Bytes of content in pieces that end with padding.
    pub fn bytes_beside_padding(&self) -> u64 {
        self.paddings().map(|(bytes, _)| (bytes.len() % self.piece_length) as u64).sum()
    }

    /// The files that padding follows, and how much of it.
    fn paddings(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let padded = |(path, bytes): &'_ (PathBuf, Vec<u8>)| self.padding(path, bytes);
        let files = self.files.iter().map(move |file| (&file.1[..], padded(file)));
        files.filter(|(_, padding)| *padding > 0)
    }

    /// Returns the first difference between the content and a copy below `folder`.
    pub fn difference(&self, folder: &Path) -> Option<String> {
        self.files.iter().find_map(|(path, bytes)| match fs::read(folder.join(path)) {
            Err(error) => Some(format!("{}: {error}", path.display())),
            Ok(found) if found.len() != bytes.len() => {
                Some(format!("{} has {} bytes, not {}", path.display(), found.len(), bytes.len()))
            }
            Ok(found) => {
                let at = found.iter().zip(bytes).position(|(found, due)| found != due)?;
                Some(format!("{} differs at byte {at}", path.display()))
            }
        })
    }

    /// The info-hash that peers and trackers are told: of v1 if there is one, or else the beginning
    /// of that of v2.
    pub fn info_hash(&self) -> [u8; 20] {
        match self.version {
            Version::V1 | Version::Hybrid => Sha1::digest(self.info()).into(),
            Version::V2 => std::array::from_fn(|at| Sha256::digest(self.info())[at]),
        }
    }

    /// The same as lower-case hexadecimal digits.
    pub fn info_hash_hex(&self) -> String {
        tinytorrent_types::hex::encode(self.info_hash())
    }

    /// The info-hashes of v1 and v2, those that the torrent has.
    pub fn info_hashes_hex(&self) -> [Option<String>; 2] {
        let v2 = || tinytorrent_types::hex::encode(Sha256::digest(self.info()));
        [self.has_v1().then(|| self.info_hash_hex()), self.has_v2().then(v2)]
    }

    /// A .torrent with one tracker a tier.
    pub fn torrent(&self, trackers: &[String]) -> Vec<u8> {
        let mut out = b"d".to_vec();
        if let Some(first) = trackers.first() {
            out.extend(string("announce"));
            out.extend(string(first));
            out.extend(string("announce-list"));
            let tiers = trackers.iter().map(|url| [&b"l"[..], &string(url), b"e"].concat());
            out.push(b'l');
            out.extend(tiers.flatten());
            out.push(b'e');
        }
        out.extend(string("info"));
        out.extend(self.info());
        if self.has_v2() {
            out.extend(string("piece layers"));
            let files = self.files.iter().map(|(_, bytes)| &bytes[..]);
            out.extend(v2::piece_layers(files, self.piece_length));
        }
        out.push(b'e');
        out
    }

    /// A magnet link with these trackers.
    pub fn magnet(&self, trackers: &[String]) -> String {
        self.magnet_by(self.info_hashes_hex(), trackers)
    }

    /// A magnet link with the hash of this version alone.
    pub fn magnet_of(&self, version: Version, trackers: &[String]) -> String {
        let [v1, v2] = self.info_hashes_hex();
        let hashes = match version {
            Version::V1 => [v1, None],
            Version::V2 => [None, v2],
            Version::Hybrid => [v1, v2],
        };
        self.magnet_by(hashes, trackers)
    }

    fn magnet_by(&self, [v1, v2]: [Option<String>; 2], trackers: &[String]) -> String {
        let escape = |url: &String| -> String {
            url::form_urlencoded::byte_serialize(url.as_bytes()).collect()
        };
        let tr: String = trackers.iter().map(|url| format!("&tr={}", escape(url))).collect();
        let topics = [
            v1.map(|hash| format!("xt=urn:btih:{hash}")),
            v2.map(|hash| format!("xt=urn:btmh:1220{hash}")),
        ];
        let topics: Vec<String> = topics.into_iter().flatten().collect();
        format!("magnet:?{}{tr}", topics.join("&"))
    }

    fn has_v1(&self) -> bool {
        self.version != Version::V2
    }

    fn has_v2(&self) -> bool {
        self.version != Version::V1
    }

    fn info(&self) -> Vec<u8> {
        let mut out = b"d".to_vec();
        if self.has_v2() {
            out.extend(string("file tree"));
            out.extend(self.file_tree());
        }
        if self.has_v1() {
            out.extend(self.files_or_length());
        }
        if self.has_v2() {
            out.extend(b"12:meta versioni2e");
        }
        out.extend(string("name"));
        out.extend(string(&self.name));
        out.extend(string("piece length"));
        out.extend(format!("i{}e", self.piece_length).bytes());
        if self.has_v1() {
            out.extend(string("pieces"));
            let with_padding = |(path, bytes): &(PathBuf, Vec<u8>)| {
                [&bytes[..], &vec![0; self.padding(path, bytes)]].concat()
            };
            let whole: Vec<u8> = self.files.iter().flat_map(with_padding).collect();
            let pieces = whole.chunks(self.piece_length).map(Sha1::digest);
            out.extend(bytes(&pieces.flatten().collect::<Vec<u8>>()));
        }
        if self.is_private {
            out.extend(b"7:privatei1e");
        }
        out.push(b'e');
        out
    }

    fn files_or_length(&self) -> Vec<u8> {
        if !self.has_file_list {
            return format!("6:lengthi{}e", self.size()).into_bytes();
        }
        let files = self.files.iter().flat_map(|(path, bytes)| self.file(path, bytes));
        [b"5:filesl".to_vec(), files.collect(), b"e".to_vec()].concat()
    }

    /// An entry of `files`, and one of the padding behind it if there is some (BEP 47).
    fn file(&self, path: &Path, content: &[u8]) -> Vec<u8> {
        let parts = self.inner(path).iter();
        let parts = parts.flat_map(|part| string(part.to_str().expect("names are text")));
        let mut out = format!("d6:lengthi{}e4:pathl", content.len()).into_bytes();
        out.extend(parts);
        out.extend(b"ee");
        let padding = self.padding(path, content);
        if padding > 0 {
            out.extend(format!("d4:attr1:p6:lengthi{padding}e4:pathl4:.pad").bytes());
            out.extend(string(&padding.to_string()));
            out.extend(b"ee");
        }
        out
    }

    /// Returns the number of zeros behind a file of a hybrid.
    fn padding(&self, path: &Path, content: &[u8]) -> usize {
        let is_last = self.files.last().is_some_and(|(last, _)| last == path);
        match self.version {
            Version::Hybrid if !is_last => {
                content.len().next_multiple_of(self.piece_length) - content.len()
            }
            _ => 0,
        }
    }

    fn file_tree(&self) -> Vec<u8> {
        let files = self.files.iter().map(|(path, bytes)| (self.inner(path), &bytes[..]));
        v2::file_tree(&files.collect::<Vec<_>>())
    }

    /// The path below the torrent's name, or that name for a file alone.
    fn inner<'a>(&self, path: &'a Path) -> &'a Path {
        match self.has_file_list {
            true => path.strip_prefix(&self.name).expect("files lie below the torrent's name"),
            false => path,
        }
    }
}

fn string(text: &str) -> Vec<u8> {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

/// Bytes that do not compress or repeat, the same ones for the same seed (splitmix64).
fn noise(size: usize, seed: u64) -> Vec<u8> {
    let word = |at: usize| {
        let mut z = (seed << 40).wrapping_add(at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    };
    let mut noise: Vec<u8> = (0..size.div_ceil(8)).flat_map(word).collect();
    noise.truncate(size);
    noise
}
