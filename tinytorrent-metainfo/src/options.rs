use std::sync::Arc;

use tinytorrent_bencode::{self as bencode, Document};

use crate::info::Collected;
use crate::{Error, Info, Metainfo, PathPolicy, info, metainfo};

/// How to read torrents: mode, path policy and limits.
///
/// Strict reading takes what the BEPs allow and nothing else; lenient reading takes what is
/// deployed, and says what it forgave in [`Metainfo::warnings`].
///
/// # Defaults
///
/// | option | default |
/// |---|---|
/// | mode | strict |
/// | [`path_policy`](Self::path_policy) | [`PathPolicy::System`] |
/// | [`max_bytes`](Self::max_bytes) | 128 MiB |
/// | [`max_depth`](Self::max_depth) | 210 |
/// | [`max_nodes`](Self::max_nodes) | 3,000,000 |
/// | [`max_pieces`](Self::max_pieces) | 2^21 |
/// | [`max_warnings`](Self::max_warnings) | 100 |
///
/// ```
/// use tinytorrent_metainfo::{PathPolicy, ReadOptions};
///
/// let mut options = ReadOptions::lenient();
/// options.path_policy(PathPolicy::Portable);
/// // Bytes follow the value, which lenient reading forgives, and Windows takes no `:`.
/// let torrent = b"d4:infod6:lengthi1e4:name3:a:b12:piece lengthi16384e\
///     6:pieces20:ABCDEFGHIJKLMNOPQRSTee\n";
/// let metainfo = options.read(torrent)?;
/// assert_eq!(metainfo.info().name(), "a_b");
/// assert_eq!(metainfo.warnings().len(), 2);
/// # Ok::<(), tinytorrent_metainfo::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReadOptions {
    pub(crate) lenient: bool,
    pub(crate) policy: PathPolicy,
    pub(crate) max_pieces: u32,
    pub(crate) max_warnings: usize,
    bencode: bencode::Options,
}

impl ReadOptions {
    /// Takes what the BEPs allow and nothing else.
    pub fn strict() -> Self {
        Self::new(false, bencode::Options::strict())
    }

    /// Takes what is deployed, and keeps a list of what was forgiven.
    pub fn lenient() -> Self {
        Self::new(true, bencode::Options::lenient())
    }

    fn new(lenient: bool, mut bencode: bencode::Options) -> Self {
        bencode.max_bytes(128 << 20).max_depth(210);
        let policy = PathPolicy::default();
        Self { lenient, policy, max_pieces: 1 << 21, max_warnings: 100, bencode }
    }

    /// How names become paths. Default: [`PathPolicy::System`].
    pub fn path_policy(&mut self, policy: PathPolicy) -> &mut Self {
        self.policy = policy;
        self
    }

    /// Bytes of a torrent at most. Default: 128 MiB, twice what 2^21 pieces and their v2 hashes
    /// take.
    pub fn max_bytes(&mut self, bytes: usize) -> &mut Self {
        self.bencode.max_bytes(bytes);
        self
    }

    /// Lists and dictionaries within each other at most. Default: 210, room for file trees of
    /// [`MAX_DEPTH`](crate::MAX_DEPTH) folders; reading needs no stack.
    pub fn max_depth(&mut self, depth: usize) -> &mut Self {
        self.bencode.max_depth(depth);
        self
    }

    /// Keys and values at most. Default: 3,000,000, as libtorrent; each costs 8 bytes while
    /// reading. Enough for 400,000 files.
    pub fn max_nodes(&mut self, nodes: usize) -> &mut Self {
        self.bencode.max_nodes(nodes);
        self
    }

    /// Pieces at most. Default: 2^21, as libtorrent. More cost memory for bitfields and for what is
    /// known of each piece.
    pub fn max_pieces(&mut self, pieces: u32) -> &mut Self {
        self.max_pieces = pieces;
        self
    }

    /// Warnings that are kept; the others are counted. Default: 100.
    pub fn max_warnings(&mut self, warnings: usize) -> &mut Self {
        self.max_warnings = warnings;
        self.bencode.max_deviations(warnings);
        self
    }

    /// Reads a torrent file.
    ///
    /// # Errors
    /// What is wrong, with byte offset and key path.
    pub fn read(&self, bytes: &[u8]) -> Result<Metainfo, Error> {
        let plain = self.collect(bytes, &["info", "files"], |document, files| {
            metainfo::read(document, Some(files), self)
        });
        match plain.filter(|metainfo| metainfo.info().path_changes().len() == 0) {
            Some(metainfo) => Ok(metainfo),
            None => metainfo::read(&self.bencode.decode(bytes)?, None, self),
        }
    }

    /// Reads a bare info dictionary, as peers send it for a magnet link (BEP 9). What it says goes
    /// through the same checks.
    ///
    /// # Errors
    /// What is wrong, with byte offset and key path.
    pub fn read_info(&self, bytes: &[u8]) -> Result<Arc<Info>, Error> {
        let plain = self.collect(bytes, &["files"], |document, files| {
            info::read_bare(document, Some(files), self)
        });
        let info = match plain.filter(|info| info.path_changes().len() == 0) {
            Some(info) => info,
            None => info::read_bare(&self.bencode.decode(bytes)?, None, self)?,
        };
        Ok(Arc::new(info))
    }

    /// Reads what has a list of files of which there is nothing to say, without keeping a table of all
    /// it holds. `None` if there may be something: only a table tells where.
    fn collect<T>(
        &self,
        bytes: &[u8],
        files: &[&str],
        read: impl FnOnce(&Document<'_>, Collected) -> Result<T, Error>,
    ) -> Option<T> {
        let mut collected = Collected::new(self);
        let document = self.bencode.decode_each(bytes, files, &mut collected)?;
        if collected.is_plain() { read(&document, collected).ok() } else { None }
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self::strict()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(bytes: &str) -> String {
        format!("{}:{bytes}", bytes.len())
    }

    /// An entry of `files`, of parts that are chosen from these.
    fn entry(
        names: &[&'static str],
        lengths: &[&'static str],
        attributes: &[&'static str],
        more: &[&'static str],
    ) -> impl Strategy<Value = String> + use<> {
        let name = prop::sample::select(names.to_vec()).prop_map(string);
        let path = prop::collection::vec(name, 1..5);
        let [lengths, attributes, more] = [lengths, attributes, more].map(<[_]>::to_vec);
        let parts = (path, [lengths, attributes, more].map(prop::sample::select));
        parts.prop_map(|(path, [length, attributes, more])| {
            format!("d{attributes}6:lengthi{length}e4:pathl{}e{more}e", path.concat())
        })
    }

    fn entries() -> impl Strategy<Value = Vec<String>> {
        let tame = entry(
            &["a", "b", "c", "c.flac", "1:a", "a name of more than eight bytes"],
            &["0", "7", "40000", "12345678"],
            &["", "", "4:attr1:x", "4:attr1:p"],
            &["", "", "10:path.utf-8l1:ae"],
        );
        let wild = entry(
            &["A", "con", "..", "", "_____padding_file_0", "\u{202e}"],
            &["0", "12345678901234567", "123456789012345678", "-1", "007", ""],
            &["", "4:attr1:l", "4:attri1e"],
            &["", "6:md5sum1:x", "6:pathly0:"],
        );
        let mixed = prop_oneof![9 => tame, 1 => wild];
        prop::collection::vec(mixed, 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_torrent_is_the_same_with_and_without_a_table(
            entries in entries(),
            odd in prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
            depth in 3..8_usize,
            nodes in 10..200_usize,
        ) {
            let files = format!("5:filesl{}e4:name3:top12:piece lengthi268435456e6:pieces20:ABCDEFGHIJKLMNOPQRST", entries.concat());
            let mut bytes = format!("d4:infod{files}ee").into_bytes();
            if let Some((at, byte)) = odd {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for mut options in [ReadOptions::strict(), ReadOptions::lenient()] {
                for (depth, nodes) in [(100, 100_000), (depth, nodes)] {
                    options.max_depth(depth).max_nodes(nodes);
                    let table = options.bencode.decode(&bytes).map_err(Error::from);
                    let table = table.and_then(|document| metainfo::read(&document, None, &options));
                    prop_assert_eq!(format!("{:?}", options.read(&bytes)), format!("{table:?}"));
                }
            }
        }
    }
}
