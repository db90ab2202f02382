use core::fmt;

use crate::FileIndex;
use crate::path::SafePath;

/// One file of a [`Layout`](crate::Layout).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct File<'a> {
    /// The position among the files.
    pub index: FileIndex,
    /// The offset of the first byte in the content.
    pub offset: u64,
    /// The length in bytes; 0 for symlinks and empty files.
    pub length: u64,
    /// The attributes of BEP 47.
    pub attributes: FileAttributes,
    /// The path below the folder of the download. Pad files have one too, but are not written.
    pub path: SafePath<'a>,
    /// The target of a symlink, below the same folder.
    pub link_target: Option<SafePath<'a>>,
}

impl File<'_> {
    /// Returns true if the file is padding: zeros that are served, but neither written nor requested.
    pub fn is_pad(&self) -> bool {
        self.attributes.is_pad()
    }
}

/// The `attr` of a file (BEP 47).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileAttributes(u8);

const PAD: u8 = 1;
const EXECUTABLE: u8 = 2;
const HIDDEN: u8 = 4;
const SYMLINK: u8 = 8;

impl FileAttributes {
    /// No attribute.
    pub const NONE: Self = Self(0);
    /// `p`: the file is padding.
    pub const PAD: Self = Self(PAD);
    /// `x`: the file may be run.
    pub const EXECUTABLE: Self = Self(EXECUTABLE);
    /// `h`: the file is hidden, if the system can hide files.
    pub const HIDDEN: Self = Self(HIDDEN);
    /// `l`: the file is a symbolic link.
    pub const SYMLINK: Self = Self(SYMLINK);

    /// Reads the letters of `attr`, in any order. Unknown letters are ignored.
    pub fn from_letters(letters: &[u8]) -> Self {
        let bit = |letter: &u8| match letter {
            b'p' => PAD,
            b'x' => EXECUTABLE,
            b'h' => HIDDEN,
            b'l' => SYMLINK,
            _ => 0,
        };
        Self(letters.iter().map(bit).fold(0, |all, bit| all | bit))
    }

    /// The letters of `attr`, sorted.
    pub fn to_letters(self) -> String {
        let letters = [(HIDDEN, 'h'), (SYMLINK, 'l'), (PAD, 'p'), (EXECUTABLE, 'x')];
        letters.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, letter)| letter).collect()
    }

    /// The attributes that are in `self` or `other`.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The attributes that are in `self` and not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns true for padding.
    pub const fn is_pad(self) -> bool {
        self.0 & PAD != 0
    }

    /// Returns true for a file that may be run.
    pub const fn is_executable(self) -> bool {
        self.0 & EXECUTABLE != 0
    }

    /// Returns true for a hidden file.
    pub const fn is_hidden(self) -> bool {
        self.0 & HIDDEN != 0
    }

    /// Returns true for a symbolic link.
    pub const fn is_symlink(self) -> bool {
        self.0 & SYMLINK != 0
    }
}

impl fmt::Debug for FileAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileAttributes({})", self.to_letters())
    }
}
