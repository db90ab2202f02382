//! Messages as they stand in the BEPs and as deployed nodes send them.

use proptest::prelude::*;
use tinytorrent_bencode::Raw;
use tinytorrent_dht::message::{
    Body, ErrorCode, ErrorMessage, ItemFields, MAX_READ, Message, MessageErrorKind, Method,
    NodeInfo, PutMutable, Query, Response, Sample, Want,
};
use tinytorrent_dht::{Bloom, NodeId};
use tinytorrent_types::WireInfoHash;

const ASKER: NodeId = NodeId::from_bytes(*b"abcdefghij0123456789");
const OTHER: NodeId = NodeId::from_bytes(*b"mnopqrstuvwxyz123456");

fn query(datagram: &[u8]) -> Query<'_> {
    match Message::decode(datagram).unwrap().body {
        Body::Query(query) => query,
        other => panic!("{other:?}"),
    }
}

fn response(datagram: &[u8]) -> Response<'_> {
    match Message::decode(datagram).unwrap().body {
        Body::Response(response) => *response,
        other => panic!("{other:?}"),
    }
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// `text` is the canonical form of `message`, both ways.
#[track_caller]
fn is_written(text: &[u8], message: &Message<'_>) {
    let written = encoded(message);
    assert_eq!(written.escape_ascii().to_string(), text.escape_ascii().to_string());
    assert_eq!(Message::decode(text).as_ref(), Ok(message));
}

#[test]
fn queries_of_bep_5_are_read_and_written() {
    // D-01
    let hash = WireInfoHash::from_bytes(*OTHER.as_bytes());
    let methods: [(&[u8], Method<'_>); 4] = [
        (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", Method::Ping),
        (
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
            Method::FindNode { target: OTHER },
        ),
        (
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
            Method::GetPeers { info_hash: hash, no_seeds: false, scrape: false },
        ),
        (
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
            Method::AnnouncePeer {
                info_hash: hash,
                port: 6881,
                implied_port: true,
                is_seed: false,
                token: b"aoeusnth",
            },
        ),
    ];
    for (text, method) in methods {
        is_written(text, &Message::new(b"aa", Body::Query(Query::new(ASKER, method))));
    }
}

#[test]
fn responses_of_bep_5_are_read_and_written() {
    // D-04
    let text = b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re";
    let response = Response {
        token: Some(b"aoeusnth"),
        values: vec![
            "97.120.106.101:11893".parse().unwrap(),
            "105.100.104.116:28269".parse().unwrap(),
        ],
        ..Response::new(ASKER)
    };
    is_written(text, &Message::new(b"aa", Body::Response(Box::new(response))));
}

#[test]
fn errors_are_a_list_of_code_and_text() {
    // D-03
    let text = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee";
    let error =
        ErrorMessage { code: ErrorCode::Generic.number(), text: b"A Generic Error Ocurred" };
    is_written(text, &Message::new(b"aa", Body::Error(error)));
    for odd in [&b"d1:t2:aa1:y1:ee"[..], b"d1:e3:odd1:t2:aa1:y1:ee", b"d1:ele1:t2:aa1:y1:ee"] {
        let message = Message::decode(odd).unwrap();
        assert_eq!(message.body, Body::Error(ErrorMessage { code: 0, text: b"" }));
    }
}

#[test]
fn a_transaction_id_is_any_bytes_of_any_length_up_to_a_bound() {
    // D-01, D-28
    for length in [1, 2, 3, 4, 16, 20, 64] {
        let id = vec![0xff; length];
        let message = Message::new(&id, Body::Query(Query::new(ASKER, Method::Ping)));
        assert_eq!(Message::decode(&encoded(&message)).unwrap().transaction, id);
    }
    for length in [0, 65, 300] {
        let id = vec![0xff; length];
        let text = encoded(&Message::new(&id, Body::Query(Query::new(ASKER, Method::Ping))));
        let error = Message::decode(&text).unwrap_err();
        assert_eq!(error.kind(), &MessageErrorKind::Transaction);
        assert_eq!(error.answerable(), None);
    }
}

#[test]
fn a_query_of_the_future_has_its_target() {
    // D-02
    for key in ["6:target", "9:info_hash"] {
        let text = format!(
            "d1:ad2:id20:abcdefghij0123456789{key}20:mnopqrstuvwxyz123456e1:q4:vote1:t2:aa1:y1:qe"
        );
        let unknown = Method::Unknown { name: b"vote", target: Some(OTHER) };
        assert_eq!(query(text.as_bytes()).method, unknown);
    }
    let text = b"d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe";
    assert_eq!(query(text).method, Method::Unknown { name: b"vote", target: None });
}

#[test]
fn nodes_are_whole_entries_of_their_own_family() {
    // D-04, D-05, D-11
    let v4 = [&[7; 20][..], &[1, 2, 3, 4, 0, 80]].concat();
    let v6 = [&[8; 20][..], &[0x20, 1], &[0; 13], &[1], &[0, 81]].concat();
    let mapped = [&[9; 20][..], &[0; 10], &[0xff; 2], &[1, 2, 3, 4], &[0, 82]].concat();
    for extra in 0..26 {
        let nodes = [&v4[..], &vec![5; extra]].concat();
        let nodes6 = [&v6[..], &mapped, &vec![5; extra]].concat();
        let mut text = b"d1:rd2:id20:abcdefghij0123456789".to_vec();
        for (key, value) in [("5:nodes", nodes), ("6:nodes6", nodes6)] {
            text.extend_from_slice(format!("{key}{}:", value.len()).as_bytes());
            text.extend_from_slice(&value);
        }
        text.extend_from_slice(b"e1:t2:aa1:y1:re");
        let response = response(&text);
        let first =
            NodeInfo { id: NodeId::from_bytes([7; 20]), address: "1.2.3.4:80".parse().unwrap() };
        let second =
            NodeInfo { id: NodeId::from_bytes([8; 20]), address: "[2001::1]:81".parse().unwrap() };
        assert_eq!(response.nodes, Some(vec![first]));
        assert_eq!(response.nodes6, Some(vec![second]), "a mapped address is of neither family");
        assert_eq!(response.all_nodes().collect::<Vec<_>>(), [first, second]);
    }
}

#[test]
fn values_and_nodes_come_together() {
    // D-31
    let mut both = Response::new(ASKER);
    both.nodes = Some(vec![NodeInfo { id: OTHER, address: "9.8.7.6:5".parse().unwrap() }]);
    both.values = vec!["1.2.3.4:5".parse().unwrap()];
    let text = encoded(&Message::new(b"x", Body::Response(Box::new(both.clone()))));
    assert_eq!(response(&text), both);
}

#[test]
fn values_may_be_one_string_of_many_peers_and_of_either_family() {
    // D-32, D-33
    let read = |values: &[u8]| {
        let text =
            [b"d1:rd2:id20:abcdefghij01234567896:values", values, b"e1:t2:aa1:y1:re"].concat();
        response(&text).values.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let two = ["97.120.106.101:11893", "105.100.104.116:28269"];
    assert_eq!(read(b"12:axje.uidhtnm"), two);
    assert_eq!(read(b"l12:axje.uidhtnme"), two);
    assert_eq!(read(b"l6:axje.u6:idhtnme"), two);
    assert_eq!(read(b"l6:axje.u3:odd6:idhtnmi7ee"), two, "others are left out");
    let v6 = b"l18:\x20\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe16:axje.ue";
    assert_eq!(read(v6), ["[2001::1]:6881", "97.120.106.101:11893"]);
    assert_eq!(read(b"i5e"), [""; 0]);
}

#[test]
fn our_address_is_a_key_of_the_message_in_responses_and_errors() {
    // D-30
    for (body, end) in [("1:eli203e2:noe", "e"), ("", "r")] {
        for (ip, address) in [
            (&b"6:\x01\x02\x03\x04\0\x50"[..], "1.2.3.4:80"),
            (b"18:\x20\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50", "[2001::1]:80"),
        ] {
            let rest = if end == "r" { "1:rd2:id20:abcdefghij0123456789e" } else { "" };
            let text = [
                b"d",
                body.as_bytes(),
                b"2:ip",
                ip,
                rest.as_bytes(),
                b"1:t2:aa1:y1:",
                end.as_bytes(),
                b"e",
            ]
            .concat();
            let message = Message::decode(&text).unwrap();
            assert_eq!(message.ip, Some(address.parse().unwrap()));
        }
    }
    let odd = b"d2:ip4:\x01\x02\x03\x041:rd2:id20:abcdefghij0123456789e1:t2:aa1:y1:re";
    assert_eq!(Message::decode(odd).unwrap().ip, None);
}

#[test]
fn unknown_families_in_want_are_ignored() {
    // D-34
    use tinytorrent_types::compact::Family;
    let text = |want: &str| {
        format!("d1:ad2:id20:abcdefghij01234567894:want{want}e1:q4:ping1:t2:aa1:y1:qe")
    };
    let want = |list: &str| query(text(list).as_bytes()).want;
    assert_eq!(want("l2:n42:n6e"), Want::BOTH);
    assert_eq!(want("l2:n72:n6i4ee"), Want { v4: false, v6: true });
    for nothing in ["le", "2:n4", "l2:n7e", "i4e"] {
        let want = want(nothing);
        assert!(want.wants(Family::V4, Family::V4) && !want.wants(Family::V6, Family::V4));
        assert!(want.wants(Family::V6, Family::V6) && !want.wants(Family::V4, Family::V6));
    }
    assert!(!Want { v4: false, v6: true }.wants(Family::V4, Family::V4));
}

#[test]
fn items_keep_the_exact_bytes_of_their_value() {
    // D-66
    let value = Raw::new(b"d1:ai1e1:bl1:cee").unwrap();
    let put = Method::Put {
        token: b"tok",
        value: value.clone(),
        mutable: Some(PutMutable {
            key: &[1; 32],
            signature: &[2; 64],
            seq: -4,
            salt: b"salt",
            cas: Some(3),
        }),
    };
    let text = encoded(&Message::new(b"aa", Body::Query(Query::new(ASKER, put.clone()))));
    assert_eq!(query(&text).method, put);
    let mut item = Response::new(ASKER);
    item.item = ItemFields {
        value: Some(value),
        key: Some(&[1; 32]),
        signature: Some(&[2; 64]),
        seq: Some(9),
    };
    let text = encoded(&Message::new(b"aa", Body::Response(Box::new(item.clone()))));
    assert_eq!(response(&text), item);
    let unsorted =
        b"d1:ad2:id20:abcdefghij01234567895:token1:x1:vd1:bi1e1:ai1eee1:q3:put1:t2:aa1:y1:qe";
    let Method::Put { value, .. } = query(unsorted).method else { panic!() };
    assert_eq!(
        value.as_bytes(),
        b"d1:bi1e1:ai1ee",
        "who stores it has to see that it is not canonical"
    );
}

#[test]
fn samples_are_whole_info_hashes_and_intervals_have_a_maximum() {
    // D-24, D-73
    let text = b"d1:rd2:id20:abcdefghij01234567898:intervali99999e3:numi7e7:samples45:aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbcccc.e1:t2:aa1:y1:re";
    let sample = response(text).sample.unwrap();
    assert_eq!((sample.interval, sample.total), (21_600, 7));
    let hashes: Vec<_> = sample.info_hashes().collect();
    assert_eq!(
        hashes,
        [WireInfoHash::from_bytes([b'a'; 20]), WireInfoHash::from_bytes([b'b'; 20])]
    );
    let mut none = Response::new(ASKER);
    none.sample = Some(Sample::new(0, 0, b""));
    let text = encoded(&Message::new(b"aa", Body::Response(Box::new(none))));
    assert!(text.windows(11).any(|part| part == b"7:samples0:"), "an empty sample is there");
}

#[test]
fn filters_have_256_bytes() {
    // D-25
    let mut scraped = Response::new(ASKER);
    scraped.seeds = Some(Box::new(Bloom::from_bytes([1; 256])));
    scraped.peers = Some(Box::new(Bloom::from_bytes([2; 256])));
    let text = encoded(&Message::new(b"aa", Body::Response(Box::new(scraped.clone()))));
    assert_eq!(response(&text), scraped);
    let short = b"d1:rd4:BFpe3:abc2:id20:abcdefghij0123456789e1:t2:aa1:y1:re";
    assert_eq!(response(short).peers, None);
}

#[test]
fn an_implied_port_may_stand_alone() {
    // D-07
    let text = b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234565:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe";
    assert!(matches!(query(text).method, Method::AnnouncePeer { port: 0, implied_port: true, .. }));
    let text = b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234565:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe";
    let error = Message::decode(text).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&MessageErrorKind::Field { key: "port" }, 4));
    assert_eq!(error.answerable(), Some(&b"aa"[..]), "it is a query with a wrong argument");
}

#[test]
fn only_wrong_queries_may_be_answered() {
    // D-36, D-26
    for silent in [
        &b""[..],
        b"\x41\x00 utp",
        b"i5e",
        b"le",
        b"de",
        b"d1:t2:aa1:y1:ze",
        b"d1:t2:aae",
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:y1:qe",
        b"d1:rd2:id19:bcdefghij0123456789e1:t2:aa1:y1:re",
        b"d1:t2:aa1:y1:re",
    ] {
        let error = Message::decode(silent).unwrap_err();
        assert_eq!(error.answerable(), None, "{}: {error}", silent.escape_ascii());
    }
    for wrong in [
        &b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe"[..],
        b"d1:ade1:q4:ping1:t2:aa1:y1:qe",
        b"d1:q4:ping1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij01234567896:target3:abce1:q9:find_node1:t2:aa1:y1:qe",
    ] {
        let error = Message::decode(wrong).unwrap_err();
        assert_eq!(error.answerable(), Some(&b"aa"[..]), "{}: {error}", wrong.escape_ascii());
    }
}

#[test]
fn datagrams_are_bounded_in_length_and_depth() {
    // D-26, D-35
    let mut long = encoded(&Message::new(b"aa", Body::Query(Query::new(ASKER, Method::Ping))));
    long.resize(MAX_READ, 0);
    assert!(Message::decode(&long).is_ok(), "bytes behind the message are ignored");
    long.push(0);
    let error = Message::decode(&long).unwrap_err();
    assert_eq!(error.kind(), &MessageErrorKind::TooLong { length: MAX_READ + 1 });
    let deep = [&b"d1:a"[..], &vec![b'l'; 500]].concat();
    assert!(matches!(Message::decode(&deep).unwrap_err().kind(), MessageErrorKind::NotBencode(_)));
}

proptest! {
    #[test]
    fn what_is_read_is_written_and_read_the_same(mut text in messages(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
        for (at, byte) in flips {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if let Ok(message) = Message::decode(&text) {
            let written = encoded(&message);
            prop_assert_eq!(Message::decode(&written).unwrap(), message);
        }
    }
}

fn messages() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        &b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234566:noseedi1e6:scrapei1e4:wantl2:n42:n6ee1:q9:get_peers2:roi1e1:t2:aa1:v4:TT011:y1:qe"[..],
        b"d2:ip6:\x01\x02\x03\x04\0\x501:rd2:id20:abcdefghij01234567895:nodes26:mnopqrstuvwxyz1234561234565:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
        b"d1:ad3:casi1e2:id20:abcdefghij01234567891:k32:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa4:salt1:n3:seqi2e3:sig64:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb5:token1:x1:v12:Hello World!e1:q3:put1:t2:aa1:y1:qe",
        b"d1:eli301e3:case1:t2:aa1:y1:ee",
    ])
    .prop_map(<[u8]>::to_vec)
}
