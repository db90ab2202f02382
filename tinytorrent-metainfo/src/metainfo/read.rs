use std::collections::BTreeMap;
use std::sync::Arc;

use tinytorrent_bencode::{Document, Node};

use super::keys::RootKeys;
use super::{Metainfo, PieceLayers, trackers, wrapped};
use crate::error::{Error, ErrorKind};
use crate::info::{self, Collected, text};
use crate::report::Report;
use crate::warning::WarningKind;
use crate::{Info, ReadOptions};

impl ReadOptions {
    /// Reads a torrent file.
    ///
    /// # Errors
    /// The first error, with byte offset and key path.
    pub fn read(&self, bytes: &[u8]) -> Result<Metainfo, Error> {
        // Paths that had to change are warnings, and need their places too.
        let plain = Collected::read_plain(self, bytes, &["info", "files"], |document, files| {
            read(document, Some(files), self)
        });
        match plain.filter(|metainfo| metainfo.info().path_changes().len() == 0) {
            Some(metainfo) => Ok(metainfo),
            None => read(&self.bencode.decode(bytes)?, None, self),
        }
    }
}

/// Reads a torrent file from a document. The list of files may have been collected during decoding.
fn read(
    document: &Document<'_>,
    collected: Option<Collected>,
    options: &ReadOptions,
) -> Result<Metainfo, Error> {
    let mut report = Report::new(options.lenient, options.max_warnings);
    document.deviations().for_each(|deviation| report.deviation(deviation));
    let root = document.root();
    root.to_dict()?;
    let keys = RootKeys::of(root);
    let info = info_node(root, &keys)?;
    let info = info::read(info, collected, options, &mut report)?;
    let layers = PieceLayers::read(keys.piece_layers, root, &info, &mut report)?;
    if let Some(private) = keys.private {
        report.note(&private, WarningKind::PrivateOutsideInfo);
    }
    Ok(Metainfo {
        root: other_values(root),
        layers,
        trackers: trackers::trackers(keys.announce, keys.announce_list, &mut report)?,
        web_seeds: web_seeds(keys.url_list, &info, &mut report)?,
        http_seeds: trackers::urls(keys.httpseeds, &mut report)?,
        nodes: trackers::nodes(keys.nodes, &mut report)?,
        comment: text(keys.comment_utf8.or(keys.comment), &mut report)?,
        created_by: text(keys.created_by, &mut report)?,
        creation_date: date(keys.creation_date, &mut report),
        similar: info::similar(keys.similar, &mut report)?,
        collections: info::collections(keys.collections, &mut report)?,
        info: Arc::new(info),
        warnings: report.finish(),
    })
}

fn info_node<'doc, 'a>(
    root: Node<'doc, 'a>,
    keys: &RootKeys<'doc, 'a>,
) -> Result<Node<'doc, 'a>, Error> {
    if let Some(info) = keys.info {
        return Ok(info);
    }
    match wrapped::magnet(keys) {
        Some(magnet) => Err(Error::at(&root, ErrorKind::IsMagnet(magnet))),
        None => Ok(root.require("info")?),
    }
}

/// Reads `url-list`. With several files each URL is a folder, and gets a `/` at its end (BEP 19).
fn web_seeds(
    node: Option<Node<'_, '_>>,
    info: &Info,
    report: &mut Report,
) -> Result<Vec<String>, Error> {
    let mut urls = trackers::urls(node, report)?;
    // The URL of a single file in a folder may be the file itself, so it is kept, as in libtorrent and
    // transmission.
    if info.layout().files().filter(|file| !file.is_pad()).nth(1).is_some() {
        urls.iter_mut().filter(|url| !url.ends_with('/')).for_each(|url| url.push('/'));
        let mut seen = std::collections::HashSet::new();
        urls.retain(|url| seen.insert(url.clone()));
    }
    Ok(urls)
}

/// Reads `creation date`. A wrong date is a harmless fault: some programs write text or fractions.
fn date(node: Option<Node<'_, '_>>, report: &mut Report) -> Option<i64> {
    let node = node?;
    let from_text = || node.as_str().and_then(|text| text.trim().parse().ok());
    let date = node.as_i64().or_else(from_text);
    if date.is_none() {
        report.note(&node, WarningKind::Nonsense);
    }
    date
}

/// The values of all keys but `info` and `piece layers`. The first of equal keys counts.
fn other_values(root: Node<'_, '_>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut others = BTreeMap::new();
    for (key, value) in root.dict().filter(|(key, _)| !matches!(*key, b"info" | b"piece layers")) {
        others.entry(key.to_vec()).or_insert_with(|| value.raw().to_vec());
    }
    others
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(bytes: &str) -> String {
        format!("{}:{bytes}", bytes.len())
    }

    /// An entry of `files`, with parts from these lists.
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
                    let table = table.and_then(|document| read(&document, None, &options));
                    prop_assert_eq!(format!("{:?}", options.read(&bytes)), format!("{table:?}"));
                }
            }
        }
    }
}
