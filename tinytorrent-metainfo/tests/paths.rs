//! The rules about names from strangers (`docs/conformance/metainfo.md`, M-21 to M-28, M-43 to M-45).

mod common;

use std::path::{Component, Path};

use common::{both, d, file, i, info_of_files, l, lenient, paths, s, strings, torrent};
use proptest::prelude::*;
use tinytorrent_metainfo::{
    FileAttributes, Layout, LayoutError, Metainfo, PathChangeKind, PathPolicy, WarningKind,
};

/// The path that a policy makes of these elements.
fn written(policy: PathPolicy, elements: &[&[u8]]) -> String {
    let mut builder = Layout::builder(1);
    builder.policy(policy).file(elements, 1);
    builder.build().unwrap().file(0).unwrap().path.to_string()
}

fn portable(element: impl AsRef<[u8]>) -> String {
    written(PathPolicy::Portable, &[element.as_ref()])
}

#[cfg(unix)]
fn system(element: impl AsRef<[u8]>) -> Vec<u8> {
    let mut builder = Layout::builder(1);
    builder.file([element], 1);
    builder.build().unwrap().file(0).unwrap().path.to_bytes()
}

/// The paths that a policy makes of several paths, in order.
fn all(policy: PathPolicy, files: &[&[&str]]) -> Vec<String> {
    let mut builder = Layout::builder(1);
    builder.policy(policy);
    files.iter().for_each(|path| _ = builder.file(*path, 1));
    builder.build().unwrap().files().map(|file| file.path.to_string()).collect()
}

// M-21, BEP 52 "file tree"
#[test]
fn dots_and_nothing_are_replaced_never_followed() {
    for policy in [PathPolicy::Portable, PathPolicy::System] {
        assert_eq!(written(policy, &[b"a", b"..", b".", b"", b"b"]), "a/_/_/_/b");
        assert_eq!(written(policy, &[b"..", b"..", b"etc"]), "_/_/etc");
    }
    #[cfg(unix)]
    assert_eq!(system("..."), b"...");
    assert_eq!(portable("..."), "_");
}

// M-22
#[test]
fn separators_and_drives_within_an_element_are_replaced() {
    assert_eq!(portable("/etc/passwd"), "_etc_passwd");
    assert_eq!(portable("a\\..\\b"), "a_.._b");
    assert_eq!(portable("c:"), "c_");
    assert_eq!(portable("a\0b"), "a_b");
    #[cfg(unix)]
    assert_eq!(system("../../b"), b".._.._b");
    #[cfg(unix)]
    assert_eq!(system("c:\\..\0/b"), b"c:\\..__b");
}

// M-23, BEP 52 "file tree"
#[test]
fn overlong_forms_are_never_decoded() {
    // `/` in two and three bytes, `.` in two.
    for overlong in [&b"..\xc0\xaf.."[..], b"..\xe0\x80\xaf..", b"\xc0\xae\xc0\xae"] {
        let element = portable(overlong);
        assert!(!element.contains('/') && element != "..", "{element}");
        // On Unix bytes that are not UTF-8 are kept.
        #[cfg(all(unix, not(target_vendor = "apple")))]
        assert_eq!(system(overlong), overlong);
    }
    assert_eq!(portable(b"\xc0\xae\xc0\xae"), "____");
}

// M-24
#[test]
fn invisible_and_turning_characters_are_dropped() {
    let filtered = [0x61c, 0x200b, 0x200f, 0x202a, 0x202e, 0x2060, 0x2064, 0x2066, 0x2069, 0xfeff];
    for code in filtered {
        let name = format!("a{}b", char::from_u32(code).unwrap());
        assert_eq!(portable(&name), "ab", "{code:x}");
        #[cfg(unix)]
        assert_eq!(system(&name), name.as_bytes(), "{code:x}");
    }
    assert_eq!(portable("photo\u{202e}gpj.exe"), "photogpj.exe");
    assert_eq!(portable("a\x1b[31m\x7f"), "a_[31m_");
}

// M-25
#[test]
fn names_that_windows_reserves_or_trims_are_changed() {
    for name in ["con", "CON", "Prn", "aux", "NUL", "com0", "COM9", "lpt1", "com¹", "conin$"] {
        assert_eq!(portable(name), format!("_{name}"));
        assert_eq!(portable(format!("{name}.txt")), format!("_{name}.txt"));
        #[cfg(unix)]
        assert_eq!(system(name), name.as_bytes());
    }
    for name in ["con1", "com", "com10", "console", "auxiliary.txt", "null"] {
        assert_eq!(portable(name), name);
    }
    assert_eq!(portable("a. ."), "a");
    assert_eq!(portable("nul ."), "_nul");
    assert_eq!(portable("a<b>c:d\"e|f?g*h"), "a_b_c_d_e_f_g_h");
    #[cfg(unix)]
    assert_eq!(system("a<b>c:d. "), b"a<b>c:d. ");
}

// M-26
#[test]
fn long_elements_are_cut_between_characters_and_keep_their_extension() {
    let long = "é".repeat(200) + ".flac";
    let cut = portable(&long);
    assert!(cut.len() <= 255 && cut.len() > 250 && cut.ends_with("é.flac"), "{cut}");
    assert_eq!(portable("x".repeat(255)), "x".repeat(255));
    assert_eq!(portable("x".repeat(256)), "x".repeat(255));
    assert_eq!(portable(format!("a.{}", "x".repeat(300))).len(), 255);
}

// M-27
#[test]
fn paths_that_a_file_system_may_mix_up_are_told_apart() {
    assert_eq!(
        all(PathPolicy::Portable, &[&["d", "a.txt"], &["D", "A.TXT"], &["d", "a.txt"]]),
        ["d/a.txt", "D/A.1.TXT", "d/a.2.txt"]
    );
    // Composed and decomposed, capital and small, sharp s and its capital form.
    let accents: [&[&str]; 3] = [&["é"], &["e\u{301}"], &["É"]];
    assert_eq!(all(PathPolicy::Portable, &accents), ["é", "e\u{301}.1", "É.2"]);
    assert_eq!(all(PathPolicy::Portable, &[&["straße"], &["STRASSE"]]), ["straße", "STRASSE.1"]);
    // A file with the path of a folder, before it and after it.
    assert_eq!(all(PathPolicy::Portable, &[&["a"], &["A", "b"]]), ["a.1", "A/b"]);
    assert_eq!(all(PathPolicy::Portable, &[&["a", "b"], &["a"]]), ["a/b", "a.1"]);
    // The new name must not be the name of another file.
    assert_eq!(
        all(PathPolicy::Portable, &[&["a"], &["a.1"], &["a"], &["a"]]),
        ["a", "a.1", "a.2", "a.3"]
    );
    assert_eq!(all(PathPolicy::System, &[&["a"], &["A"], &["a"]]), ["a", "A", "a.1"]);
    assert_eq!(all(PathPolicy::System, &[&["é"], &["e\u{301}"]]), ["é", "e\u{301}"]);
}

// M-27
#[test]
fn a_long_name_leaves_room_for_its_number() {
    let long = "x".repeat(251) + ".txt";
    let names = all(PathPolicy::Portable, &[&[&long], &[&long], &[&long]]);
    assert!(names.iter().all(|name| name.len() <= 255 && name.ends_with(".txt")), "{names:?}");
    assert_ne!(names[1], names[2]);
}

// M-27
#[test]
fn collisions_made_on_purpose_take_no_time() {
    let mut builder = Layout::builder(1);
    (0..100_000).for_each(|_| _ = builder.file(["a"], 1));
    assert_eq!(builder.build().unwrap().file(99_999).unwrap().path.to_string(), "a.99999");
    // Names that are shortened to the same stem, each twice, and all numbers of that stem are taken.
    let mut builder = Layout::builder(1);
    for number in 0..20_000 {
        let long = format!("{}{number:05}", "x".repeat(250));
        builder.file([&long], 1).file([&long], 1);
    }
    match builder.build() {
        Ok(layout) => assert_eq!(layout.file_count(), 40_000),
        Err(error) => assert_eq!(error, LayoutError::TooManyCollisions),
    }
}

#[test]
fn rejection_names_the_file_and_the_reason() {
    let mut builder = Layout::builder(1);
    builder.policy(PathPolicy::Exact).file(["ok"], 1).file(["a/b"], 1);
    let kind = PathChangeKind::Separator;
    let rejected = LayoutError::PathRejected { file: 1, original: "a/b".into(), kind };
    assert_eq!(builder.build(), Err(rejected));
    // Each kind of rejection tells the path from the same root.
    for (path, kind) in [(["a/b"], PathChangeKind::Separator), (["ok"], PathChangeKind::Collision)]
    {
        let mut builder = Layout::builder(1);
        builder.policy(PathPolicy::Exact).root("t").file(["ok"], 1).file(path, 1);
        let rejected =
            LayoutError::PathRejected { file: 1, original: format!("t/{}", path[0]), kind };
        assert_eq!(builder.build(), Err(rejected));
    }
    let mut builder = Layout::builder(1);
    builder.policy(PathPolicy::Exact).file(["a"], 1).file(["a"], 1);
    let kind = PathChangeKind::Collision;
    let rejected = LayoutError::PathRejected { file: 1, original: "a".into(), kind };
    assert_eq!(builder.build(), Err(rejected));
    let mut builder = Layout::builder(1);
    builder.policy(PathPolicy::Exact).root("..").file(["a"], 1);
    assert!(matches!(builder.build(), Err(LayoutError::NameRejected { .. })));
}

#[test]
fn each_change_is_reported_with_its_place() {
    let files = [file(20_000, &["ok"]), file(10_000, &["a", "con"]), file(10_000, &["A", "_CON"])];
    let bytes = torrent(info_of_files(&files, 40_000), &[]);
    assert_eq!(both(&bytes).info().path_changes().len(), 0);
    let read = common::portable(&bytes);
    let changes: Vec<_> = read.info().path_changes().collect();
    assert_eq!(
        (changes[0].original.as_str(), changes[0].written.as_str()),
        ("folder/a/con", "folder/a/_con")
    );
    assert_eq!(changes[1].kinds, [PathChangeKind::Collision]);
    let warnings: Vec<String> =
        read.warnings().iter().map(|warning| warning.path.to_string()).collect();
    assert_eq!(warnings, ["info.files[1].path", "info.files[2].path"]);
    assert!(matches!(read.warnings()[0].kind, WarningKind::PathChanged { .. }));
}

fn link(path: &[&str], target: Option<Vec<u8>>) -> Vec<u8> {
    let target = target.map(|target| ("symlink path", target));
    let entries = [("attr", s("l")), ("path", strings(path))];
    d(entries.into_iter().chain(target))
}

// M-43, M-44, BEP 47
#[test]
fn links_lead_to_places_below_the_root_or_are_none() {
    let files = [file(40_000, &["a"]), link(&["b", "l"], Some(strings(["a"])))];
    let read = both(&torrent(info_of_files(&files, 40_000), &[]));
    let file = read.layout().file(1).unwrap();
    assert!(file.attributes.is_symlink() && file.length == 0);
    assert_eq!(file.link_target.unwrap().to_string(), "folder/a");
    for target in [
        None,
        Some(l([])),
        Some(strings([".."])),
        Some(strings(["..", "..", "etc", "passwd"])),
        Some(strings(["."])),
        Some(strings(["", "etc"])),
        Some(strings(["b", "l"])),
    ] {
        let files = [common::file(40_000, &["a"]), link(&["b", "l"], target.clone())];
        let (read, warning) = lenient(&torrent(info_of_files(&files, 40_000), &[]));
        let file = read.layout().file(1).unwrap();
        assert_eq!(warning, WarningKind::Symlink, "{target:?}");
        assert!(!file.attributes.is_symlink() && file.link_target.is_none() && file.length == 0);
    }
    // A separator within an element is replaced in targets too.
    let files = [common::file(40_000, &["a"]), link(&["l"], Some(strings(["../../etc"])))];
    let read = both(&torrent(info_of_files(&files, 40_000), &[]));
    assert_eq!(read.layout().file(1).unwrap().link_target.unwrap().to_string(), "folder/.._.._etc");
}

// M-43
#[test]
fn the_length_of_a_link_counts_for_nothing() {
    let entry = d([
        ("attr", s("l")),
        ("length", i(425)),
        ("path", strings(["l"])),
        ("symlink path", strings(["a"])),
    ]);
    let read = both(&torrent(info_of_files(&[file(40_000, &["a"]), entry], 40_000), &[]));
    assert_eq!(read.layout().total_length(), 40_000);
}

// M-45
#[test]
fn nothing_is_written_through_a_link() {
    // `d` is a link, and `d/x` would lead through it: the link gets another name.
    let files = [
        link(&["d"], Some(strings(["elsewhere"]))),
        file(20_000, &["d", "x"]),
        file(20_000, &["D", "y"]),
    ];
    let torrent = torrent(info_of_files(&files, 40_000), &[]);
    let read = Metainfo::from_bytes_lenient(&torrent).unwrap();
    assert_eq!(paths(&read), ["folder/d.1", "folder/d/x", "folder/D/y"]);
    let layout = read.layout();
    let links: Vec<String> = layout
        .files()
        .filter(|file| file.attributes.is_symlink())
        .map(|file| file.path.to_string() + "/")
        .collect();
    assert!(
        layout
            .files()
            .all(|file| { links.iter().all(|link| !file.path.to_string().starts_with(link)) })
    );
}

#[cfg(unix)]
#[test]
fn bytes_are_kept_and_still_safe() {
    let mut builder = Layout::builder(1);
    builder.file([&b"\xff\xfe"[..], b"..", b"a\xc0\xafb/"], 1);
    let layout = builder.build().unwrap();
    let path = layout.file(0).unwrap().path;
    assert_eq!(path.to_bytes(), b"\xff\xfe/_/a\xc0\xafb_");
    assert_eq!(path.elements().count(), 3);
}

fn policies() -> impl Strategy<Value = PathPolicy> {
    prop::sample::select(vec![PathPolicy::Portable, PathPolicy::System])
}

/// Elements that often break sanitising, and arbitrary others.
fn elements() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            "", ".", "..", "/", "\\", "a", "A", "a.1", "con", "é", "e\u{301}", "\u{202e}", "a ",
            "c:"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
        "[a-zA-Z/.\\\\é ]{0,6}".prop_map(String::into_bytes),
        Just(vec![b'x'; 300]),
    ]
}

proptest! {
    #[test]
    fn every_path_stays_inside_and_is_its_own(
        policy in policies(),
        root in prop::option::of(elements()),
        files in prop::collection::vec((prop::collection::vec(elements(), 1..4), any::<bool>()), 1..12),
    ) {
        let mut builder = Layout::builder(1);
        builder.policy(policy);
        if let Some(root) = &root {
            builder.root(root);
        }
        for (path, is_link) in &files {
            if *is_link {
                builder.symlink(path, path.iter().rev(), FileAttributes::NONE);
            } else {
                builder.file(path, 1);
            }
        }
        let layout = builder.build().unwrap();
        let mut seen = std::collections::HashSet::new();
        let all: Vec<_> = layout.files().map(|file| file.path).collect();
        for file in layout.files() {
            for path in [Some(file.path), file.link_target].into_iter().flatten() {
                for element in path.elements() {
                    prop_assert!(!element.is_empty() && element.len() <= 255);
                    prop_assert!(element != b"." && element != b".." && !element.contains(&0));
                    prop_assert!(policy != PathPolicy::Portable || std::str::from_utf8(element).is_ok());
                }
                let below = path.below(Path::new("/root"));
                prop_assert!(below.starts_with("/root"));
                prop_assert!(below.components().skip(2).all(|part| matches!(part, Component::Normal(_))));
            }
            prop_assert!(seen.insert(file.path));
            // The path of a file is never the folder of another one.
            let folder = [&file.path.to_bytes()[..], b"/"].concat();
            prop_assert!(all.iter().all(|path| !path.to_bytes().starts_with(&folder)));
        }
    }

    #[test]
    fn a_path_is_written_the_same_whatever_came_before(
        policy in policies(),
        folders in prop::collection::vec(prop::collection::vec(elements(), 0..5), 1..20),
    ) {
        let path = |number: usize| {
            let name = format!("file number {number}").into_bytes();
            folders[number].iter().cloned().chain([name])
        };
        let build = |files: std::ops::Range<usize>| {
            let mut builder = Layout::builder(1);
            builder.policy(policy).root("con");
            files.for_each(|number| _ = builder.file(path(number), 1));
            builder.build().unwrap()
        };
        let all = build(0..folders.len());
        for (number, file) in all.files().enumerate() {
            let alone = build(number..number + 1);
            prop_assert_eq!(file.path, alone.file(0).unwrap().path);
            let change = all.path_changes().find(|change| change.file == Some(file.index));
            let alone = alone.path_changes().find(|change| change.file.is_some());
            prop_assert_eq!(
                change.map(|change| (change.original, change.kinds)),
                alone.map(|change| (change.original, change.kinds))
            );
        }
    }

    #[test]
    fn what_is_written_once_is_written_so_again(policy in policies(), path in prop::collection::vec(elements(), 1..4)) {
        let mut builder = Layout::builder(1);
        builder.policy(policy).file(&path, 1);
        let first = builder.build().unwrap();
        let path = first.file(0).unwrap().path;
        let mut builder = Layout::builder(1);
        builder.policy(policy).file(path.elements(), 1);
        let again = builder.build().unwrap();
        prop_assert_eq!(again.file(0).unwrap().path, path);
        prop_assert_eq!(again.path_changes().len(), 0);
    }
}
