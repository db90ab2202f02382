//! The rules of BEP 3 and of its extensions (`docs/conformance/metainfo.md`).

mod common;

use std::collections::HashSet;

use common::{
    both, d, file, i, info, info_of_files, l, lenient, paths, portable, refused, refused_kind, s,
    strings, torrent,
};
use sha1::{Digest, Sha1};
use tinytorrent_metainfo::{
    ErrorKind, Info, LayoutError, Magnet, Metainfo, PathChangeKind, ReadOptions, Version,
    WarningKind,
};
use tinytorrent_types::InfoHashV1;

fn tiers(metainfo: &Metainfo) -> Vec<Vec<&str>> {
    metainfo.trackers().iter().map(|tier| tier.iter().map(String::as_str).collect()).collect()
}

// M-01, M-02, BEP 3
#[test]
fn info_hash_covers_the_bytes_as_they_are() {
    // Keys out of order and an integer with a leading zero, which encoding again would change.
    let info = b"d4:name1:a6:lengthi05e12:piece lengthi16384e6:pieces20:AAAAAAAAAAAAAAAAAAAAe";
    let bytes = [b"d4:info", &info[..], b"e"].concat();
    let (read, _) = lenient(&bytes);
    assert_eq!(read.hashes().v1().unwrap().as_bytes()[..], Sha1::digest(info)[..]);
    assert_eq!(read.info().bytes(), info);
    let unchanged = both(&torrent(common::info(&[]), &[]));
    assert_eq!(
        unchanged.hashes().v1().unwrap().as_bytes()[..],
        Sha1::digest(common::info(&[]))[..]
    );
}

// M-03
#[test]
fn info_must_be_a_dictionary() {
    for value in [s("d1:ae"), i(1), l([])] {
        let error = refused(&torrent(value, &[]));
        assert_eq!((error.offset(), error.path().to_string()), (7, "info".to_owned()));
    }
    assert_eq!(refused(b"de").to_string(), "key `info` is missing, at byte 0");
    assert!(Metainfo::from_bytes(b"4:info").is_err());
}

// M-04, BEP 3
#[test]
fn length_excludes_files_and_one_must_be_there() {
    let files = Some(l([file(40_000, &["x"])]));
    let both_keys = info(&[("files", files)]);
    assert_eq!(refused_kind(&torrent(both_keys, &[])), ErrorKind::LengthAndFiles);
    let neither = info(&[("length", None)]);
    assert_eq!(refused_kind(&torrent(neither, &[])), ErrorKind::NoFiles);
}

// M-05, M-06, BEP 3
#[test]
fn structure_tells_a_file_from_a_folder_whatever_the_names() {
    let single = both(&torrent(info(&[("name", Some(s("files")))]), &[]));
    assert!(single.info().is_single_file());
    assert_eq!(paths(&single), ["files"]);
    let folder = info_of_files(&[file(40_000, &["length"])], 40_000);
    let folder = both(&torrent(folder, &[]));
    assert!(!folder.info().is_single_file());
    assert_eq!(
        (folder.info().name(), paths(&folder)),
        ("folder", vec!["folder/length".to_owned()])
    );
}

// M-07
#[test]
fn without_a_name_the_info_hash_stands_in() {
    for name in [None, Some(s("")), Some(s(".")), Some(s("..")), Some(i(1))] {
        let bytes = torrent(info(&[("name", name)]), &[]);
        let (read, warning) = lenient(&bytes);
        assert_eq!(warning, WarningKind::NoName);
        assert_eq!(paths(&read), [read.hashes().v1().unwrap().to_string()]);
    }
    // A name of only invisible characters is `_` on disk under a policy that drops them.
    let invisible = torrent(info(&[("name", Some(s("\u{200b}\u{202e}")))]), &[]);
    assert_eq!(paths(&both(&invisible)), ["\u{200b}\u{202e}"]);
    assert_eq!(paths(&portable(&invisible)), ["_"]);
}

// M-08
#[test]
fn names_that_say_they_are_utf8_are_preferred() {
    let entry =
        d([("length", i(40_000)), ("path", strings([b"\xe4"])), ("path.utf-8", strings(["ä"]))]);
    let mut changed = info_of_files(&[entry], 40_000);
    changed.pop();
    let with_name = [changed, s("zz"), i(1), b"e".to_vec()].concat();
    assert_eq!(paths(&both(&torrent(with_name, &[]))), ["folder/ä"]);
    let single = info(&[("name", Some(s(b"\xe4"))), ("name.utf-8", Some(s("ä")))]);
    assert_eq!(paths(&both(&torrent(single, &[]))), ["ä"]);
    let broken = info(&[("name.utf-8", Some(s(b"\xff")))]);
    assert_eq!(paths(&both(&torrent(broken, &[]))), ["a.bin"]);
}

// M-09
#[test]
fn text_of_any_charset_is_kept_as_bytes() {
    let bytes = torrent(
        info(&[("name", Some(s(b"\xd6sterreich")))]),
        &[("comment", s(b"gr\xfc\xdfe")), ("encoding", s("ISO-8859-1"))],
    );
    let read = both(&bytes);
    assert_eq!(
        (read.info().name(), read.comment()),
        ("\u{fffd}sterreich", Some("gr\u{fffd}\u{fffd}e"))
    );
    assert_eq!(read.info().raw_value("name"), Some(&s(b"\xd6sterreich")[..]));
    assert_eq!(read.raw_value("comment"), Some(&s(b"gr\xfc\xdfe")[..]));
    assert_eq!(read.raw_value("encoding"), Some(&s("ISO-8859-1")[..]));
    assert_eq!(read.to_bytes(), bytes);
}

// M-10
#[test]
fn names_that_are_no_text_stay_apart() {
    let entry = |name: &[u8]| d([("length", i(20_000)), ("path", strings([name]))]);
    let files = [entry(b"\xe4.txt"), entry(b"\xf6.txt")];
    let bytes = torrent(info_of_files(&files, 40_000), &[]);
    #[cfg(all(unix, not(target_vendor = "apple")))]
    {
        let read = both(&bytes);
        let names = read.layout().files().map(|file| file.path.file_name()).collect::<Vec<_>>();
        assert_eq!(names, [b"\xe4.txt", b"\xf6.txt"]);
    }
    let read = portable(&bytes);
    assert_eq!(paths(&read), ["folder/_.txt", "folder/_.1.txt"]);
    let changes: Vec<_> = read.info().path_changes().collect();
    assert_eq!(changes[0].kinds, [PathChangeKind::NotUtf8]);
    assert_eq!(changes[1].kinds, [PathChangeKind::NotUtf8, PathChangeKind::Collision]);
    assert_eq!(changes[1].original, "folder/%F6.txt");
}

// M-11
#[test]
fn piece_length_must_be_positive_and_not_absurd() {
    for (length, fits) in [
        (0, false),
        (-16_384, false),
        (0x1fff_c000, true),
        (0x1fff_c001, false),
        (1 << 32, false),
        (1 << 63, false),
    ] {
        let pieces = Some(s([7; 20]));
        let bytes = torrent(info(&[("piece length", Some(i(length))), ("pieces", pieces)]), &[]);
        if fits {
            both(&bytes);
        } else {
            assert_eq!(refused(&bytes).path().to_string(), "info.piece length", "{length}");
        }
    }
    refused(&torrent(info(&[("piece length", None)]), &[]));
}

// M-12, M-14, M-15
#[test]
fn v1_pieces_may_have_any_length() {
    let odd = info(&[("piece length", Some(i(9_999))), ("pieces", Some(s([7; 100])))]);
    let read = both(&torrent(odd, &[]));
    let geometry = read.info().geometry();
    assert_eq!(geometry.piece_count(), 5);
    assert_eq!(geometry.piece_length(geometry.piece(4).unwrap()), 4);
    let full = info(&[("length", Some(i(32_768))), ("pieces", Some(s([7; 40])))]);
    let read = both(&torrent(full, &[]));
    let geometry = read.info().geometry();
    assert_eq!(geometry.piece_length(geometry.piece(1).unwrap()), 16_384);
}

// M-13
#[test]
fn pieces_hold_a_hash_for_each_piece() {
    for length in [0, 40, 59, 61, 80] {
        let bytes = torrent(info(&[("pieces", Some(s(vec![7; length])))]), &[]);
        assert_eq!(refused_kind(&bytes), ErrorKind::Pieces { expected: 60, found: length });
    }
    let read = both(&torrent(info(&[]), &[]));
    let last = read.info().geometry().piece(2).unwrap();
    assert_eq!(read.info().piece_hash(last), Some([7; 20]));
}

// M-16
#[test]
fn lengths_are_checked_before_they_are_added() {
    let negative = torrent(info(&[("length", Some(i(-1)))]), &[]);
    assert_eq!(refused_kind(&negative), ErrorKind::NegativeLength(-1));
    let half = i128::from(i64::MAX) / 2 + 1;
    let files = [file(half, &["a"]), file(half, &["b"])];
    let total = ErrorKind::Layout(LayoutError::TotalLength { file: 1 });
    assert_eq!(refused_kind(&torrent(info_of_files(&files, 0), &[])), total);
    for length in [1 << 63, 1 << 64, 1 << 100] {
        refused(&torrent(info(&[("length", Some(i(length)))]), &[]));
    }
}

// M-17, M-19, BEP 3
#[test]
fn empty_files_are_files_without_pieces() {
    let files = [
        file(0, &["a"]),
        file(20_000, &["b"]),
        file(0, &["c"]),
        file(20_000, &["d"]),
        file(0, &["e"]),
    ];
    let read = both(&torrent(info_of_files(&files, 40_000), &[]));
    let layout = read.layout();
    assert_eq!(layout.file_count(), 5);
    let piece = layout.geometry().piece(1).unwrap();
    let spans: Vec<u32> = layout.piece_spans(piece).map(|span| span.file.get()).collect();
    assert_eq!(spans, [1, 3]);
    let empty: Vec<usize> =
        layout.files().map(|file| layout.file_pieces(file.index).len()).collect();
    assert_eq!(empty, [0, 2, 0, 2, 0]);
}

// M-18
#[test]
fn a_torrent_without_content_is_read_leniently_and_complete() {
    let files = [file(0, &["a"]), file(0, &["b"])];
    let (read, warning) = lenient(&torrent(info_of_files(&files, 0), &[]));
    assert_eq!((warning, read.info().geometry().piece_count()), (WarningKind::NoContent, 0));
    refused(&torrent(info_of_files(&[], 0), &[]));
}

// M-20, M-28, BEP 3, BEP 47
#[test]
fn a_path_has_one_to_a_hundred_elements() {
    let files = [d([("length", i(40_000)), ("path", l([]))])];
    let kind = refused_kind(&torrent(info_of_files(&files, 40_000), &[]));
    assert_eq!(kind, ErrorKind::Layout(LayoutError::EmptyPath { file: 0 }));
    let files = [d([("length", i(40_000))])];
    let error = refused(&torrent(info_of_files(&files, 40_000), &[]));
    assert_eq!(error.path().to_string(), "info.files[0]");
    let files = [d([("length", i(40_000)), ("path", l([s("a"), i(1)]))])];
    let error = refused(&torrent(info_of_files(&files, 40_000), &[]));
    assert_eq!(error.path().to_string(), "info.files[0].path[1]");
    let deep = [file(40_000, &["x"; 100])];
    both(&torrent(info_of_files(&deep, 40_000), &[]));
    let deeper = [file(40_000, &["x"; 101])];
    let kind = refused_kind(&torrent(info_of_files(&deeper, 40_000), &[]));
    assert_eq!(kind, ErrorKind::Layout(LayoutError::TooDeep { file: 0 }));
}

// M-29, BEP 12
#[test]
fn announce_list_replaces_announce_where_it_holds_any() {
    let announce = ("announce", s("http://a"));
    let with = |list: Vec<u8>| torrent(info(&[]), &[announce.clone(), ("announce-list", list)]);
    let tiered = l([strings(["udp://b", "udp://c"]), strings(["udp://d"])]);
    assert_eq!(tiers(&both(&with(tiered))), [vec!["udp://b", "udp://c"], vec!["udp://d"]]);
    assert_eq!(tiers(&both(&with(l([])))), [["http://a"]]);
    assert_eq!(tiers(&both(&with(l([l([])])))), [["http://a"]]);
    let (read, _) = lenient(&with(i(1)));
    assert_eq!(tiers(&read), [["http://a"]]);
    let (read, _) = lenient(&with(l([strings([" "])])));
    assert_eq!(tiers(&read), [["http://a"]]);
}

// M-30
#[test]
fn a_flat_announce_list_is_a_list_of_tiers() {
    let flat = torrent(info(&[]), &[("announce-list", strings(["udp://b", "udp://c"]))]);
    let (read, warning) = lenient(&flat);
    assert_eq!(
        (warning, tiers(&read)),
        (WarningKind::FlatTier, vec![vec!["udp://b"], vec!["udp://c"]])
    );
}

// M-31
#[test]
fn blanks_are_no_trackers_and_unknown_schemes_are_kept() {
    let list =
        l([strings([""]), strings([" \n"]), strings([" wss://x ", "\thttp://y", "wss://x"])]);
    let (read, warning) = lenient(&torrent(info(&[]), &[("announce-list", list)]));
    assert_eq!((warning, tiers(&read)), (WarningKind::NotUrl, vec![vec!["wss://x", "http://y"]]));
}

// M-32, BEP 5
#[test]
fn nodes_may_stand_in_for_trackers() {
    let pair = |host: &str, port: i128| l([s(host), i(port)]);
    let good = torrent(info(&[]), &[("nodes", l([pair("router.example", 6881), pair("::1", 1)]))]);
    let read = both(&good);
    assert!(read.trackers().is_empty());
    let nodes: Vec<String> = read.nodes().iter().map(ToString::to_string).collect();
    assert_eq!(nodes, ["router.example:6881", "[::1]:1"]);
    let odd = l([pair("", 1), pair("a", 0), pair("a", 70_000), l([]), i(1), pair("b", 2)]);
    let (read, warning) = lenient(&torrent(info(&[]), &[("nodes", odd)]));
    assert_eq!((warning, read.nodes().len()), (WarningKind::NotNode, 1));
}

// M-33, BEP 19
#[test]
fn web_seeds_come_in_every_shape() {
    let seeds = |info: Vec<u8>, list: Vec<u8>| {
        Metainfo::from_bytes_lenient(&torrent(info, &[("url-list", list)]))
            .unwrap()
            .web_seeds()
            .to_vec()
    };
    assert_eq!(seeds(info(&[]), s("http://a/a.bin")), ["http://a/a.bin"]);
    assert_eq!(
        seeds(info(&[]), strings(["http://a", "http://b", "http://a"])),
        ["http://a", "http://b"]
    );
    assert!(seeds(info(&[]), s("")).is_empty() && seeds(info(&[]), i(1)).is_empty());
    both(&torrent(info(&[]), &[("url-list", s(""))]));
    let folder = || info_of_files(&[file(39_999, &["x"]), file(1, &["y"])], 40_000);
    assert_eq!(seeds(folder(), strings(["http://a", "http://a/"])), ["http://a/"]);
    // As in libtorrent's url_seed_multi_single_file: the URL of the file, or of its folder.
    let one = || info_of_files(&[file(40_000, &["foo", "bar"])], 40_000);
    let urls = ["http://a/folder/foo/bar", "http://a/"];
    assert_eq!(seeds(one(), strings(urls)), urls);
}

// M-34, BEP 17
#[test]
fn http_seeds_are_not_web_seeds() {
    let read = both(&torrent(info(&[]), &[("httpseeds", strings(["http://a"]))]));
    assert_eq!((read.http_seeds(), read.web_seeds().len()), (&["http://a".to_owned()][..], 0));
}

// M-35
#[test]
fn no_date_is_worth_a_torrent() {
    for (date, seconds) in [
        (i(-5), Some(-5)),
        (i(1 << 62), Some(1 << 62)),
        (i(1 << 70), None),
        (s("1359599503"), Some(1_359_599_503)),
        (s("1359599503.5"), None),
        (l([]), None),
    ] {
        let bytes = torrent(info(&[]), &[("creation date", date)]);
        assert_eq!(both(&bytes).creation_date(), seconds);
    }
}

// M-36, B-29, BEP 27
#[test]
fn private_counts_within_info_only_and_is_any_number_but_zero() {
    assert!(!both(&torrent(info(&[]), &[("private", i(1))])).info().is_private());
    for (private, expected) in [(i(0), false), (i(1), true), (i(2), true), (i(-1), true)] {
        let read = both(&torrent(info(&[("private", Some(private))]), &[]));
        assert_eq!(read.info().is_private(), expected);
    }
}

// M-37, M-48, B-25
#[test]
fn editing_leaves_the_info_dictionary_and_unknown_keys_alone() {
    let info = info(&[("source", Some(s("here"))), ("x-unknown", Some(d([("k", i(-7))])))]);
    let bytes = torrent(info.clone(), &[("announce", s("http://a")), ("x-more", l([i(1)]))]);
    let mut edited = both(&bytes);
    assert_eq!(edited.to_bytes(), bytes, "nothing changed, nothing changes");
    assert_eq!(edited.info().source(), Some("here"));
    assert_eq!(edited.info().raw_value("x-unknown"), Some(&b"d1:ki-7ee"[..]));
    let hashes = edited.hashes();
    edited
        .set_trackers(vec![vec!["http://b".into()], vec!["http://c".into(), "http://d".into()]])
        .set_web_seeds(vec!["http://w".into()])
        .set_comment(Some("new".into()));
    let saved = edited.to_bytes();
    assert!(saved.windows(info.len()).any(|window| window == info));
    let read = both(&saved);
    assert_eq!((read.hashes(), read.comment()), (hashes, Some("new")));
    assert_eq!(tiers(&read), [vec!["http://b"], vec!["http://c", "http://d"]]);
    assert_eq!(read.raw_value("x-more"), Some(&b"li1ee"[..]));
    assert_eq!(read.raw_value("announce"), Some(&s("http://b")[..]));
    edited.set_trackers(vec![]).set_web_seeds(vec![]).set_comment(None);
    assert_eq!(edited.to_bytes(), torrent(info, &[("x-more", l([i(1)]))]));
}

// M-02, M-48
#[test]
fn what_is_not_canonical_is_saved_as_it_was() {
    let info = b"d6:pieces20:AAAAAAAAAAAAAAAAAAAA4:name1:a6:lengthi5e12:piece lengthi16384ee";
    let bytes = [b"d4:info", &info[..], b"8:announce8:http://ae"].concat();
    let (read, _) = lenient(&bytes);
    let saved = read.to_bytes();
    assert!(saved.windows(info.len()).any(|window| window == info));
    assert_eq!(Metainfo::from_bytes_lenient(&saved).unwrap().hashes(), read.hashes());
}

// M-38
#[test]
fn hashes_of_other_kinds_are_passed_over() {
    let entry = d([
        ("ed2k", i(1)),
        ("length", i(40_000)),
        ("md5sum", s("short")),
        ("path", strings(["x"])),
        ("sha1", s([1; 3])),
    ]);
    both(&torrent(info_of_files(&[entry], 40_000), &[]));
}

/// An entry of `files` with attributes.
fn with_attr(attr: &str, length: i128, more: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let more = more.iter().map(|(key, value)| (*key, value.clone()));
    d(more.chain([("attr", s(attr)), ("length", i(length))]))
}

// M-39, BEP 47
#[test]
fn attributes_come_in_any_order_and_unknown_ones_mean_nothing() {
    let files = [with_attr("zhqx", 40_000, &[("path", strings(["x"]))])];
    let read = both(&torrent(info_of_files(&files, 40_000), &[]));
    let attributes = read.layout().file(0).unwrap().attributes;
    assert!(attributes.is_executable() && attributes.is_hidden() && !attributes.is_pad());
    assert_eq!(attributes.to_letters(), "hx");
}

// M-40, M-41, M-42, BEP 47
#[test]
fn padding_needs_no_path_keeps_its_index_and_is_known_by_two_names() {
    let files = [
        file(10_000, &["a"]),
        with_attr("p", 6_384, &[]),
        file(10_000, &["b"]),
        file(6_384, &["_____padding_file_0_x"]),
        file(1_000, &["c"]),
    ];
    let read = both(&torrent(info_of_files(&files, 33_768), &[]));
    let pads: Vec<bool> = read.layout().files().map(|file| file.is_pad()).collect();
    assert_eq!(pads, [false, true, false, true, false]);
    let c = read.layout().file(4).unwrap();
    assert_eq!((c.index.get(), c.offset), (4, 32_768));
    let first = read.info().geometry().piece(0).unwrap();
    assert_eq!(read.layout().payload_length(first), 10_000);
    let is_pad: Vec<bool> = read.layout().piece_spans(first).map(|span| span.is_pad).collect();
    assert_eq!(is_pad, [false, true]);
}

// M-46, BEP 38
#[test]
fn similar_torrents_are_found_in_both_places() {
    let similar = |byte: u8| l([s([byte; 20]), s([byte; 19]), i(1)]);
    let read = both(&torrent(
        info(&[("similar", Some(similar(1))), ("collections", Some(l([s("x"), i(1)])))]),
        &[("similar", similar(2)), ("collections", strings(["y"]))],
    ));
    let found: Vec<u8> = read.similar().map(|hash| hash.as_bytes()[0]).collect();
    assert_eq!(found, [1, 2]);
    assert_eq!(read.collections().collect::<Vec<_>>(), ["x", "y"]);
}

// M-47
#[test]
fn limits_are_options_and_named_when_they_are_hit() {
    let bytes = torrent(info(&[]), &[]);
    let error = ReadOptions::strict().max_pieces(2).read(&bytes).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooManyPieces { count: 3, limit: 2 });
    let error = ReadOptions::strict().max_bytes(100).read(&bytes).unwrap_err();
    assert!(error.to_string().contains("100 bytes"), "{error}");
    let error = ReadOptions::strict().max_nodes(5).read(&bytes).unwrap_err();
    assert!(error.to_string().contains("more than 5"), "{error}");
    assert!(ReadOptions::strict().max_pieces(3).read(&bytes).is_ok());
}

// M-49, BEP 9
#[test]
fn metadata_of_a_magnet_is_checked_like_a_torrent_file() {
    let bare = Info::from_bytes(&info(&[("private", Some(i(1)))])).unwrap();
    assert!(bare.is_private() && bare.version() == Version::V1);
    let around = both(&torrent(info(&[("private", Some(i(1)))]), &[]));
    assert_eq!((bare.hashes(), bare.layout()), (around.hashes(), around.layout()));
    for changes in [
        ("piece length", Some(i(0))),
        ("pieces", Some(s("x"))),
        ("length", Some(i(-1))),
        ("length", None),
        ("name", Some(s(".."))),
    ] {
        assert!(Info::from_bytes(&info(std::slice::from_ref(&changes))).is_err(), "{changes:?}");
    }
    let saved = Metainfo::from_info(bare.clone()).to_bytes();
    assert_eq!(both(&saved).hashes(), bare.hashes());
}

// M-50
#[test]
fn a_magnet_in_a_file_is_named() {
    let link = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    let bytes = d([("magnet-uri", s(link))]);
    assert_eq!(refused_kind(&bytes), ErrorKind::IsMagnet(link.to_owned()));
    // The form in which transmission stores a link until it has the metadata.
    let hash = link[20..].parse::<InfoHashV1>().unwrap();
    let magnet = || d([("display-name", s("a+b é")), ("info_hash", s(hash.as_bytes()))]);
    let bytes = d([
        ("announce-list", l([strings(["udp://a:1"]), strings(["udp://b:1", ""])])),
        ("magnet-info", magnet()),
        ("url-list", strings(["http://w/x"])),
    ]);
    let ErrorKind::IsMagnet(found) = refused_kind(&bytes) else { panic!("no magnet link") };
    let found: Magnet = found.parse().unwrap();
    assert_eq!((found.hashes.v1(), found.name.as_deref()), (Some(hash), Some("a b é")));
    assert_eq!(found.trackers, ["udp://a:1", "udp://b:1"]);
    assert_eq!(found.web_seeds, ["http://w/x"]);
    // An info dictionary is preferred to a link, and an invalid hash is no link.
    let whole = both(&torrent(info(&[]), &[("magnet-info", magnet())]));
    assert_eq!(whole.info().name(), "a.bin");
    let short = d([("magnet-info", d([("info_hash", s("x"))]))]);
    assert!(matches!(refused_kind(&short), ErrorKind::Bencode(_)));
}

// M-27, BEP 3
#[test]
fn strict_reading_refuses_two_files_of_one_path() {
    let files = |paths: &[&[&str]]| {
        let files: Vec<_> = paths.iter().map(|path| file(10, path)).collect();
        torrent(info_of_files(&files, 10 * paths.len()), &[])
    };
    for (paths, file, of) in [
        (&[&["a"][..], &["b"], &["a"]][..], 2, 0),
        (&[&["x", "a"], &["x", "a"]], 1, 0),
        (&[&["a"], &["a", "b"]], 1, 0),
        (&[&["a", "b", "c"], &["a!"], &["a", "b"], &["a", "bc"]], 2, 0),
    ] {
        let bytes = files(paths);
        let error = Metainfo::from_bytes(&bytes).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::SamePath { file, of }, "{paths:?}");
        assert_eq!(error.path().to_string(), format!("info.files[{file}]"));
        let read = Metainfo::from_bytes_lenient(&bytes).unwrap();
        let names: HashSet<String> = common::paths(&read).into_iter().collect();
        assert_eq!(names.len(), paths.len(), "lenient reading tells them apart");
    }
    // Paths that only some file systems take for equal are different paths.
    let alike = files(&[&["a"], &["A"], &["b:"], &["b?"], &["a b", "c"], &["a b."]]);
    assert!(Metainfo::from_bytes(&alike).is_ok());
    let pads = ["p", "p"]
        .map(|attr| d([("attr", s(attr)), ("length", i(5)), ("path", strings([".pad", "5"]))]));
    let named = file(10, &["con"]);
    let bytes = torrent(info_of_files(&[&pads[..], &[named]].concat(), 20), &[]);
    assert!(Metainfo::from_bytes(&bytes).is_ok(), "padding is never written");
}

// B-30
#[test]
fn optional_keys_of_the_wrong_kind_are_forgiven_leniently() {
    for (key, value) in [("comment", i(1)), ("created by", l([])), ("url-list", i(1))] {
        let (_, warning) = lenient(&torrent(info(&[]), &[(key, value)]));
        assert!(matches!(warning, WarningKind::WrongKind(_)), "{key}: {warning}");
    }
    for key in ["source", "similar", "collections"] {
        let (_, warning) = lenient(&torrent(info(&[(key, Some(i(1)))]), &[]));
        assert!(matches!(warning, WarningKind::WrongKind(_)), "{key}: {warning}");
    }
}

#[test]
fn a_merkle_torrent_of_bep_30_is_named() {
    let merkle = info(&[("pieces", None), ("root hash", Some(s([1; 20])))]);
    assert_eq!(refused_kind(&torrent(merkle, &[])), ErrorKind::MerkleV1);
}

#[test]
fn warnings_are_limited_and_counted() {
    let list = l((0..500).map(|_| i(1)));
    let bytes = torrent(info(&[]), &[("announce-list", list)]);
    let read = ReadOptions::lenient().max_warnings(10).read(&bytes).unwrap();
    assert_eq!((read.warnings().len(), read.warning_count()), (10, 500));
}
