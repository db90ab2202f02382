//! Repair of links that web pages, mails and desktops have changed.
//!
//! | change | origin |
//! |---|---|
//! | blanks, byte order marks, quotes or angle brackets around the link | copies with text around the link |
//! | `&amp;` `&#38;` `&#x26;`, once or twice | HTML, and `\u0026` from scripts |
//! | `magnet:///?`, `magnet:///%3F` | desktops that treat the link as the path of a file |
//! | `magnet%3A%3Fxt%3D…` | links that were the parameter of another link |
//! | a link on several lines | mails |

use std::borrow::Cow;

use tinytorrent_types::is_printable;

use super::escape::unescape;

/// The links that a text may contain, the likeliest first: all lines that look like one link, then only
/// the first line.
pub(super) fn candidates(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let text = unwrap(text);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let rest: Vec<&str> = lines.map(trim).take_while(|line| continues_link(line)).collect();
    let joined = (!rest.is_empty()).then(|| Cow::Owned(trim(first).to_owned() + &rest.concat()));
    joined.into_iter().chain([Cow::Borrowed(trim(first))])
}

/// Returns true if a line can be the continuation of a link.
fn continues_link(line: &str) -> bool {
    let is_another = scheme_length(line).is_some();
    // A line of several words is text, unless it has parameters: names in links may have blanks.
    let is_word = !line.contains(char::is_whitespace);
    !line.is_empty() && !is_another && (is_word || line.contains('&') && line.contains('='))
}

/// The parameters of a link, separated by `&`; `None` if it is not a magnet link.
pub(super) fn query(link: &str) -> Option<String> {
    // A link has no angle brackets; HTML follows.
    let link = link.split(['<', '>']).next().unwrap_or_default();
    let link = without_entities(link.trim_end_matches(['"', '\'']));
    let mut rest = link[scheme_length(&link)?..].to_owned();
    for _ in 0..MAX_ROUNDS {
        // Without a `=` the link is escaped as a whole.
        if rest.contains('=') || !rest.contains('%') {
            break;
        }
        rest = without_entities(&unescape(&rest)).into_owned();
    }
    let path = rest.trim_start_matches('/');
    ["?", "%3F", "%3f"].iter().find_map(|mark| path.strip_prefix(mark)).map(str::to_owned)
}

/// The length of `magnet:`, escaped or not, at the beginning of a link.
fn scheme_length(link: &str) -> Option<usize> {
    let begins =
        |scheme: &str| link.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
    ["magnet:", "magnet%3A", "magnet%253A"].into_iter().find(|scheme| begins(scheme)).map(str::len)
}

/// The text without blanks and invisible characters around it.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || !is_printable(c))
}

/// The text without blanks, quotes and brackets around it. A closing bracket without an opening one is
/// part of the link.
fn unwrap(text: &str) -> &str {
    let mut text = trim(text);
    while let Some((open, close)) = PAIRS.iter().find(|(open, _)| text.starts_with(*open)) {
        text = text.strip_prefix(*open).unwrap_or(text);
        text = trim(text.strip_suffix(*close).unwrap_or(text));
    }
    text
}

/// Quotes and brackets around links.
const PAIRS: [(char, char); 7] =
    [('<', '>'), ('"', '"'), ('\'', '\''), ('`', '`'), ('(', ')'), ('[', ']'), ('“', '”')];

/// The text with entities replaced by their characters.
fn without_entities(text: &str) -> Cow<'_, str> {
    // `&amp;amp;` was escaped twice.
    let mut text = Cow::Borrowed(text);
    for _ in 0..MAX_ROUNDS {
        match replace_entities(&text) {
            Some(changed) => text = Cow::Owned(changed),
            None => break,
        }
    }
    text
}

/// The text with entities replaced by their characters, once; `None` if it has no entities.
fn replace_entities(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['&', '\\']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        // `&` and `\` are single bytes.
        let (character, length) = entity(after).unwrap_or_else(|| (after.as_bytes()[0].into(), 1));
        out.push(character);
        rest = &after[length..];
    }
    out.push_str(rest);
    // Every entity is longer than its character.
    (out.len() < text.len()).then_some(out)
}

/// The character of the entity at the beginning of a text, and the length of the entity in bytes.
fn entity(text: &str) -> Option<(char, usize)> {
    if let Some((_, character)) = SCRIPT.iter().find(|(escape, _)| text.starts_with(escape)) {
        return Some((*character, SCRIPT[0].0.len()));
    }
    let end = text.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    });
    let named = || NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| *character);
    Some((number.and_then(char::from_u32).or_else(named)?, end + 1))
}

/// The entities of HTML for characters with a meaning in links or around them.
const NAMED: [(&str, char); 10] = [
    ("amp", '&'),
    ("AMP", '&'),
    ("quot", '"'),
    ("apos", '\''),
    ("lt", '<'),
    ("gt", '>'),
    ("colon", ':'),
    ("equals", '='),
    ("quest", '?'),
    ("percnt", '%'),
];

/// Escapes of JavaScript for the separators of links; all have the same length.
const SCRIPT: [(&str, char); 2] = [("\\u0026", '&'), ("\\u003d", '=')];

/// Bytes of an entity at most: those of `&#x0010FFFF;`.
const MAX_ENTITY: usize = 12;

/// Rounds of escaping that are undone at most. It is a guess that bounds the time.
const MAX_ROUNDS: usize = 3;
