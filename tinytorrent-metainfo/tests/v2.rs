//! The rules of BEP 52 (`docs/conformance/v2.md`).
#![allow(clippy::disallowed_methods, reason = "tests read files")]

mod common;

use std::fs;
use std::ops::ControlFlow;

use common::{both, d, i, l, lenient, paths, portable, refused, refused_kind, s, strings, torrent};
use sha2::{Digest, Sha256};
use tinytorrent_metainfo::{
    CreateOptions, ErrorKind, Info, LayoutError, Magnet, Metainfo, Progress, ReadOptions,
    VerifyError, VerifyOptions, Version, WarningKind, merkle,
};

const PIECE: i128 = 16_384;

/// The entry of a file in a file tree.
fn leaf(length: i128, root: Option<&[u8]>) -> Vec<u8> {
    let root = root.map(|root| ("pieces root", s(root)));
    d([("", d([("length", i(length))].into_iter().chain(root)))])
}

/// A file no larger than a piece.
fn small(length: i128, seed: u8) -> Vec<u8> {
    leaf(length, Some(&[seed; 32]))
}

/// A v2 info dictionary around a file tree.
fn info(tree: Vec<u8>) -> Vec<u8> {
    info_with(tree, &[])
}

fn info_with(tree: Vec<u8>, changes: &[(&str, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut entries = vec![
        ("file tree", tree),
        ("meta version", i(2)),
        ("name", s("name")),
        ("piece length", i(PIECE)),
    ];
    for (key, value) in changes {
        entries.retain(|(known, _)| known != key);
        entries.extend(value.clone().map(|value| (*key, value)));
    }
    d(entries)
}

/// A v2 torrent without files larger than a piece.
fn v2(tree: Vec<u8>) -> Vec<u8> {
    torrent(info(tree), &[("piece layers", d::<&str>([]))])
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

// V-01, BEP 52 "meta version"
#[test]
fn a_newer_version_is_named_whatever_else_is_wrong() {
    let newer = info_with(i(0), &[("meta version", Some(i(3))), ("piece length", None)]);
    assert_eq!(refused_kind(&torrent(newer, &[])), ErrorKind::TooNew(3));
}

// V-02
#[test]
fn version_and_tree_belong_together() {
    let tree = || d([("a", small(5, 1))]);
    for changes in [("meta version", None), ("file tree", None), ("meta version", Some(i(1)))] {
        let kind = refused_kind(&torrent(info_with(tree(), &[changes]), &[]));
        assert_eq!(kind, ErrorKind::VersionMismatch);
    }
    for version in [0, -1, i64::MIN] {
        let number = ("meta version", Some(i(version.into())));
        for tree in [("file tree", Some(tree())), ("file tree", None)] {
            let bytes = torrent(info_with(d::<&str>([]), &[tree, number.clone()]), &[]);
            assert_eq!(refused_kind(&bytes), ErrorKind::NoSuchVersion(version));
        }
    }
    assert_eq!(both(&v2(tree())).info().version(), Version::V2);
}

// V-05, V-09, BEP 52 "upgrade path"
#[test]
fn a_part_of_v1_makes_no_hybrid_torrent() {
    let files = || Some(l([common::file(5, &["b"])]));
    for part in [
        &[("length", Some(i(5)))][..],
        &[("length", Some(i(70_000)))],
        &[("files", files())],
        &[("length", Some(i(5))), ("files", files())],
        &[("pieces", Some(s([7; 20])))],
        &[("pieces", Some(s("")))],
    ] {
        let dict = info_with(d([("a", small(5, 1))]), part);
        let bytes = torrent(dict.clone(), &[("piece layers", d::<&str>([]))]);
        let (read, warning) = common::lenient(&bytes);
        assert_eq!(warning, WarningKind::IncompleteV1);
        assert_eq!(read.warnings()[0].path.to_string(), format!("info.{}", part[0].0));
        let error = Metainfo::from_bytes(&bytes).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Strict(WarningKind::IncompleteV1));
        let info = read.info();
        assert_eq!((info.version(), info.hashes().v1()), (Version::V2, None));
        assert!(info.is_single_file() && info.piece_hashes().is_none());
        assert_eq!(common::paths(&read)[0], "a");
        let bare = ReadOptions::lenient().read_info(&dict).unwrap();
        assert_eq!((bare.hashes(), bare.layout()), (info.hashes(), info.layout()));
    }
}

// V-03, BEP 52 "piece length"
#[test]
fn v2_pieces_are_powers_of_two_from_16_kib_on() {
    let tree = || d([("a", small(5, 1))]);
    for (length, fits) in
        [(16_384, true), (1 << 28, true), (8_192, false), (16_385, false), (49_152, false)]
    {
        let bytes = torrent(
            info_with(tree(), &[("piece length", Some(i(length)))]),
            &[("piece layers", d::<&str>([]))],
        );
        assert_eq!(Metainfo::from_bytes(&bytes).is_ok(), fits, "{length}");
        assert_eq!(Metainfo::from_bytes_lenient(&bytes).is_ok(), fits, "{length}");
    }
}

// V-04, V-05, V-06, BEP 52 "infohash"
#[test]
fn each_version_has_its_own_hash_and_no_other() {
    let dict = info(d([("a", small(5, 1))]));
    let hashes = both(&torrent(dict.clone(), &[("piece layers", d::<&str>([]))])).hashes();
    let sha256 = Sha256::digest(&dict);
    assert_eq!(hashes.v2().unwrap().as_bytes()[..], sha256[..]);
    assert_eq!(hashes.v1(), None);
    assert_eq!(hashes.to_wire().as_bytes()[..], sha256[..20]);
    let v1 = both(&torrent(common::info(&[]), &[])).hashes();
    assert!(v1.v1().is_some() && v1.v2().is_none());
}

// V-07, BEP 52 "file tree"
#[test]
fn a_file_has_no_siblings_and_the_root_is_none() {
    let file = || d([("length", i(5)), ("pieces root", s([1; 32]))]);
    for tree in [
        d([("", file())]),
        d([("a", d([("", file()), ("b", small(5, 2))]))]),
        d([("", d([("", file())]))]),
    ] {
        assert_eq!(refused_kind(&v2(tree)), ErrorKind::FileTree);
    }
    refused(&v2(d([("a", i(1))])));
    refused(&v2(d([("a", d([("", i(1))]))])));
    refused(&v2(l([])));
}

// V-08
#[test]
fn empty_folders_hold_no_file() {
    let tree = d([("a", d::<&str>([])), ("b", small(5, 1)), ("c", d([("d", d::<&str>([]))]))]);
    assert_eq!(paths(&both(&v2(tree)))[0], "name/b");
    assert_eq!(refused_kind(&v2(d([("a", d::<&str>([]))]))), ErrorKind::EmptyFiles);
    assert_eq!(refused_kind(&v2(d::<&str>([]))), ErrorKind::EmptyFiles);
}

// V-09, BEP 52 "interpreting paths"
#[test]
fn one_file_at_the_root_stands_alone() {
    let single = both(&v2(d([("a", small(PIECE, 1))])));
    assert_eq!((single.info().is_single_file(), paths(&single)), (true, vec!["a".to_owned()]));
    let two = both(&v2(d([("a", small(PIECE, 1)), ("b", small(PIECE, 2))])));
    assert_eq!(
        (two.info().is_single_file(), paths(&two)),
        (false, vec!["name/a".into(), "name/b".into()])
    );
    let folder = both(&v2(d([("f", d([("a", small(PIECE, 1))]))])));
    assert_eq!(
        (folder.info().is_single_file(), paths(&folder)),
        (false, vec!["name/f/a".to_owned()])
    );
}

// V-10
#[test]
fn content_needs_a_root_and_emptiness_none() {
    for root in [None, Some(&[0; 32][..]), Some(&[1; 31]), Some(&[1; 33]), Some(&[])] {
        assert_eq!(refused_kind(&v2(d([("a", leaf(5, root))]))), ErrorKind::PiecesRoot);
    }
    let read = both(&v2(d([("a", leaf(0, None)), ("b", small(5, 7))])));
    let roots: Vec<_> =
        read.layout().files().map(|file| read.info().pieces_root(file.index)).collect();
    assert_eq!(roots, [None, Some([7; 32]), None]);
}

// V-11
#[test]
fn a_tree_holds_no_padding() {
    let pad = d([("", d([("attr", s("p")), ("length", i(5)), ("pieces root", s([1; 32]))]))]);
    assert_eq!(refused_kind(&v2(d([("a", pad)]))), ErrorKind::PadInTree);
}

/// A file of three pieces: its layer and root.
fn three_pieces() -> (Vec<merkle::Hash>, merkle::Hash) {
    let layer = vec![[1; 32], [2; 32], [3; 32]];
    let root = merkle::root_of_layer(&layer, 1);
    (layer, root)
}

// V-12, V-13, BEP 52 "piece layers"
#[test]
fn piece_layers_are_checked_against_their_roots() {
    let (layer, root) = three_pieces();
    let tree = d([("a", leaf(PIECE * 2 + 1, Some(&root)))]);
    let with = |layers: Vec<u8>| torrent(info(tree.clone()), &[("piece layers", layers)]);
    let good = s(layer.as_flattened());
    let read = both(&with(d([(root, good.clone())])));
    let file = read.layout().file(0).unwrap().index;
    assert_eq!(read.piece_layer(file), Some(&layer[..]));
    let hash = |piece| read.piece_hash_v2(read.info().geometry().piece(piece).unwrap()).unwrap();
    assert_eq!([0, 1, 2].map(|piece| hash(piece).hash), layer[..]);

    for wrong in [&layer.as_flattened()[..64], &[layer.as_flattened(), &[4; 32]].concat(), &[0; 95]]
    {
        let kind = refused_kind(&with(d([(root, s(wrong))])));
        assert_eq!(kind, ErrorKind::PieceLayerLength { expected: 96, found: wrong.len() });
    }
    let (read, _) = lenient(&with(d([(root, s([1; 96]))])));
    let warnings: Vec<_> = read.warnings().iter().map(|warning| warning.kind.clone()).collect();
    let missing = WarningKind::PieceLayerMissing { file: 0 };
    assert_eq!(warnings, [missing.clone(), WarningKind::PieceLayerHash]);
    assert_eq!(read.piece_layer(file), None);
    let (_, warning) = lenient(&with(d([(root, good.clone()), ([9; 32], good.clone())])));
    assert_eq!(warning, WarningKind::PieceLayerUnknown);
    let (_, warning) = lenient(&with(d::<&str>([])));
    assert_eq!(warning, missing);
    refused(&with(i(1)));
    refused(&with(d([(root, i(1))])));
}

// V-12
#[test]
fn every_truncated_layer_is_refused() {
    let (layer, root) = three_pieces();
    let tree = d([("a", leaf(PIECE * 3, Some(&root)))]);
    for length in (0..96).step_by(32) {
        let layers = d([(root, s(&layer.as_flattened()[..length]))]);
        refused(&torrent(info(tree.clone()), &[("piece layers", layers)]));
    }
}

// V-15, BEP 52 "piece length"
#[test]
fn files_begin_at_the_border_of_a_piece() {
    let (layer, root) = three_pieces();
    let tree = d([
        ("a", small(5, 1)),
        ("b", leaf(0, None)),
        ("c", leaf(PIECE * 2 + 100, Some(&root))),
        ("d", small(PIECE, 2)),
    ]);
    let layers = d([(root, s(layer.as_flattened()))]);
    let read = both(&torrent(info(tree), &[("piece layers", layers)]));
    let layout = read.layout();
    let files = layout.files().filter(|file| file.length > 0 && !file.is_pad());
    assert!(files.clone().all(|file| file.offset % 16_384 == 0));
    assert_eq!(files.map(|file| file.offset / 16_384).collect::<Vec<_>>(), [0, 1, 4]);
    let geometry = layout.geometry();
    let payload = |piece: u32| layout.payload_length(geometry.piece(piece).unwrap());
    assert_eq!([0, 1, 2, 3, 4].map(payload), [5, 16_384, 16_384, 100, 16_384]);
    assert!(geometry.pieces().all(|piece| geometry.piece_length(piece) == payload(piece.get())));
    assert_eq!(geometry.total_length(), layout.payload_length_total());
    assert_eq!(layout.total_length(), 5 * 16_384);
}

/// The two halves of a hybrid torrent of two files with padding between them.
fn hybrid(files: &[Vec<u8>], tree: Vec<u8>, total: usize) -> Vec<u8> {
    let changes = [
        ("files", Some(l(files.to_vec()))),
        ("pieces", Some(s(vec![7; total.div_ceil(16_384) * 20]))),
    ];
    torrent(info_with(tree, &changes), &[("piece layers", d::<&str>([]))])
}

fn pad(length: i128) -> Vec<u8> {
    d([("attr", s("p")), ("length", i(length)), ("path", strings([".pad", "0"]))])
}

// V-16, BEP 52 "upgrade path"
#[test]
fn both_halves_of_a_hybrid_mean_the_same() {
    let file = common::file;
    let tree = || d([("a", small(5, 1)), ("b", small(7, 2))]);
    let good = [file(5, &["a"]), pad(PIECE - 5), file(7, &["b"])];
    let read = both(&hybrid(&good, tree(), 16_391));
    assert_eq!(read.info().version(), Version::Hybrid);
    assert!(read.hashes().v1().is_some() && read.hashes().v2().is_some());
    assert_eq!(read.info().pieces_root(read.layout().file(2).unwrap().index), Some([2; 32]));
    // Padding at the end is optional.
    let padded = [&good[..], &[pad(PIECE - 7)]].concat();
    both(&hybrid(&padded, tree(), 32_768));

    for (files, total, at) in [
        (vec![file(5, &["a"]), file(7, &["b"])], 12, 1),
        (vec![file(5, &["a"]), pad(PIECE - 5), file(8, &["b"])], 16_392, 2),
        (vec![file(5, &["a"]), pad(PIECE - 5), file(7, &["c"])], 16_391, 2),
        (vec![file(7, &["b"]), pad(PIECE - 7), file(5, &["a"])], 16_389, 0),
        (vec![file(5, &["a"])], 5, 1),
        (vec![file(5, &["a"]), pad(PIECE - 5), file(7, &["b"]), file(0, &["x"])], 16_391, 3),
    ] {
        let kind = refused_kind(&hybrid(&files, tree(), total));
        assert_eq!(kind, ErrorKind::HybridMismatch { file: at });
    }
    // A torrent of one file has the name of the file.
    let single = info_with(
        d([("name", small(5, 1))]),
        &[("length", Some(i(5))), ("pieces", Some(s([7; 20])))],
    );
    assert!(both(&torrent(single, &[("piece layers", d::<&str>([]))])).info().is_single_file());
}

// V-17, BEP 52 "upgrade path"
#[test]
fn a_hybrid_whose_hashes_disagree_is_refused_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("name");
    fs::write(&path, [5; 40_000]).unwrap();
    let mut options = CreateOptions::new();
    options.version(Version::Hybrid).piece_length(16_384).unwrap();
    let good = options.create(&path, &go_on).unwrap();
    let mut bytes = good.info().bytes().to_vec();
    let at = bytes.windows(10).position(|window| window == b"6:pieces60").unwrap() + 11;
    bytes[at] ^= 1;
    let bad = Metainfo::from_info(Info::from_bytes(&bytes).unwrap());
    let layers = good.to_bytes();
    let layers = &layers[layers.windows(12).position(|w| w == b"piece layers").unwrap() - 3..];
    let bad = [b"d4:info", bad.info().bytes(), layers].concat();
    let bad = Metainfo::from_bytes(&bad).unwrap();
    let verify = |metainfo| VerifyOptions::new().verify(metainfo, folder.path(), &go_on);
    assert!(verify(&good).unwrap().is_complete());
    assert!(matches!(verify(&bad), Err(VerifyError::Inconsistent { piece: 0 })));
    // Content that matches neither hash is wrong, and the torrent consistent.
    fs::write(&path, [6; 40_000]).unwrap();
    assert_eq!(verify(&bad).unwrap().pieces().count(), 0);
}

/// A piece of 8 MiB for five bytes: hashing the padding would be out of proportion.
// V-17
#[test]
fn a_hybrid_piece_that_is_nearly_all_padding_is_verified_by_its_tree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("name");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a"), [5; 5]).unwrap();
    fs::write(path.join("b"), [5; 600_000]).unwrap();
    fs::write(path.join("c"), [5; 5]).unwrap();
    let mut options = CreateOptions::new();
    options.version(Version::Hybrid).piece_length(8 << 20).unwrap();
    let good = options.create(&path, &go_on).unwrap();
    let with_flipped = |piece: usize| {
        let mut bytes = good.info().bytes().to_vec();
        let at = bytes.windows(10).position(|window| window == b"6:pieces60").unwrap() + 11;
        bytes[at + 20 * piece] ^= 1;
        Metainfo::from_info(Info::from_bytes(&bytes).unwrap())
    };
    let verify = |metainfo: &Metainfo| VerifyOptions::new().verify(metainfo, folder.path(), &go_on);
    let piece = |index| good.info().geometry().piece(index).unwrap();
    assert_eq!([0, 1, 2].map(|at| good.is_verified_by_tree_alone(piece(at))), [true, false, true]);
    for metainfo in [&good, &with_flipped(0), &with_flipped(2)] {
        assert!(verify(metainfo).unwrap().is_complete());
    }
    let error = verify(&with_flipped(1)).unwrap_err();
    assert!(matches!(error, VerifyError::Inconsistent { piece: 1 }));
    fs::write(path.join("a"), [6; 5]).unwrap();
    assert_eq!(verify(&good).unwrap().pieces().count(), 2);
}

// V-18, V-19
#[test]
fn a_hybrid_is_met_by_both_its_names_and_by_no_conversion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("name");
    fs::write(&path, [5; 40_000]).unwrap();
    let of = |version| CreateOptions::new().version(version).create(&path, &go_on).unwrap();
    let (v1, v2, hybrid) = (of(Version::V1), of(Version::V2), of(Version::Hybrid));
    for magnet in [
        Magnet::new(tinytorrent_types::InfoHashes::from_v1(hybrid.hashes().v1().unwrap())),
        Magnet::new(tinytorrent_types::InfoHashes::from_v2(hybrid.hashes().v2().unwrap())),
    ] {
        let magnet: Magnet = magnet.to_string().parse().unwrap();
        assert!(hybrid.hashes().matches(magnet.hashes.to_wire()));
    }
    assert!(!hybrid.hashes().matches(v1.hashes().to_wire()));
    assert!(!hybrid.hashes().matches(v2.hashes().to_wire()));
    assert_eq!(hybrid.info().piece_hashes(), v1.info().piece_hashes());
}

// V-20
#[test]
fn files_alike_share_a_root_and_a_layer() {
    let (layer, root) = three_pieces();
    let file = || leaf(PIECE * 2 + 100, Some(&root));
    let layers = d([(root, s(layer.as_flattened()))]);
    let tree = d([("a", file()), ("b", small(5, 9)), ("c", file())]);
    let read = both(&torrent(info(tree), &[("piece layers", layers)]));
    let found: Vec<String> = read
        .info()
        .files_with_root(&root)
        .map(|file| read.layout().file(file.get()).unwrap().path.to_string())
        .collect();
    assert_eq!(found, ["name/a", "name/c"]);
    let hash = |piece| read.piece_hash_v2(read.info().geometry().piece(piece).unwrap());
    assert_eq!(hash(0), hash(4));
}

// V-21
#[test]
fn from_a_magnet_only_small_files_have_hashes() {
    let (_, root) = three_pieces();
    let tree = d([("a", leaf(PIECE * 2 + 100, Some(&root))), ("b", small(5, 9))]);
    let read = Metainfo::from_info(Info::from_bytes(&info(tree)).unwrap());
    let hash = |piece| read.piece_hash_v2(read.info().geometry().piece(piece).unwrap());
    assert_eq!([0, 1, 2].map(hash), [None; 3]);
    assert_eq!(hash(3).map(|found| (found.hash, found.leaf_count)), Some(([9; 32], 1)));
}

// V-22, BEP 52 "file tree"
#[test]
fn files_come_depth_first_in_the_order_of_the_tree() {
    let file = || small(PIECE, 1);
    let tree = d([
        ("b", d([("z", file()), ("a", d([("q", file())]))])),
        ("B", file()),
        ("b.txt", file()),
        ("c", file()),
    ]);
    let expected = ["name/B", "name/b/a/q", "name/b/z", "name/b.txt", "name/c"];
    assert_eq!(paths(&both(&v2(tree.clone()))), expected);
    // On a file system that folds case, `b` cannot be a folder and `B` a file.
    let expected = expected.map(|path| path.replace("name/B", "name/B.1"));
    assert_eq!(paths(&portable(&v2(tree))), expected);
}

// V-22, M-28, B-20
#[test]
fn deep_trees_take_no_stack() {
    let mut tree = small(5, 1);
    for _ in 0..99 {
        tree = d([("d", tree)]);
    }
    both(&v2(d([("d", tree.clone())])));
    let kind = refused_kind(&v2(d([("d", d([("d", tree.clone())]))])));
    assert_eq!(kind, ErrorKind::Layout(LayoutError::TooDeep { file: 0 }));
    for _ in 0..100_000 {
        tree = [b"d1:a", &tree[..], b"e"].concat()[..].to_vec();
        if tree.len() > 40_000 {
            break;
        }
    }
    refused(&v2(tree));
}

// BEP 47, BEP 52
#[test]
fn links_and_attributes_are_known_in_trees_as_well() {
    let link = d([("", d([("attr", s("l")), ("symlink path", strings(["a"]))]))]);
    let run = d([("", d([("attr", s("x")), ("length", i(5)), ("pieces root", s([1; 32]))]))]);
    let read = both(&v2(d([("a", run), ("l", link)])));
    let files: Vec<_> = read.layout().files().collect();
    assert!(files[0].attributes.is_executable());
    assert_eq!(files[2].link_target.unwrap().to_string(), "name/a");
}
