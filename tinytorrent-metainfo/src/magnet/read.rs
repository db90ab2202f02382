use tinytorrent_types::{InfoHashV1, InfoHashV2, InfoHashes};

use super::escape::{base32, unescape};
use super::parameters::Parameters;
use super::{FileSelection, KeyMagnet, Magnet, MagnetError, MagnetLink, TorrentKey, pasted};

pub(super) fn read(text: &str) -> Result<MagnetLink, MagnetError> {
    if text.len() > Magnet::MAX_LENGTH {
        return Err(MagnetError::TooLong { found: text.len() });
    }
    let mut error = MagnetError::Scheme;
    for link in pasted::candidates(text) {
        match read_link(&link) {
            Ok(read) => return Ok(read),
            // The last candidate is the plainest, and has the clearest error.
            Err(last) => error = last,
        }
    }
    Err(error)
}

fn read_link(link: &str) -> Result<MagnetLink, MagnetError> {
    let query = &pasted::query(link).ok_or(MagnetError::Scheme)?;
    let (hashes, key) = (read_hashes(query), read_key(query));
    let mut rest = Parameters { selection: read_selection(query), ..Parameters::default() };
    parameters(query).for_each(|(key, value)| read_parameter(&mut rest, &key, value));
    match hashes {
        // The torrent is known, so that a key that cannot be used is left out like any other source.
        Ok(hashes) => {
            let key = key.ok().flatten();
            Ok(MagnetLink::Torrent(Magnet::with_parameters(hashes, key, rest)))
        }
        Err(no_hash @ (MagnetError::NoInfoHash | MagnetError::UnsupportedMultihash { .. })) => {
            let key = key?.ok_or(no_hash)?;
            Ok(MagnetLink::Key(KeyMagnet::with_parameters(key, rest)))
        }
        Err(error) => Err(error),
    }
}

/// Reads a bare info-hash in any of its notations.
pub(super) fn read_info_hash(text: &str) -> Option<InfoHashes> {
    match text.len() {
        32 | 40 => read_btih(text).ok().map(InfoHashes::from_v1),
        64 => text.parse().ok().map(InfoHashes::from_v2),
        68 => text.strip_prefix(SHA256)?.parse().ok().map(InfoHashes::from_v2),
        _ => None,
    }
}

/// The prefix of the multihash of a SHA-256: its code, and its length of 32 bytes.
const SHA256: &str = "1220";

/// The parameters of a link: keys in lower case without their number (`tr` for `tr.1`), and values with
/// their escapes.
fn parameters(query: &str) -> impl Iterator<Item = (String, &str)> {
    query.split('&').filter_map(|part| {
        let (key, value) = part.split_once('=')?;
        let key = unescape(key).to_ascii_lowercase();
        let key = match key.rsplit_once('.') {
            Some((key, number)) if is_number(number) => key.to_owned(),
            _ => key,
        };
        Some((key, value.trim()))
    })
}

/// The value without the text that may follow the link. Values other than names have no blanks.
fn first_word(value: &str) -> &str {
    value.split(|c: char| c.is_whitespace() || c == '"').next().unwrap_or_default()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The info-hashes of all `xt` together.
fn read_hashes(query: &str) -> Result<InfoHashes, MagnetError> {
    let (mut v1, mut v2, mut unsupported) = (None, None, None);
    for (_, value) in parameters(query).filter(|(key, _)| key == "xt") {
        let topic = unescape(first_word(value));
        if let Some(hash) = without_prefix(&topic, "urn:btih:") {
            set_once(&mut v1, read_btih(hash)?)?;
        } else if let Some(multihash) = without_prefix(&topic, "urn:btmh:") {
            match multihash.strip_prefix(SHA256).filter(|hash| hash.len() == 64) {
                Some(hash) => set_once(&mut v2, read_btmh(hash)?)?,
                None => unsupported = Some(multihash.chars().take(MAX_SHOWN).collect()),
            }
        }
    }
    InfoHashes::new(v1, v2).ok_or(match unsupported {
        Some(multihash) => MagnetError::UnsupportedMultihash { multihash },
        None => MagnetError::NoInfoHash,
    })
}

/// Characters of a multihash that an error shows: more than any hash function in use has.
const MAX_SHOWN: usize = 200;

fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| text[prefix.len()..].trim())
}

/// Sets a hash that may occur more than once, but only with one value.
fn set_once<H: PartialEq>(slot: &mut Option<H>, hash: H) -> Result<(), MagnetError> {
    match slot {
        Some(known) if *known != hash => Err(MagnetError::Conflict),
        _ => {
            *slot = Some(hash);
            Ok(())
        }
    }
}

/// The key of all `xs` and `s` together (BEP 46).
fn read_key(query: &str) -> Result<Option<TorrentKey>, MagnetError> {
    let once = |name: &str, read: fn(&str) -> Option<String>| {
        let mut found = None;
        for (_, value) in parameters(query).filter(|(key, _)| key == name) {
            let Some(digits) = read(&unescape(first_word(value))) else { continue };
            match &found {
                Some(known) if *known != digits => return Err(MagnetError::KeyConflict),
                _ => found = Some(digits),
            }
        }
        Ok(found)
    };
    let public = once("xs", |source| Some(key_digits(source)?.to_ascii_lowercase()))?;
    let Some(public) = public else { return Ok(None) };
    let salt = once("s", |salt| Some(salt.trim().to_ascii_lowercase()))?;
    Ok(Some(TorrentKey::from_digits(&public, &salt.unwrap_or_default())?))
}

/// The digits of an exact source that is a key.
fn key_digits(source: &str) -> Option<&str> {
    without_prefix(source.trim(), "urn:btpk:")
}

fn read_btih(hash: &str) -> Result<InfoHashV1, MagnetError> {
    let digits = || MagnetError::HashDigits { hash: hash.to_owned() };
    match hash.len() {
        40 => hash.parse().map_err(|_| digits()),
        32 => base32(hash).map(InfoHashV1::from_bytes).ok_or_else(digits),
        _ => Err(MagnetError::HashLength { found: hash.chars().count() }),
    }
}

fn read_btmh(hash: &str) -> Result<InfoHashV2, MagnetError> {
    hash.parse().map_err(|_| MagnetError::HashDigits { hash: hash.to_owned() })
}

/// The files of all `so` together.
fn read_selection(query: &str) -> FileSelection {
    // A link may have a hundred thousand of them, so they are merged once, not one by one.
    let texts = parameters(query).filter(|(key, _)| key == "so");
    let ranges =
        texts.flat_map(|(_, value)| FileSelection::ranges_of(&unescape(first_word(value))));
    FileSelection::new(ranges.take(Magnet::MAX_ENTRIES))
}

/// Reads a parameter other than `xt`, `so` and those of a key. Unusable values are left out.
fn read_parameter(rest: &mut Parameters, key: &str, value: &str) {
    if key == "dn" && rest.name.is_none() {
        // Before unescaping: `+` is a blank, as in forms, and `%2B` a plus.
        let name = unescape(&value.replace('+', " "));
        rest.name = (!name.is_empty()).then_some(name);
    }
    let value = first_word(value);
    match key {
        "xl" => rest.length = rest.length.or(value.parse().ok()),
        "tr" => add_url(&mut rest.trackers, value),
        "ws" => add_url(&mut rest.web_seeds, value),
        "xs" if key_digits(&unescape(value)).is_none() => {
            add_url(&mut rest.exact_sources, value);
        }
        "as" => add_url(&mut rest.acceptable_sources, value),
        "x.pe" => add(&mut rest.peers, unescape(value).parse().ok()),
        "dht" => add(&mut rest.nodes, unescape(value).parse().ok()),
        _ => {}
    }
}

/// Adds a value that is a URL of any scheme.
fn add_url(urls: &mut Vec<String>, value: &str) {
    let url = unescape(value);
    let url = url.trim();
    let has_scheme = url.split_once(':').is_some_and(|(scheme, rest)| {
        let is_scheme =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        !rest.is_empty()
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(is_scheme)
    });
    add(urls, has_scheme.then(|| url.to_owned()));
}

/// Adds an item that is new to a list.
fn add<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    let Some(item) = item else { return };
    // A search of the whole list would take quadratic time for a link with many entries.
    let recent = list.len().saturating_sub(100);
    if list.len() < Magnet::MAX_ENTRIES && !list[recent..].contains(&item) {
        list.push(item);
    }
}
