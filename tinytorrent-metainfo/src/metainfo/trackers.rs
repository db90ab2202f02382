//! URLs and addresses beside the info dictionary.

use std::collections::HashSet;

use tinytorrent_bencode::{Kind, Node};

use crate::report::Report;
use crate::warning::WarningKind;
use crate::{Error, HostPort};

/// Reads the tiers of `announce-list`, or `announce` if it has no URL (BEP 12). A URL that is repeated
/// keeps its first place.
pub(super) fn trackers(
    announce: Option<Node<'_, '_>>,
    announce_list: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<Vec<Vec<String>>, Error> {
    let mut seen = HashSet::new();
    let mut tiers = Vec::new();
    if let Some(list) = announce_list {
        if list.kind() != Kind::List {
            report.deviate(&list, WarningKind::WrongKind(Kind::List))?;
        }
        // A value that is not a list has no entries, and `announce` is used.
        for tier in list.list() {
            let mut urls = self::tier(tier, report)?;
            urls.retain(|url| seen.insert(url.clone()));
            if !urls.is_empty() {
                tiers.push(urls);
            }
        }
    }
    if let (true, Some(announce)) = (tiers.is_empty(), announce) {
        tiers.extend(url(announce, report)?.map(|url| vec![url]));
    }
    Ok(tiers)
}

/// Reads one tier.
fn tier(node: Node<'_, '_>, report: &mut Report) -> Result<Vec<String>, Error> {
    match node.kind() {
        Kind::List => node.list().filter_map(|node| url(node, report).transpose()).collect(),
        // Some programs write a flat list of URLs.
        Kind::String => {
            report.deviate(&node, WarningKind::FlatTier)?;
            Ok(url(node, report)?.into_iter().collect())
        }
        _ => {
            report.deviate(&node, WarningKind::WrongKind(Kind::List))?;
            Ok(Vec::new())
        }
    }
}

/// Reads a list of URLs, a single URL, or an empty string, which is none (BEP 19). Each counts once.
pub(super) fn urls(node: Option<Node<'_, '_>>, report: &mut Report) -> Result<Vec<String>, Error> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let mut seen = HashSet::new();
    let mut urls: Vec<String> = match node.kind() {
        Kind::List => node
            .list()
            .filter_map(|node| url(node, report).transpose())
            .collect::<Result<_, _>>()?,
        Kind::String if node.as_bytes() == Some(b"") => Vec::new(),
        Kind::String => url(node, report)?.into_iter().collect(),
        _ => {
            report.deviate(&node, WarningKind::WrongKind(Kind::List))?;
            Vec::new()
        }
    };
    urls.retain(|url| seen.insert(url.clone()));
    Ok(urls)
}

/// Reads a URL of any scheme, without blanks around it.
fn url(node: Node<'_, '_>, report: &mut Report) -> Result<Option<String>, Error> {
    let url = node.as_str().map(str::trim).filter(|url| !url.is_empty());
    if url.is_none() {
        report.deviate(&node, WarningKind::NotUrl)?;
    }
    Ok(url.map(str::to_owned))
}

/// Reads pairs of host and port (BEP 5, "torrent file extensions").
pub(super) fn nodes(
    node: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<Vec<HostPort>, Error> {
    let Some(node) = node else { return Ok(Vec::new()) };
    if node.kind() != Kind::List {
        report.deviate(&node, WarningKind::WrongKind(Kind::List))?;
    }
    let mut nodes = Vec::new();
    for entry in node.list() {
        match host_and_port(entry) {
            Some(node) => nodes.push(node),
            None => report.deviate(&entry, WarningKind::NotNode)?,
        }
    }
    Ok(nodes)
}

fn host_and_port(entry: Node<'_, '_>) -> Option<HostPort> {
    HostPort::new(entry.index(0)?.as_str()?, entry.index(1)?.as_uint()?)
}
