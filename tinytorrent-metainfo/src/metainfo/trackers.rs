//! URLs and addresses beside the info dictionary.

use std::collections::HashSet;

use tinytorrent_bencode::{Kind, Node};

use crate::report::Report;
use crate::warning::WarningKind;
use crate::{Error, HostPort};

/// BEP 12: `announce-list` where it holds a URL, or else `announce`. Of a URL that occurs again the
/// first place counts.
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

/// A tier is a list; software that writes a flat list of URLs exists (lenient).
fn tier(node: Node<'_, '_>, report: &mut Report) -> Result<Vec<String>, Error> {
    match node.kind() {
        Kind::List => node.list().filter_map(|node| url(node, report).transpose()).collect(),
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

/// A list of URLs, or one alone, or an empty string for none (BEP 19). Each counts once.
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

/// Text without the blanks around it. Whether somebody knows its scheme is not asked here.
fn url(node: Node<'_, '_>, report: &mut Report) -> Result<Option<String>, Error> {
    let url = node.as_str().map(str::trim).filter(|url| !url.is_empty());
    if url.is_none() {
        report.deviate(&node, WarningKind::NotUrl)?;
    }
    Ok(url.map(str::to_owned))
}

/// BEP 5, "torrent file extensions": pairs of host and port.
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
    let port = u16::try_from(entry.index(1)?.as_u64()?).ok()?;
    HostPort::new(entry.index(0)?.as_str()?, port)
}
