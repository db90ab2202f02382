use std::fmt;
use std::path::PathBuf;

/// A remark on the files of a torrent that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateNote {
    /// The kind of the remark.
    pub kind: CreateNoteKind,
    /// The first [`MAX_PATHS`](Self::MAX_PATHS) files, folders or links of this kind.
    pub paths: Vec<PathBuf>,
    /// The number of all of this kind.
    pub count: usize,
}

/// The kinds of [`CreateNote`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CreateNoteKind {
    /// Folders without a file, which a torrent cannot have.
    EmptyFolders,
    /// Links that were replaced by the content that they lead to, and the path itself if it is a link.
    /// They have to be followed to verify and seed the content from here.
    FollowedLinks,
    /// Links that were left out under [`LinkPolicy::Skip`](crate::LinkPolicy::Skip).
    SkippedLinks,
    /// Files, links and folders with all that is in them, which an
    /// [exclusion](crate::CreateOptions::exclude) left out.
    Excluded,
    /// Pipes, sockets and devices, which have no content and are left out.
    SpecialFiles,
    /// Names that some systems cannot hold, such as `con`, or take for equal, such as `a` and `A`. They
    /// are changed on such systems.
    UnportableNames,
}

impl CreateNote {
    /// Paths that are kept at most.
    pub const MAX_PATHS: usize = 5;

    pub(super) fn new(kind: CreateNoteKind) -> Self {
        Self { kind, paths: Vec::new(), count: 0 }
    }

    pub(super) fn push(&mut self, path: impl FnOnce() -> PathBuf) {
        self.count += 1;
        if self.paths.len() < Self::MAX_PATHS {
            self.paths.push(path());
        }
    }
}

impl fmt::Display for CreateNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind)?;
        for (at, path) in self.paths.iter().enumerate() {
            let separator = if at > 0 { ", " } else { "" };
            write!(f, "{separator}{}", path.display())?;
        }
        match self.count - self.paths.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for CreateNoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyFolders => "empty folders are not part of a torrent",
            Self::FollowedLinks => "links were followed",
            Self::SkippedLinks => "links were left out",
            Self::Excluded => "left out as excluded",
            Self::SpecialFiles => "pipes, sockets and devices were left out",
            Self::UnportableNames => "names that not every system can hold",
        })
    }
}
