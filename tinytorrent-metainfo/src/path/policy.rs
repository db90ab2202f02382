use core::fmt;

use crate::FileIndex;

/// The rules by which names from a torrent become names on disk.
///
/// Whatever the policy, the path that comes out is relative, has no element that is empty, `.` or
/// `..`, and no separator or NUL within an element (BEP 52, "file tree": sanitise for traversal).
/// Files that would share a path, and a file in the place of a folder, are told apart by a number, as
/// libtorrent does: `a.txt`, `a.1.txt`.
///
/// A policy is not all that decides on a name: a disk may hold fewer names than its system, and content
/// may be there under other names; see [`DiskPaths`](crate::DiskPaths).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PathPolicy {
    /// The torrent's own names, wherever this system can hold them. On Unix only separators, NUL and
    /// what is beyond 255 bytes of an element are changed (and bytes that are no UTF-8 on Apple's); on
    /// Windows also what Windows forbids. Names that differ in case are different names.
    #[default]
    System,
    /// The same names everywhere: what any of Linux, macOS and Windows forbids or mistakes is replaced,
    /// invisible characters and such as turn the direction of writing go, and names that differ only
    /// in case or normalisation count as equal.
    Portable,
    /// The rules of [`System`](Self::System), but a name that would have to change is an error.
    Exact,
}

impl PathPolicy {
    const fn is_portable(self) -> bool {
        matches!(self, Self::Portable)
    }

    /// Whether Windows' forbidden characters, reserved names and trailing dots are changed.
    pub(crate) const fn obeys_windows(self) -> bool {
        cfg!(windows) || self.is_portable()
    }

    /// Whether case and normalisation tell no names apart.
    pub(crate) const fn folds(self) -> bool {
        self.is_portable()
    }

    /// `true` if characters that nobody sees, and controls that a system holds, are changed.
    pub(crate) const fn shows_all(self) -> bool {
        self.is_portable()
    }

    /// `true` if bytes that are no UTF-8 stay.
    pub(crate) const fn keeps_bytes(self) -> bool {
        cfg!(all(unix, not(target_vendor = "apple"))) && !self.is_portable()
    }
}

/// A path that is not on disk as the torrent has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathChange {
    /// The file whose path it is; `None` for the folder that holds them all.
    pub file: Option<FileIndex>,
    /// The path as the torrent has it, joined with `/`; what is no text is shown as `%XX`.
    pub original: String,
    /// The path that is used.
    pub written: String,
    /// Why, each reason once.
    pub kinds: Vec<PathChangeKind>,
}

/// Why a path had to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PathChangeKind {
    /// An element without a character.
    Empty,
    /// `.` or `..`.
    Traversal,
    /// A separator or a drive's colon within an element.
    Separator,
    /// A control character, NUL included.
    Control,
    /// A character that Windows forbids.
    Forbidden,
    /// Invisible characters, or such as turn the direction of writing.
    Invisible,
    /// Bytes that are no UTF-8, or an overlong form of it.
    NotUtf8,
    /// A device's name on Windows.
    Reserved,
    /// A dot or blank at the end, which Windows drops.
    TrailingDot,
    /// An element beyond 255 bytes.
    TooLong,
    /// Another file or folder has this path, on some file system at least.
    Collision,
}

impl PathChangeKind {
    pub(crate) const ALL: [Self; 11] = [
        Self::Empty,
        Self::Traversal,
        Self::Separator,
        Self::Control,
        Self::Forbidden,
        Self::Invisible,
        Self::NotUtf8,
        Self::Reserved,
        Self::TrailingDot,
        Self::TooLong,
        Self::Collision,
    ];
}

impl fmt::Display for PathChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty element",
            Self::Traversal => "`.` or `..`",
            Self::Separator => "separator within an element",
            Self::Control => "control character",
            Self::Forbidden => "character that Windows forbids",
            Self::Invisible => "invisible character",
            Self::NotUtf8 => "not UTF-8",
            Self::Reserved => "reserved name of Windows",
            Self::TrailingDot => "dot or blank at the end",
            Self::TooLong => "element longer than 255 bytes",
            Self::Collision => "path of another file",
        })
    }
}
