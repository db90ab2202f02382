use proptest::prelude::*;
use tinytorrent_types::PeerId;

use super::*;
use crate::http::read_scrape;

fn read(body: &[u8]) -> AnnounceResponse {
    read_announce(body).unwrap()
}

fn addresses(response: &AnnounceResponse) -> Vec<String> {
    response.peers.iter().map(|peer| peer.address.to_string()).collect()
}

fn refused(body: &[u8]) -> Refusal {
    match read_announce(body) {
        Err(ResponseError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// H-06, H-07, BEP 3 "trackers"
#[test]
fn peers_as_dictionaries_are_read_with_and_without_id() {
    let response = read(
        b"d8:intervali1800e5:peersld2:ip9:192.0.2.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881ee\
          d2:ip9:192.0.2.24:porti6882eeee",
    );
    assert_eq!(addresses(&response), ["192.0.2.1:6881", "192.0.2.2:6882"]);
    assert_eq!(response.peers[0].id, Some(PeerId::from_bytes([b'a'; 20])));
    assert_eq!(response.peers[1].id, None);
}

/// H-08
#[test]
fn a_dictionary_peer_may_be_v6_mapped_or_named_and_a_bad_one_costs_itself_only() {
    let response = read(
        b"d8:intervali1e5:peersld2:ip11:2001:db8::14:porti1eed2:ip16:::ffff:192.0.2.34:porti2ee\
          d2:ip12:host.example4:porti3eed2:ip3:a b4:porti4eed2:ip9:192.0.2.1ei7e\
          d2:ip9:192.0.2.94:porti99999eed2:ip9:192.0.2.44:porti5eeee",
    );
    assert_eq!(addresses(&response), ["[2001:db8::1]:1", "192.0.2.3:2", "192.0.2.4:5"]);
    assert_eq!(response.named_peers.len(), 1);
    assert_eq!(
        (response.named_peers[0].host.as_str(), response.named_peers[0].port),
        ("host.example", 3)
    );
    assert!(response.deviations.iter().any(|deviation| deviation.what.starts_with("4 entries")));
}

/// H-08
#[test]
fn peers_that_are_neither_bytes_nor_dictionaries_are_no_answer() {
    let bad_peers = [
        "i5e",
        "de",
        "d2:ip9:192.0.2.14:porti1ee",
        "l3:abce",
        "li5ei6ee",
        "lld2:ip0:eee",
        "ld2:ip3:a b4:porti1eee",
        "ld4:porti1eee",
    ];
    for bad in bad_peers {
        for key in ["5:peers", "6:peers6"] {
            let error = read_announce(format!("d8:intervali1e{key}{bad}e").as_bytes()).unwrap_err();
            let wrong = matches!(error, ResponseError::WrongType { key: "peers" | "peers6", .. });
            assert!(wrong, "{key} {bad}: {error}");
        }
        // Beside good ones they cost themselves only.
        let both = format!("d8:intervali1e5:peers6:abcdef6:peers6{bad}e");
        let response = read(both.as_bytes());
        assert_eq!((response.peers.len(), response.deviations.is_empty()), (1, false), "{bad}");
    }
    for none in ["0:", "le"] {
        assert!(read(format!("d8:intervali1e5:peers{none}e").as_bytes()).peers.is_empty());
    }
}

/// H-09
#[test]
fn a_remainder_of_compact_peers_is_told_and_costs_no_peer() {
    let response = read(b"d8:intervali1e5:peers8:\x01\x02\x03\x04\x00\x05xxe");
    assert_eq!(addresses(&response), ["1.2.3.4:5"]);
    assert_eq!(response.deviations.len(), 1);
    assert_eq!(response.deviations[0].at, "peers");
}

/// H-10, BEP 7 "Announce Response"
#[test]
fn peers6_may_come_alone_or_beside_peers() {
    let v6 = b"6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x05";
    for peers in [&b""[..], b"5:peers0:"] {
        let body = [b"d8:intervali1e", peers, v6, b"e"].concat();
        assert_eq!(addresses(&read(&body)), ["[2001:db8::1]:5"]);
    }
    let body = [&b"d8:intervali1e5:peers6:\x01\x02\x03\x04\x00\x05"[..], v6, b"e"].concat();
    assert_eq!(addresses(&read(&body)), ["1.2.3.4:5", "[2001:db8::1]:5"]);
}

/// H-11, BEP 3 "trackers"
#[test]
fn a_failure_reason_needs_nothing_beside_it() {
    assert_eq!(refused(b"d14:failure reason9:not founde").reason, "not found");
    assert_eq!(refused(b"d14:failure reasoni7ee").reason, "no reason given");
}

/// H-13, BEP 31
#[test]
fn retry_in_is_minutes_as_integer_or_string_or_never() {
    let retry = |value: &str| {
        refused(format!("d14:failure reason1:x8:retry in{value}e").as_bytes()).retry_in
    };
    let five = Some(RetryIn::After(Duration::from_secs(300)));
    assert_eq!((retry("i5e"), retry("1:5")), (five, five));
    assert_eq!(retry("5:never"), Some(RetryIn::Never));
    assert_eq!((retry("5:later"), retry("i-5e"), retry("le")), (None, None, None));
}

/// H-14
#[test]
fn a_warning_is_no_failure() {
    let response =
        read(b"d8:intervali1e5:peers6:\x01\x02\x03\x04\x00\x0515:warning message4:hm\x1b!e");
    assert_eq!(response.peers.len(), 1);
    assert_eq!(response.warning.as_deref(), Some("hm\u{fffd}!"));
}

/// H-15
#[test]
fn an_interval_may_be_missing_negative_huge_or_a_string() {
    let interval = |value: &str| read(format!("d{value}5:peers0:e").as_bytes()).interval;
    assert_eq!(interval(""), None);
    assert_eq!(interval("8:intervali-5e"), None);
    assert_eq!(interval("8:interval4:1800"), Some(Duration::from_secs(1800)));
    assert_eq!(interval("8:intervali0e"), Some(Duration::ZERO));
    assert_eq!(interval("8:intervali99999999999999999999e"), None);
    assert_eq!(interval("8:interval2:-5"), None);
    assert_eq!(interval("8:interval4: 90 "), Some(Duration::from_secs(90)));
}

/// H-15
#[test]
fn an_interval_that_is_no_number_is_no_answer() {
    for bad in ["le", "de", "0:", "4:soon", "li1800ee"] {
        let error = read_announce(format!("d8:interval{bad}5:peers0:e").as_bytes()).unwrap_err();
        assert!(
            matches!(error, ResponseError::WrongType { key: "interval", .. }),
            "{bad}: {error}"
        );
    }
    // The floor is advice.
    let response = read(b"d8:intervali9e12:min intervalle5:peers0:e");
    assert_eq!((response.min_interval, response.deviations.len()), (None, 1));
}

/// H-12
#[test]
fn blanks_and_a_byte_order_mark_before_the_answer_are_skipped() {
    for before in ["\u{feff}", "\r\n \t", "\u{feff}\n"] {
        let body = [before.as_bytes(), b"d8:intervali9e5:peers6:abcdefe"].concat();
        let response = read(&body);
        assert_eq!((response.peers.len(), response.deviations.len()), (1, 1), "{before:?}");
        assert_eq!(read_announce(before.as_bytes()), Err(ResponseError::Empty));
    }
}

/// H-16
#[test]
fn min_interval_is_kept_apart_from_interval() {
    let response = read(b"d8:intervali1800e12:min intervali60e5:peers0:e");
    assert_eq!(response.interval, Some(Duration::from_secs(1800)));
    assert_eq!(response.min_interval, Some(Duration::from_secs(60)));
}

/// H-17, H-18, BEP 24
#[test]
fn tracker_id_is_bytes_and_external_ip_is_raw() {
    let response = read(b"d11:external ip4:\xc0\x00\x02\x0110:tracker id3:a\xff e");
    assert_eq!(response.external_ip, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(response.tracker_id.as_deref(), Some(&b"a\xff "[..]));
    let v6 = read(b"d11:external ip16:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01e");
    assert_eq!(v6.external_ip, Some("2001:db8::1".parse().unwrap()));
    assert_eq!(read(b"d11:external ip3:abce").external_ip, None);
}

/// It comes back in the request line, which servers do not take at any length.
#[test]
fn a_tracker_id_that_no_server_could_take_back_is_left_out() {
    let body =
        |length: usize| format!("d8:intervali9e10:tracker id{length}:{}e", "x".repeat(length));
    let response = read(body(2048).as_bytes());
    assert_eq!((response.tracker_id.unwrap().len(), response.deviations.len()), (2048, 0));
    let response = read(body(2049).as_bytes());
    assert_eq!((response.tracker_id, response.deviations.len()), (None, 1));
}

/// H-19
#[test]
fn counts_are_optional_and_minus_one_is_unknown() {
    let response = read(b"d8:completei-1e10:incompletei5e8:intervali1ee");
    assert_eq!((response.seeders, response.leechers, response.downloaded), (None, Some(5), None));
}

/// H-12
#[test]
fn a_page_is_no_answer_and_the_error_says_so() {
    let error = read_announce(b"<html><body>log in</body>").unwrap_err();
    assert!(error.to_string().contains("html"), "{error}");
    assert!(error.to_string().contains("<html><body>log in"), "{error}");
    assert_eq!(read_announce(b""), Err(ResponseError::Empty));
    assert_eq!(read_announce(b"i5e"), Err(ResponseError::NotADictionary));
}

/// H-32, H-33
#[test]
fn unsorted_keys_and_trailing_bytes_are_told_and_read() {
    let response = read(b"d5:peers6:\x01\x02\x03\x04\x00\x058:intervali1800ee\r\n");
    assert_eq!(response.peers.len(), 1);
    assert_eq!(response.interval, Some(Duration::from_secs(1800)));
    assert_eq!(response.deviations.len(), 2);
}

/// H-15
#[test]
fn an_empty_dictionary_is_an_answer_without_peers() {
    let response = read(b"de");
    assert!(response.peers.is_empty());
    assert!(!response.deviations.is_empty());
}

proptest! {
    #[test]
    fn any_body_is_read_without_a_panic(body: Vec<u8>) {
        let _ = (read_announce(&body), read_scrape(&body));
    }

    #[test]
    fn any_value_under_a_known_key_is_read_without_a_panic(
        key in prop::sample::select(vec![
            "peers", "peers6", "interval", "min interval", "external ip", "retry in",
            "failure reason", "tracker id", "complete", "files", "flags", "warning message",
        ]),
        value in prop::sample::select(vec![
            "i5e", "i-1e", "le", "de", "0:", "3:abc", "lli1eee", "d2:ip1:xe", "ld2:ip1:xee",
            "d1:a1:be", "i99999999999999999999999e",
        ]),
    ) {
        let body = format!("d{}:{key}{value}e", key.len());
        let _ = (read_announce(body.as_bytes()), read_scrape(body.as_bytes()));
    }
}
