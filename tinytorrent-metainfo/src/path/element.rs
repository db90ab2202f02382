use super::policy::{PathChangeKind, PathPolicy};
use super::words::{fold_words, is_odd};

/// A set of [`PathChangeKind`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(super) fn of(kind: PathChangeKind) -> Self {
        Self(1 << kind as u16)
    }

    pub(crate) fn add(&mut self, kind: PathChangeKind) {
        self.0 |= 1 << kind as u16;
    }

    pub(crate) fn remove(&mut self, kind: PathChangeKind) {
        self.0 &= !(1 << kind as u16);
    }

    pub(crate) fn merge(&mut self, other: Kinds) {
        self.0 |= other.0;
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn first(self) -> Option<PathChangeKind> {
        PathChangeKind::ALL.into_iter().find(|&kind| self.0 & 1 << kind as u16 != 0)
    }

    pub(crate) fn to_vec(self) -> Vec<PathChangeKind> {
        PathChangeKind::ALL.into_iter().filter(|&kind| self.0 & 1 << kind as u16 != 0).collect()
    }
}

/// Bytes of an element at most: the limit of ext4, APFS and NTFS alike for ASCII, and stricter
/// than NTFS's for the rest.
pub(crate) const MAX_ELEMENT: usize = 255;

/// Bytes of an ending that survives a cut; longer ones are no file name extension.
const MAX_EXTENSION: usize = 16;

/// Appends one element to `out` as the policy wants it, and says what was changed.
pub(crate) fn sanitise(raw: &[u8], policy: PathPolicy, out: &mut Vec<u8>) -> Kinds {
    if is_plain(raw) || (policy.keeps_bytes() && is_held_by_unix(raw)) {
        out.extend_from_slice(raw);
        return Kinds::default();
    }
    let start = out.len();
    let mut kinds = Kinds::default();
    match raw {
        b"" => kinds.add(PathChangeKind::Empty),
        b"." | b".." => kinds.add(PathChangeKind::Traversal),
        _ => filter(raw, policy, out, &mut kinds),
    }
    if policy.obeys_windows() {
        trim(out, start, &mut kinds);
        evade_reserved(out, start, &mut kinds);
    }
    if out.len() - start > MAX_ELEMENT {
        kinds.add(PathChangeKind::TooLong);
        shorten(out, start, MAX_ELEMENT);
        if policy.obeys_windows() {
            trim(out, start, &mut kinds);
        }
    }
    if matches!(&out[start..], b"" | b"." | b"..") {
        out.truncate(start);
        out.push(b'_');
    }
    kinds
}

/// Whether every policy takes the element as it is: the common case, decided at a glance.
fn is_plain(raw: &[u8]) -> bool {
    raw.len() <= MAX_ELEMENT
        && fold_words(raw, 0, |odd, word| odd | is_odd(word)) == 0
        && raw.last().is_some_and(|&last| last != b'.' && last != b' ')
        && !is_reserved(raw)
}

/// `true` if Linux and its like hold the element as it is.
fn is_held_by_unix(raw: &[u8]) -> bool {
    !matches!(raw, b"" | b"." | b"..")
        && raw.len() <= MAX_ELEMENT
        && !raw.iter().any(|&byte| byte == 0 || byte == b'/')
}

/// Replaces or drops characters. Invalid UTF-8 gives one `_` a byte, overlong forms included, so
/// that nothing hidden in them is ever decoded (BEP 52, "file tree").
fn filter(raw: &[u8], policy: PathPolicy, out: &mut Vec<u8>, kinds: &mut Kinds) {
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            match judge(character, policy) {
                None => {
                    let mut buffer = [0; 4];
                    out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
                }
                Some(PathChangeKind::Invisible) => kinds.add(PathChangeKind::Invisible),
                Some(kind) => {
                    kinds.add(kind);
                    out.push(b'_');
                }
            }
        }
        if policy.keeps_bytes() {
            out.extend_from_slice(chunk.invalid());
        } else if !chunk.invalid().is_empty() {
            kinds.add(PathChangeKind::NotUtf8);
            out.extend(chunk.invalid().iter().map(|_| b'_'));
        }
    }
}

fn judge(character: char, policy: PathPolicy) -> Option<PathChangeKind> {
    match character {
        '/' => Some(PathChangeKind::Separator),
        '\0' => Some(PathChangeKind::Control),
        '\\' | ':' if policy.obeys_windows() => Some(PathChangeKind::Separator),
        '<' | '>' | '"' | '|' | '?' | '*' if policy.obeys_windows() => {
            Some(PathChangeKind::Forbidden)
        }
        '\u{1}'..='\u{1f}' if policy.obeys_windows() => Some(PathChangeKind::Control),
        _ if !policy.shows_all() => None,
        // A terminal obeys these; no name needs them.
        '\u{7f}'..='\u{9f}' => Some(PathChangeKind::Control),
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => Some(PathChangeKind::Invisible),
        _ => None,
    }
}

fn trim(out: &mut Vec<u8>, start: usize, kinds: &mut Kinds) {
    while out.len() > start && matches!(out.last(), Some(b'.' | b' ')) {
        out.pop();
        kinds.add(PathChangeKind::TrailingDot);
    }
}

fn evade_reserved(out: &mut Vec<u8>, start: usize, kinds: &mut Kinds) {
    if is_reserved(&out[start..]) {
        kinds.add(PathChangeKind::Reserved);
        out.insert(start, b'_');
    }
}

/// Whether Windows takes the name for a device, whatever its case and extension.
fn is_reserved(name: &[u8]) -> bool {
    // The cheapest test first: nearly all names end here.
    let [first, second, third, ..] = name else { return false };
    let start = u32::from_le_bytes([*first, *second, *third, 0]) | 0x20_2020;
    if !DEVICES.iter().fold(false, |found, device| found | (start == *device)) {
        return false;
    }
    let stem = name.split(|&byte| byte == b'.').next().unwrap_or_default();
    let stem = stem.trim_ascii_end();
    let is = |device: &[u8]| stem.eq_ignore_ascii_case(device);
    match stem.len() {
        3 => is(b"con") || is(b"prn") || is(b"aux") || is(b"nul"),
        4..=5 => is_port(stem),
        6 => is(b"conin$") || is(b"clock$"),
        7 => is(b"conout$"),
        _ => false,
    }
}

/// What the names of devices start with.
const DEVICES: [u32; 7] = [
    u32::from_le_bytes(*b"con\0"),
    u32::from_le_bytes(*b"prn\0"),
    u32::from_le_bytes(*b"aux\0"),
    u32::from_le_bytes(*b"nul\0"),
    u32::from_le_bytes(*b"com\0"),
    u32::from_le_bytes(*b"lpt\0"),
    u32::from_le_bytes(*b"clo\0"),
];

/// `com` or `lpt` with a digit, of which Windows takes the superscripts ¹²³ for one as well.
fn is_port(stem: &[u8]) -> bool {
    let (port, digit) = stem.split_at(3);
    (port.eq_ignore_ascii_case(b"com") || port.eq_ignore_ascii_case(b"lpt"))
        && matches!(digit, [b'0'..=b'9'] | [0xc2, 0xb9 | 0xb2 | 0xb3])
}

/// Cuts the element that begins at `start` to at most `limit` bytes, between characters, and
/// keeps its extension if that is a short one.
pub(super) fn shorten(out: &mut Vec<u8>, start: usize, limit: usize) {
    let element = &out[start..];
    if element.len() <= limit {
        return;
    }
    let dot = element.iter().rposition(|&byte| byte == b'.').filter(|&dot| {
        dot > 0 && element.len() - dot <= MAX_EXTENSION && element.len() - dot < limit
    });
    let extension = dot.map(|dot| element[dot..].to_vec()).unwrap_or_default();
    let mut keep = limit - extension.len();
    while keep > 0 && element[keep] & 0xc0 == 0x80 {
        keep -= 1;
    }
    out.truncate(start + keep);
    out.extend(extension);
}
