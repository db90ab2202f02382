//! Content to exchange, and its torrent, made without any of the libraries under test.

use std::fs;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

/// Files made of pseudo-random bytes.
pub struct Content {
    /// The torrent's `name`.
    pub name: String,
    /// Paths below the download folder, in the torrent's order, and their bytes.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// Whether the torrent has a `files` list, which it may have for a single file as well.
    pub has_file_list: bool,
    /// In bytes.
    pub piece_length: usize,
}

impl Content {
    /// One file; the torrent has a `length`.
    pub fn single(name: &str, size: usize) -> Self {
        let files = vec![(name.into(), noise(size, 1))];
        Self { name: name.to_owned(), files, has_file_list: false, piece_length: 64 << 10 }
    }

    /// Files below a folder; the torrent has a `files` list.
    pub fn multi(name: &str, files: &[(&str, usize)]) -> Self {
        let file = |(at, (path, size)): (usize, &(&str, usize))| {
            (Path::new(name).join(path), noise(*size, 2 + at as u64))
        };
        let files = files.iter().enumerate().map(file).collect();
        Self { name: name.to_owned(), files, has_file_list: true, piece_length: 64 << 10 }
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

    /// What is wrong with a copy of the content below `folder`.
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

    /// The SHA-1 of the info dictionary.
    pub fn info_hash(&self) -> [u8; 20] {
        Sha1::digest(self.info()).into()
    }

    /// The info-hash as lower-case hexadecimal digits.
    pub fn info_hash_hex(&self) -> String {
        tinytorrent_examples::hex::encode(&self.info_hash())
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
        out.push(b'e');
        out
    }

    /// A magnet link with these trackers.
    pub fn magnet(&self, trackers: &[String]) -> String {
        let escape = |url: &String| -> String {
            url::form_urlencoded::byte_serialize(url.as_bytes()).collect()
        };
        let tr: String = trackers.iter().map(|url| format!("&tr={}", escape(url))).collect();
        format!("magnet:?xt=urn:btih:{}{tr}", self.info_hash_hex())
    }

    fn info(&self) -> Vec<u8> {
        let mut out = b"d".to_vec();
        if self.has_file_list {
            out.extend(string("files"));
            out.push(b'l');
            out.extend(self.files.iter().flat_map(|(path, bytes)| self.file(path, bytes)));
            out.push(b'e');
        } else {
            out.extend(string("length"));
            out.extend(format!("i{}e", self.size()).bytes());
        }
        out.extend(string("name"));
        out.extend(string(&self.name));
        out.extend(string("piece length"));
        out.extend(format!("i{}e", self.piece_length).bytes());
        out.extend(string("pieces"));
        let whole: Vec<u8> = self.files.iter().flat_map(|(_, bytes)| bytes).copied().collect();
        let pieces = whole.chunks(self.piece_length).map(Sha1::digest);
        out.extend(bytes(&pieces.flatten().collect::<Vec<u8>>()));
        out.push(b'e');
        out
    }

    fn file(&self, path: &Path, content: &[u8]) -> Vec<u8> {
        let inner = path.strip_prefix(&self.name).expect("files lie below the torrent's name");
        let parts = inner.iter().flat_map(|part| string(part.to_str().expect("names are text")));
        let mut out = format!("d6:lengthi{}e4:pathl", content.len()).into_bytes();
        out.extend(parts);
        out.extend(b"ee");
        out
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
