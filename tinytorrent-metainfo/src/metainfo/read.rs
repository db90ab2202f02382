use std::collections::BTreeMap;
use std::sync::Arc;

use tinytorrent_bencode::{Document, Node};

use super::{Metainfo, PieceLayers, trackers, wrapped};
use crate::error::{Error, ErrorKind};
use crate::info::{self, Collected, keys, text};
use crate::report::Report;
use crate::warning::WarningKind;
use crate::{Info, ReadOptions};

keys! {
    /// The outermost dictionary of a torrent file.
    RootKeys {
        announce: b"announce",
        announce_list: b"announce-list",
        collections: b"collections",
        comment: b"comment",
        comment_utf8: b"comment.utf-8",
        created_by: b"created by",
        creation_date: b"creation date",
        httpseeds: b"httpseeds",
        info: b"info",
        magnet_info: b"magnet-info",
        magnet_uri: b"magnet-uri",
        nodes: b"nodes",
        piece_layers: b"piece layers",
        private: b"private",
        similar: b"similar",
        url_list: b"url-list",
    }
}

/// Reads a torrent file, whose list of files may have been collected before.
pub(crate) fn read(
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
        root: others(root),
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

/// Web seeds of several files are folders, with or without the slash (BEP 19). Of one file in a folder
/// the URL may be that of the file: libtorrent and transmission leave it as it is.
fn web_seeds(
    node: Option<Node<'_, '_>>,
    info: &Info,
    report: &mut Report,
) -> Result<Vec<String>, Error> {
    let mut urls = trackers::urls(node, report)?;
    if info.layout().files().filter(|file| !file.is_pad()).nth(1).is_some() {
        urls.iter_mut().filter(|url| !url.ends_with('/')).for_each(|url| url.push('/'));
        let mut seen = std::collections::HashSet::new();
        urls.retain(|url| seen.insert(url.clone()));
    }
    Ok(urls)
}

/// Dates come as text, as fractions, or beyond all time; none of that is worth a torrent.
fn date(node: Option<Node<'_, '_>>, report: &mut Report) -> Option<i64> {
    let node = node?;
    let from_text = || node.as_str().and_then(|text| text.trim().parse().ok());
    let date = node.as_i64().or_else(from_text);
    if date.is_none() {
        report.note(&node, WarningKind::Nonsense);
    }
    date
}

/// Everything that is kept as it is. Of equal keys the first counts.
fn others(root: Node<'_, '_>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut others = BTreeMap::new();
    for (key, value) in root.dict().filter(|(key, _)| !matches!(*key, b"info" | b"piece layers")) {
        others.entry(key.to_vec()).or_insert_with(|| value.raw().to_vec());
    }
    others
}
