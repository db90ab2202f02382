use core::fmt;

use crate::FileIndex;

/// The rules by which names from a torrent become names on disk.
///
/// Under every policy a path is relative, no element is empty, `.` or `..`, and no element has a
/// separator or NUL (BEP 52, "file tree": sanitise for traversal). Files with the same path, and a file
/// with the path of a folder, get a number as in libtorrent: `a.txt`, `a.1.txt`.
///
/// The name on disk may still differ: a disk may hold fewer names than its system allows, and content
/// may exist under other names. See [`DiskPaths`](crate::DiskPaths).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PathPolicy {
    /// The torrent's own names, if this system can hold them. On Unix only separators, NUL and elements
    /// of more than 255 bytes are changed, and on Apple's systems bytes that are not UTF-8. On Windows
    /// names that Windows forbids are changed too. Names that differ in case are different names.
    #[default]
    System,
    /// The same names on every system. Characters and names that Linux, macOS or Windows forbids are
    /// replaced, invisible characters and those that change the direction of writing are dropped, and
    /// names that differ only in case or normalisation count as equal.
    Portable,
    /// The rules of [`System`](Self::System), but a name that would have to change is an error.
    Exact,
}

impl PathPolicy {
    const fn is_portable(self) -> bool {
        matches!(self, Self::Portable)
    }

    /// True if names that Windows forbids, reserves or trims are changed.
    pub(crate) const fn obeys_windows(self) -> bool {
        cfg!(windows) || self.is_portable()
    }

    /// True if names that differ only in case or normalisation count as equal.
    pub(crate) const fn ignores_case(self) -> bool {
        self.is_portable()
    }

    /// True if invisible characters are dropped, and control characters are replaced even where the
    /// system allows them.
    pub(crate) const fn drops_invisible(self) -> bool {
        self.is_portable()
    }

    /// True if bytes that are not UTF-8 are kept.
    pub(crate) const fn keeps_non_utf8(self) -> bool {
        // File names on Apple's systems are UTF-8, unlike on other Unix systems.
        cfg!(all(unix, not(target_vendor = "apple"))) && !self.is_portable()
    }
}

/// A path that differs between the torrent and the disk. Both forms begin with the folder of the torrent,
/// if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PathChange {
    /// The file; `None` for the folder of the torrent.
    pub file: Option<FileIndex>,
    /// The path in the torrent, joined with `/`. Bytes that are not UTF-8 are shown as `%XX`.
    pub original: String,
    /// The path on disk.
    pub written: String,
    /// The reasons, each once.
    pub kinds: Vec<PathChangeKind>,
}

/// A reason to change a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PathChangeKind {
    /// An empty element.
    Empty,
    /// `.` or `..`.
    Traversal,
    /// A separator or a drive's colon within an element.
    Separator,
    /// A control character, NUL included.
    Control,
    /// A character that Windows forbids.
    Forbidden,
    /// An invisible character, or one that changes the direction of writing.
    Invisible,
    /// Bytes that are not UTF-8, overlong forms included.
    NotUtf8,
    /// The name of a device on Windows.
    Reserved,
    /// A dot or blank at the end, which Windows removes.
    TrailingDot,
    /// An element of more than 255 bytes.
    TooLong,
    /// Another file or folder has the same path, at least on some file systems.
    Collision,
    /// The user has renamed the file; see [`DiskPaths::renamed_to`](crate::DiskPaths::renamed_to).
    Renamed,
}

impl PathChangeKind {
    pub(crate) const ALL: [Self; 12] = [
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
        Self::Renamed,
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
            Self::Renamed => "renamed by the user",
        })
    }
}
