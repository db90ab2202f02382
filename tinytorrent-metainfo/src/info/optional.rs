//! Optional values of an info dictionary, and of the dictionary around it.

use tinytorrent_bencode::{Kind, Node};
use tinytorrent_types::InfoHashV1;

use crate::error::Error;
use crate::report::Report;
use crate::warning::WarningKind;

/// Reads an optional string for display. Bytes that are not UTF-8 are replaced: BEP 3 requires UTF-8,
/// but older torrents have other charsets.
pub(crate) fn text(
    node: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<Option<String>, Error> {
    let Some(node) = node else { return Ok(None) };
    let Some(bytes) = node.as_bytes() else {
        report.deviate(&node, WarningKind::WrongKind(Kind::String))?;
        return Ok(None);
    };
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// Reads `similar` (BEP 38). Entries that are not 20 bytes long are skipped.
pub(crate) fn similar(
    node: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<Vec<InfoHashV1>, Error> {
    let Some(node) = list(node, report)? else { return Ok(Vec::new()) };
    let hashes = node.list().filter_map(|hash| hash.as_array().copied());
    Ok(hashes.map(InfoHashV1::from_bytes).collect())
}

/// Reads `collections` (BEP 38). Entries that are not strings are skipped.
pub(crate) fn collections(
    node: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<Vec<String>, Error> {
    let Some(node) = list(node, report)? else { return Ok(Vec::new()) };
    let name = |node: Node<'_, '_>| Some(String::from_utf8_lossy(node.as_bytes()?).into_owned());
    Ok(node.list().filter_map(name).collect())
}

fn list<'doc, 'a>(
    node: Option<Node<'doc, 'a>>,
    report: &mut Report,
) -> Result<Option<Node<'doc, 'a>>, Error> {
    let Some(node) = node else { return Ok(None) };
    if node.kind() != Kind::List {
        report.deviate(&node, WarningKind::WrongKind(Kind::List))?;
        return Ok(None);
    }
    Ok(Some(node))
}
