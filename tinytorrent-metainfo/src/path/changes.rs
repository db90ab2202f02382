use super::element::Kinds;
use super::policy::PathChangeKind;

/// What is not on disk as the torrent has it, but for the folders, which know it of themselves.
///
/// Of a file it is only the name: any number of files may be below a folder whose name had to change,
/// and their paths are put together when somebody asks for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// The name of the folder around all files as it was given, and what was changed of it.
    pub(super) root: Option<(Box<[u8]>, Kinds)>,
    /// By file, ascending.
    pub(super) files: Vec<Changed>,
}

#[derive(Debug, Clone)]
pub(super) struct Changed {
    pub(super) file: u32,
    /// Of the whole path.
    pub(super) kinds: Kinds,
    /// The name as it was given.
    pub(super) name: Box<[u8]>,
}

impl Changes {
    /// Adds a file behind all others.
    pub(super) fn push(&mut self, file: usize, kinds: Kinds, name: Box<[u8]>) {
        self.files.push(Changed { file: file as u32, kinds, name });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root.is_none() && self.files.is_empty()
    }

    /// The name that a file was given, if its path had to change.
    pub(super) fn given_name(&self, file: usize) -> Option<&[u8]> {
        let at = self.files.binary_search_by_key(&file, |changed| changed.file as usize).ok()?;
        Some(&self.files[at].name)
    }

    /// The changes of a file's path; none for one that is as it was given.
    pub(super) fn kinds(&self, file: usize) -> Kinds {
        let at = self.files.binary_search_by_key(&file, |changed| changed.file as usize);
        at.map_or(Kinds::default(), |at| self.files[at].kinds)
    }

    /// These files, ascending, get another name than this because somebody else has their path.
    pub(super) fn add_collisions<'a>(&mut self, files: &[usize], name: impl Fn(usize) -> &'a [u8]) {
        let collision = Kinds::of(PathChangeKind::Collision);
        let known = self.files.len();
        for &file in files {
            let place = self.files[..known].binary_search_by_key(&(file as u32), |c| c.file);
            match place {
                Ok(at) => self.files[at].kinds.merge(collision),
                Err(_) => self.push(file, collision, name(file).into()),
            }
        }
        self.files.sort_by_key(|changed| changed.file);
        self.files.shrink_to_fit();
    }
}
