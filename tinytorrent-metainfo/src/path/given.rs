use super::changes::{Changed, Changes};
use super::element::Kinds;
use super::paths::Paths;
use super::policy::PathChange;
use crate::FileIndex;
use crate::escape::escape;

impl Paths {
    /// All changes: of the root, then of the files in their order.
    pub(crate) fn changes(
        &self,
    ) -> impl ExactSizeIterator<Item = PathChange> + DoubleEndedIterator + Clone {
        let Changes { root, files } = &self.changes;
        let count = usize::from(root.is_some()) + files.len();
        (0..count).map(move |at| match (root, at.checked_sub(usize::from(root.is_some()))) {
            (Some((name, kinds)), None) => PathChange {
                file: None,
                original: escape(name),
                written: String::from_utf8_lossy(self.folders.root()).into_owned(),
                kinds: kinds.to_vec(),
            },
            (_, file) => self.change(&files[file.unwrap_or_default()]),
        })
    }

    fn change(&self, changed: &Changed) -> PathChange {
        let file = changed.file as usize;
        PathChange {
            file: Some(FileIndex::new(changed.file)),
            original: escape(&self.given_path(file)),
            written: self.get(file).to_string_lossy(),
            kinds: changed.kinds.to_vec(),
        }
    }

    /// The path of a file as the torrent has it, with the root.
    pub(crate) fn given_path(&self, file: usize) -> Vec<u8> {
        let folder = self.files.places[file].folder;
        let name = self.changes.given_name(file).unwrap_or(self.files.name(file));
        let mut path = Vec::new();
        if self.folders.is_in_root(folder) && !self.given_root().is_empty() {
            path.extend_from_slice(self.given_root());
            path.push(b'/');
        }
        path.extend(self.folders.given_path(folder, name));
        path
    }

    /// The changes of a file's path, with those of the root.
    pub(crate) fn kinds(&self, file: usize) -> Kinds {
        let mut kinds = self.changes.kinds(file);
        if let Some((_, of_root)) = &self.changes.root {
            kinds.merge(*of_root);
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PathBuilder, PathPolicy};

    /// A file tree has each folder once, and a hundred of them may be above a hundred thousand files.
    #[test]
    fn a_change_costs_what_the_names_take() {
        let mut builder = PathBuilder::new();
        builder.set_policy(PathPolicy::Portable);
        let folder = [&[b'x'; 250][..], b":"].concat();
        (0..100).for_each(|_| builder.enter_new(&folder));
        for name in ["a:", "b", "B"].into_iter().cycle().take(999) {
            builder.set_name(name.as_bytes());
            assert!(builder.end_file(0));
        }
        let paths = builder.resolve(b"", |_| true).unwrap();
        let names: usize = paths.changes.files.iter().map(|changed| changed.name.len()).sum();
        assert_eq!((names, paths.folders.given_length()), (333 * 4, 100 * folder.len()));

        let last = paths.changes().next_back().unwrap();
        assert_eq!((paths.changes().len(), last.original.len()), (999, 100 * 252 + 1));
        assert!(last.original.starts_with(str::from_utf8(&folder).unwrap()));
        assert!(last.original.ends_with("x:/B") && last.written.ends_with("x_/B.665"));
    }

    #[test]
    fn each_path_is_told_as_it_was_given() {
        let mut builder = PathBuilder::new();
        builder.set_policy(PathPolicy::Portable);
        builder.set_root(b"top.");
        let given = ["a:/x", "a_/x", "a_/y", "a_/con", "a:/x:", "c/A", "c/a", "c/b"];
        for path in given {
            let (folder, name) = path.split_once('/').unwrap();
            builder.go_to_root();
            builder.enter(folder.as_bytes());
            builder.set_name(name.as_bytes());
            assert!(builder.end_file(0));
        }
        let paths = builder.resolve(b"", |_| true).unwrap();
        let told: Vec<_> =
            paths.changes().map(|change| (change.original, change.written)).collect();
        let expected = [
            ("top.", "top"),
            ("top./a:/x", "top/a_/x"),
            ("top./a_/x", "top/a_/x.1"),
            ("top./a_/con", "top/a_/_con"),
            ("top./a:/x:", "top/a_/x_"),
            ("top./c/a", "top/c/a.1"),
        ];
        assert_eq!(told, expected.map(|(original, written)| (original.into(), written.into())));
    }
}
