use super::policy::{PathChangeKind, PathPolicy};
use super::words::{fold_words, odd_bytes};

/// A set of [`PathChangeKind`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(crate) fn of(kind: PathChangeKind) -> Self {
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

/// Bytes of an element at most. It is the limit of ext4, APFS and NTFS for ASCII; for other text NTFS
/// would allow more.
pub(crate) const MAX_ELEMENT: usize = 255;

/// Bytes of an extension that a shortened name keeps; a longer one is hardly an extension.
const MAX_EXTENSION: usize = 16;

/// Appends one element to `out`, changed as the policy requires, and returns the changes.
pub(crate) fn sanitise(raw: &[u8], policy: PathPolicy, out: &mut Vec<u8>) -> Kinds {
    if is_plain(raw) || (policy.keeps_non_utf8() && is_held_by_unix(raw)) {
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
        escape_reserved(out, start, &mut kinds);
    }
    if out.len() - start > MAX_ELEMENT {
        kinds.add(PathChangeKind::TooLong);
        shorten(out, start, MAX_ELEMENT);
        // The cut may have uncovered a dot or blank.
        if policy.obeys_windows() {
            trim(out, start, &mut kinds);
        }
    }
    // Dropping invisible characters may leave nothing, or dots.
    if matches!(&out[start..], b"" | b"." | b"..") {
        out.truncate(start);
        out.push(b'_');
    }
    kinds
}

/// Returns true if every policy keeps the element, which is the common case and found quickly. False
/// means that it has to be examined.
fn is_plain(raw: &[u8]) -> bool {
    raw.len() <= MAX_ELEMENT
        && fold_words(raw, 0, |odd, word| odd | odd_bytes(word)) == 0
        && raw.last().is_some_and(|&last| last != b'.' && last != b' ')
        && !is_reserved(raw)
}

/// Returns true if a Unix file system can hold the element.
fn is_held_by_unix(raw: &[u8]) -> bool {
    !matches!(raw, b"" | b"." | b"..")
        && raw.len() <= MAX_ELEMENT
        && !raw.iter().any(|&byte| byte == 0 || byte == b'/')
}

/// Replaces or drops characters. Each byte of invalid UTF-8 becomes `_`. That includes overlong forms,
/// so a separator that is hidden in one is never decoded (BEP 52, "file tree").
fn filter(raw: &[u8], policy: PathPolicy, out: &mut Vec<u8>, kinds: &mut Kinds) {
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            match reason_to_change(character, policy) {
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
        if policy.keeps_non_utf8() {
            out.extend_from_slice(chunk.invalid());
        } else if !chunk.invalid().is_empty() {
            kinds.add(PathChangeKind::NotUtf8);
            out.extend(chunk.invalid().iter().map(|_| b'_'));
        }
    }
}

/// The reason to replace or drop a character, if there is one.
fn reason_to_change(character: char, policy: PathPolicy) -> Option<PathChangeKind> {
    match character {
        '/' => Some(PathChangeKind::Separator),
        '\0' => Some(PathChangeKind::Control),
        '\\' | ':' if policy.obeys_windows() => Some(PathChangeKind::Separator),
        '<' | '>' | '"' | '|' | '?' | '*' if policy.obeys_windows() => {
            Some(PathChangeKind::Forbidden)
        }
        '\u{1}'..='\u{1f}' if policy.obeys_windows() => Some(PathChangeKind::Control),
        _ if !policy.drops_invisible() => None,
        // Terminals interpret the C1 controls, and no name needs them.
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

/// Removes dots and blanks from the end, as Windows does.
fn trim(out: &mut Vec<u8>, start: usize, kinds: &mut Kinds) {
    while out.len() > start && matches!(out.last(), Some(b'.' | b' ')) {
        out.pop();
        kinds.add(PathChangeKind::TrailingDot);
    }
}

/// Puts `_` before a name that Windows reserves.
fn escape_reserved(out: &mut Vec<u8>, start: usize, kinds: &mut Kinds) {
    if is_reserved(&out[start..]) {
        kinds.add(PathChangeKind::Reserved);
        out.insert(start, b'_');
    }
}

/// Returns true if Windows takes the name for a device, with any case and extension.
fn is_reserved(name: &[u8]) -> bool {
    // A comparison of the first three letters is cheap and rules out nearly all names.
    let [first, second, third, ..] = name else { return false };
    // The bit 0x20 makes letters of ASCII lower case.
    let start = u32::from_le_bytes([*first, *second, *third, 0]) | 0x20_2020;
    if !DEVICES.iter().fold(false, |found, device| found | (start == *device)) {
        return false;
    }
    let stem = name.split(|&byte| byte == b'.').next().unwrap_or_default();
    let stem = stem.trim_ascii_end();
    let is_device = |device: &[u8]| stem.eq_ignore_ascii_case(device);
    match stem.len() {
        3 => is_device(b"con") || is_device(b"prn") || is_device(b"aux") || is_device(b"nul"),
        4..=5 => is_port(stem),
        6 => is_device(b"conin$") || is_device(b"clock$"),
        7 => is_device(b"conout$"),
        _ => false,
    }
}

/// The first three letters of the names of devices.
const DEVICES: [u32; 7] = [
    u32::from_le_bytes(*b"con\0"),
    u32::from_le_bytes(*b"prn\0"),
    u32::from_le_bytes(*b"aux\0"),
    u32::from_le_bytes(*b"nul\0"),
    u32::from_le_bytes(*b"com\0"),
    u32::from_le_bytes(*b"lpt\0"),
    u32::from_le_bytes(*b"clo\0"),
];

/// Returns true for `com` or `lpt` with a digit. Windows counts the superscripts ¹²³ as digits.
fn is_port(stem: &[u8]) -> bool {
    let (port, digit) = stem.split_at(3);
    (port.eq_ignore_ascii_case(b"com") || port.eq_ignore_ascii_case(b"lpt"))
        && matches!(digit, [b'0'..=b'9'] | [0xc2, 0xb9 | 0xb2 | 0xb3])
}

/// Shortens the element that begins at `start` to at most `limit` bytes, between characters. A short
/// extension is kept.
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
    // Bytes 10xxxxxx continue a character of UTF-8.
    while keep > 0 && element[keep] & 0xc0 == 0x80 {
        keep -= 1;
    }
    out.truncate(start + keep);
    out.extend(extension);
}
