use proptest::prelude::*;
use tinytorrent_types::{InfoHashV1, InfoHashV2};

use super::*;

const V1: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
const V2: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

fn read(text: &str) -> Magnet {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn with_hash(rest: &str) -> Magnet {
    read(&format!("magnet:?xt=urn:btih:{V1}{rest}"))
}

// G-01
#[test]
fn case_and_order_do_not_matter() {
    let magnet = read(&format!("MAGNET:?DN=a&TR=http%3A%2F%2Ft&XT=URN:BTIH:{}", V1.to_uppercase()));
    assert_eq!(magnet.hashes.v1().unwrap().to_string(), V1);
    assert_eq!((magnet.name.as_deref(), magnet.trackers.len()), (Some("a"), 1));
    assert_eq!("http://x".parse::<Magnet>(), Err(MagnetError::Scheme));
    assert_eq!("".parse::<Magnet>(), Err(MagnetError::Scheme));
}

// G-02, G-07
#[test]
fn numbered_and_escaped_parameters_are_read() {
    let magnet = read(&format!("magnet:?xt.1=urn%3Abtih%3A{V1}&tr.1=udp://a:1&tr.2=udp://b:2"));
    assert_eq!(magnet.trackers, ["udp://a:1", "udp://b:2"]);
}

// G-03, BEP 9
#[test]
fn btih_is_hex_or_base32_and_nothing_else() {
    let bytes = *V1.parse::<InfoHashV1>().unwrap().as_bytes();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let base32: String = (0..32)
        .map(|at| {
            (0..5).fold(0, |value, bit| {
                let bit = at * 5 + bit;
                value << 1 | usize::from(bytes[bit / 8] >> (7 - bit % 8) & 1)
            })
        })
        .map(|value| alphabet[value] as char)
        .collect();
    for hash in [base32.clone(), base32.to_lowercase()] {
        assert_eq!(
            read(&format!("magnet:?xt=urn:btih:{hash}")).hashes.v1().unwrap().as_bytes(),
            &bytes
        );
    }
    for (hash, error) in [
        ("abc", MagnetError::HashLength { found: 3 }),
        ("", MagnetError::HashLength { found: 0 }),
        (V2, MagnetError::HashLength { found: 64 }),
        (&V1.replace('d', "g"), MagnetError::HashDigits { hash: V1.replace('d', "g") }),
        (&base32.replace('A', "1"), MagnetError::HashDigits { hash: base32.replace('A', "1") }),
    ] {
        assert_eq!(format!("magnet:?xt=urn:btih:{hash}").parse::<Magnet>(), Err(error), "{hash}");
    }
}

// G-04, G-06, V-18, BEP 9
#[test]
fn btmh_is_sha256_and_both_make_a_hybrid() {
    let magnet = read(&format!("magnet:?xt=urn:btmh:1220{V2}"));
    assert_eq!((magnet.hashes.v1(), magnet.hashes.v2()), (None, V2.parse().ok()));
    let both = with_hash(&format!("&xt=urn:btmh:1220{V2}"));
    assert!(both.hashes.v1().is_some() && both.hashes.v2().is_some());
    let sha1 = format!("magnet:?xt=urn:btmh:1114{V1}");
    assert!(matches!(sha1.parse::<Magnet>(), Err(MagnetError::UnsupportedMultihash { .. })));
    // Each part of a hybrid's link meets the whole.
    let parts = [with_hash(""), magnet];
    assert!(parts.iter().all(|part| both.hashes.matches(part.hashes.to_wire())));
    let other = V1.replace('d', "e");
    let two = format!("magnet:?xt=urn:btih:{V1}&xt=urn:btih:{other}");
    assert_eq!(two.parse::<Magnet>(), Err(MagnetError::Conflict));
    let same = format!("magnet:?xt=urn:btih:{V1}&xt=urn:btih:{}", V1.to_uppercase());
    assert_eq!(read(&same).hashes, with_hash("").hashes);
}

// G-05
#[test]
fn hashes_of_other_networks_are_passed_over() {
    assert_eq!(
        with_hash("&xt=urn:ed2k:31D6CFE0D16AE931B73C59D7E0C089C0&xt=urn:btmh:1114aa"),
        with_hash("")
    );
    assert_eq!("magnet:?xt=urn:sha1:AAAA&xt=x".parse::<Magnet>(), Err(MagnetError::NoInfoHash));
    assert_eq!("magnet:?dn=a".parse::<Magnet>(), Err(MagnetError::NoInfoHash));
}

// G-08
#[test]
fn name_is_unescaped_and_kept_although_no_text() {
    assert_eq!(with_hash("&dn=a+b%20c%2Bd").name.as_deref(), Some("a b c+d"));
    assert_eq!(with_hash("&dn=%ff%zz%").name.as_deref(), Some("\u{fffd}%zz%"));
    assert_eq!(with_hash("&dn=").name, None);
}

// G-09
#[test]
fn trackers_keep_their_order_and_survive_a_web_page() {
    let magnet =
        with_hash("&amp;tr=udp%3A%2F%2Fb%3A1&amp;tr=nonsense&tr=&tr=http://a/x?y=1&tr=udp://b:1");
    assert_eq!(magnet.trackers, ["udp://b:1", "http://a/x?y=1"]);
}

// G-09
#[test]
fn what_pages_and_desktops_do_to_a_link_is_undone() {
    let clean = with_hash("&dn=a%20b&tr=udp%3A%2F%2Fh%3A1&tr=udp%3A%2F%2Fh%3A2");
    let link = clean.to_string();
    let query = link.strip_prefix("magnet:?").unwrap();
    let escaped = escape::Escaped(&link).to_string();
    let twice = escape::Escaped(&escaped).to_string();
    for pasted in [
        format!(" \u{feff}{link}\r\n\t"),
        format!("<{link}>"),
        format!("\"{link}\""),
        format!("({link})"),
        format!("'{link}"),
        link.replace('&', "&amp;"),
        link.replace('&', "&amp;amp;"),
        link.replace('&', "&#38;"),
        link.replace('&', "&#038;"),
        link.replace('&', "&#x26;"),
        link.replace('&', "&amp;#X26;"),
        link.replace('&', "\\u0026"),
        link.replace('&', "&#38;").replace('=', "&#61;").replace(':', "&colon;"),
        format!("magnet:///?{query}"),
        format!("magnet://?{query}"),
        format!("MAGNET:/?{query}"),
        format!("magnet:///%3F{query}"),
        format!("magnet:%3f{query}"),
        format!("magnet%3A?{query}"),
        format!("magnet:?{}", escape::Escaped(query)),
        format!("magnet:///%3F{}", escape::Escaped(query)),
        escaped.replace("%26", "%26amp%3B"),
        escaped.to_lowercase(),
        escaped,
        twice,
        format!("{link} Download now"),
        format!("{link}\">Download</a>"),
        format!("{link}\nDownload it now"),
        format!("{link}\n\n{link}"),
        format!("{link}\n{}", link.replace("btih:d", "btih:e")),
        format!("{}\n  {}\r\n{}", &link[..30], &link[30..70], &link[70..]),
        link.replace("&dn", "\n&dn"),
    ] {
        assert_eq!(pasted.parse().as_ref(), Ok(&clean), "{pasted}");
    }
    let lone = format!("magnet:?xt=urn:btih:{V1}");
    for text in [" text", "\ntext", "\ntext and more", "\"", "&amp;", "\n\n", "</a>"] {
        assert_eq!(read(&format!("{lone}{text}")), with_hash(""), "{text}");
    }
    for text in ["magnet:", "magnet:///", "magnet:%", "magnet%3A", "magnets:?xt=1", "&#109;", "<"] {
        assert_eq!(text.parse::<Magnet>(), Err(MagnetError::Scheme), "{text}");
    }
}

// G-08, G-09
#[test]
fn a_name_keeps_its_blanks_and_its_own_entities() {
    let magnet = with_hash("&dn=Tom & Jerry%20%26amp%3B &lt;1&amp;tr=udp://h:1");
    assert_eq!((magnet.name.as_deref(), magnet.trackers.len()), (Some("Tom"), 1));
    assert_eq!(with_hash("&dn=a b%26amp%3Bc").name.as_deref(), Some("a b&amp;c"));
}

// G-03, G-04, G-14
#[test]
fn a_bare_info_hash_is_no_link_but_means_one() {
    let v1 = read(&format!("magnet:?xt=urn:btih:{V1}"));
    let base32 = "3WBFL3G4PSSV7MF37AJSHWDQMLNR63I4";
    for text in [V1, &V1.to_uppercase(), base32, &base32.to_lowercase()] {
        assert_eq!(Magnet::from_info_hash(text), Some(v1.clone()), "{text}");
        assert_eq!(text.parse::<Magnet>(), Err(MagnetError::Scheme));
    }
    let v2 = read(&format!("magnet:?xt=urn:btmh:1220{V2}"));
    for text in [V2, &V2.to_uppercase(), &format!("1220{V2}")] {
        assert_eq!(Magnet::from_info_hash(text), Some(v2.clone()), "{text}");
    }
    for text in
        ["", "abc", &V1[1..], &base32.replace('A', "1"), &format!("1114{V2}"), &"é".repeat(20)]
    {
        assert_eq!(Magnet::from_info_hash(text), None, "{text}");
    }
}

// G-10, G-17
#[test]
fn sources_peers_and_nodes_are_read() {
    let magnet = with_hash(
        "&ws=http%3A%2F%2Fw%2F&as=http://a&xs=http://x.torrent&x.pe=1.2.3.4:5&x.pe=[::1]:6\
         &x.pe=peer.example%3A7&x.pe=1.2.3.4:0&x.pe=nobody&dht=router.example:8&xl=99&xl=1",
    );
    assert_eq!((&magnet.web_seeds[..], magnet.length), (&["http://w/".to_owned()][..], Some(99)));
    let peers: Vec<String> = magnet.peers.iter().map(HostPort::to_string).collect();
    assert_eq!(peers, ["1.2.3.4:5", "[::1]:6", "peer.example:7"]);
    assert_eq!(magnet.nodes[0].to_string(), "router.example:8");
    assert_eq!(
        (&magnet.acceptable_sources[0][..], &magnet.exact_sources[0][..]),
        ("http://a", "http://x.torrent")
    );
    assert_eq!(with_hash("&xl=x").length, None);
}

// G-11, G-12, BEP 53
#[test]
fn selection_is_inclusive_and_costs_no_memory() {
    let selection = with_hash("&so=0,2,4-6,9-7,x,-1,4294967295-").selection;
    let files: Vec<u32> = (0..20).filter(|&file| selection.contains(file)).collect();
    assert_eq!(files, [0, 2, 4, 5, 6]);
    let all = with_hash("&so=0-4294967295").selection;
    assert_eq!((all.ranges().len(), all.contains(u32::MAX)), (1, true));
    assert!(with_hash("&so=0-18446744073709551615").selection.is_empty());
    let more = selection.union(&FileSelection::from_text("3,20"));
    assert_eq!(more.to_string(), "0,2-6,20");
}

#[test]
fn a_difference_has_what_only_the_first_has() {
    let sets = ["", "0", "0-3", "2-5,7,9-12", "1,3,5,7-8", "0-20", "4-4294967295", "0-4294967295"];
    let edges = [u32::MAX - 1, u32::MAX];
    for (a, b) in sets.iter().flat_map(|a| sets.map(|b| (*a, b))) {
        let [first, second] = [a, b].map(FileSelection::from_text);
        let left = first.difference(&second);
        for file in (0..25).chain(edges) {
            let expected = first.contains(file) && !second.contains(file);
            assert_eq!(left.contains(file), expected, "{file} of {a} without {b}: {left}");
        }
        assert_eq!(left, FileSelection::new(left.ranges().iter().cloned()), "one form");
    }
}

// G-15
#[test]
fn what_is_written_is_read_back() {
    let magnet = with_hash(
        "&dn=a%26b%20%C3%A9&tr=http://t/%3Fa%3D1%26b&ws=http://w&x.pe=[::1]:6&so=1-2&xl=3",
    );
    assert_eq!(read(&magnet.to_string()), magnet);
    assert!(magnet.to_string().contains("&dn=a%26b%20%C3%A9&"));
}

// G-16
#[test]
fn length_and_entries_are_limited() {
    let long = "magnet:?".to_owned() + &"x".repeat(Magnet::MAX_LENGTH);
    assert!(matches!(long.parse::<Magnet>(), Err(MagnetError::TooLong { .. })));
    let many: String = (0..20_000).map(|port| format!("&tr=udp://t:{port}")).collect();
    assert_eq!(with_hash(&many).trackers.len(), Magnet::MAX_ENTRIES);
}

// G-11, G-16
#[test]
fn a_link_that_names_files_one_by_one_is_limited_and_read_back() {
    let many: String = (0..110_000).map(|file| format!("&so={}", 2 * file)).collect();
    let magnet = with_hash(&many);
    assert_eq!(magnet.selection.ranges().len(), Magnet::MAX_ENTRIES);
    assert_eq!(read(&magnet.to_string()), magnet);
}

/// The parts of links, in the forms that programs turn them into.
const MANGLED: [&str; 29] = [
    "magnet:",
    "magnet%3A",
    "?",
    "%3F",
    "//",
    "&",
    "&amp;",
    "&#38;",
    "&#x26;",
    "&colon;",
    ";",
    "=",
    "%3D",
    "dn=",
    "tr=http://h/",
    "xt=urn:btih:",
    V1,
    "x.pe=h:1",
    "so=1",
    "xl=5",
    "a",
    "é",
    " ",
    "\n",
    "<",
    "\"",
    "%",
    "%25",
    "\u{feff}",
];

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), query in "[a-z.=&%+0-9:,\\-é]{0,80}") {
        let _ = text.parse::<Magnet>();
        let _ = format!("magnet:?{query}").parse::<Magnet>();
        let _ = format!("magnet:?xt=urn:btih:{V1}&{query}").parse::<Magnet>();
    }

    // G-09, G-15
    #[test]
    fn what_is_made_of_a_mangled_link_is_written_and_read_back(
        parts in prop::collection::vec(prop::sample::select(MANGLED.to_vec()), 0..20),
    ) {
        for link in [parts.concat(), format!("magnet:?xt=urn:btih:{V1}{}", parts.concat())] {
            if let Ok(magnet) = link.parse::<Magnet>() {
                prop_assert_eq!(magnet.to_string().parse(), Ok(magnet), "{}", link);
            }
        }
    }

    // G-15
    #[test]
    fn every_value_survives_the_round_trip(
        v1 in any::<Option<[u8; 20]>>(),
        v2 in any::<[u8; 32]>(),
        name in any::<Option<String>>(),
        paths in prop::collection::vec(any::<String>(), 0..4),
        ranges in prop::collection::vec((any::<u32>(), any::<u32>()), 0..5),
        port in 1..=u16::MAX,
    ) {
        let hashes = InfoHashes::new(v1.map(InfoHashV1::from_bytes), Some(InfoHashV2::from_bytes(v2)));
        let mut magnet = Magnet::new(hashes.unwrap());
        magnet.name = name.filter(|name| !name.is_empty());
        for url in paths.iter().map(|path| format!("http://t/{}x", path.trim())) {
            if !magnet.trackers.contains(&url) {
                magnet.trackers.push(url);
            }
        }
        magnet.web_seeds = magnet.trackers.clone();
        magnet.peers = vec![HostPort::new("::1", port).unwrap()];
        magnet.selection = FileSelection::new(ranges.into_iter().map(|(from, to)| from..=to));
        prop_assert_eq!(magnet.to_string().parse::<Magnet>().unwrap(), magnet);
    }
}
