use tinytorrent_bencode::Node;

/// Defines a struct with the values of a dictionary under certain keys, found in one pass. The first of
/// equal keys counts.
macro_rules! keys {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $key:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub(crate) struct $name<'doc, 'a> {
            $(pub(crate) $field: Option<Node<'doc, 'a>>,)+
        }

        impl<'doc, 'a> $name<'doc, 'a> {
            #[inline(always)]
            pub(crate) fn of(dict: Node<'doc, 'a>) -> Self {
                let mut found = Self::default();
                for (key, value) in dict.dict() {
                    let slot = match key {
                        $($key => &mut found.$field,)+
                        _ => continue,
                    };
                    slot.get_or_insert(value);
                }
                found
            }
        }
    };
}

keys! {
    /// The info dictionary.
    InfoKeys {
        collections: b"collections",
        file_tree: b"file tree",
        files: b"files",
        length: b"length",
        meta_version: b"meta version",
        name: b"name",
        name_utf8: b"name.utf-8",
        piece_length: b"piece length",
        pieces: b"pieces",
        private: b"private",
        root_hash: b"root hash",
        similar: b"similar",
        source: b"source",
        attr: b"attr",
    }
}

keys! {
    /// An entry of `files`, or the dictionary of a file in a file tree.
    FileKeys {
        attr: b"attr",
        length: b"length",
        path: b"path",
        path_utf8: b"path.utf-8",
        pieces_root: b"pieces root",
        symlink_path: b"symlink path",
    }
}

pub(crate) use keys;
