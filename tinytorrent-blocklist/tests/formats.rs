//! Whole lists, in each format.

use std::io::{self, Read};

use proptest::prelude::*;
use tinytorrent_blocklist::{Blocklist, Problem, ReadError, read};

fn texts(list: &Blocklist) -> Vec<String> {
    list.ranges.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect()
}

const MIXED: &[u8] = b"\xef\xbb\xbf192.0.2.0/25\r\n\
    # a comment\r\n\
    192.000.002.128 - 192.000.002.255 , 000 , the other half\r\n\
    \r\n\
    Universit\xe9, \xc3\xa9cole:198.51.100.9-198.51.100.7\r\n\
    203.0.113.0 - 203.0.113.255 , 200 , friends\r\n\
    this line is none\r\n\
    1.2.3.4 - 2001:db8::1\r\n\
    2001:db8::/32";

#[test]
fn a_list_of_all_formats_is_read_and_reported() {
    let list = read(MIXED).unwrap();
    let ends = "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff";
    assert_eq!(texts(&list), ["192.0.2.0-192.0.2.255", "198.51.100.7-198.51.100.9", ends]);
    let report = &list.report;
    assert_eq!((report.ranges, report.reversed, report.joined), (4, 1, 1));
    assert_eq!((report.allowed, report.bad), (1, 2));
    let bad: Vec<_> = report.first_bad.iter().map(|bad| (bad.line, bad.problem)).collect();
    assert_eq!(bad, [(7, Problem::NoRange), (8, Problem::MixedFamilies)]);
    let told = "4 ranges, 1 of them reversed, 1 joined with others; 1 allowed by level; \
        2 lines not understood (line 7: no range of addresses)";
    assert_eq!(report.to_string(), told);
}

#[test]
fn what_is_no_list_is_an_error_that_names_the_first_line() {
    let error = read(&b"# a page\n<html>\n<body>\n192.0.2.1\n"[..]).unwrap_err();
    assert_eq!(error.to_string(), "this is no list of addresses: line 2: no range of addresses");
    let nothing = read(&b""[..]).unwrap();
    assert!(nothing.ranges.is_empty(), "an empty list avoids nobody");
}

#[test]
fn a_long_line_is_one_bad_line() {
    let mut text = vec![b'x'; 10_000];
    text.extend_from_slice(b":1.2.3.4-1.2.3.5\n192.0.2.1\n");
    for length in [1_023, 1_024, 1_025] {
        text.extend(std::iter::repeat_n(b'#', length));
        text.push(b'\n');
    }
    text.extend_from_slice(b"192.0.2.3\n192.0.2.5\nbad\n");
    let list = read(&text[..]).unwrap();
    assert_eq!(texts(&list).len(), 3);
    let bad: Vec<_> = list.report.first_bad.iter().map(|bad| (bad.line, bad.problem)).collect();
    assert_eq!(bad, [(1, Problem::TooLong), (5, Problem::TooLong), (8, Problem::NoRange)]);
}

fn p2b(version: u8, body: &[&[u8]]) -> Vec<u8> {
    [&b"\xff\xff\xff\xffP2B"[..], &[version], &body.concat()].concat()
}

#[test]
fn the_binary_formats_are_read() {
    let first: &[u8] = &[192, 0, 2, 0, 192, 0, 2, 9];
    let second: &[u8] = &[198, 51, 100, 9, 198, 51, 100, 7];
    let named: [&[u8]; 4] = [b"one\0", first, b"two: \xe9\0", second];
    let numbered: [&[u8]; 7] =
        [&[0, 0, 0, 2], b"one\0two\0", &[0, 0, 0, 2], &[0, 0, 0, 1], first, &[0; 4], second];
    for list in [p2b(1, &named), p2b(2, &named), p2b(3, &numbered)] {
        let read_list = read(&list[..]).unwrap();
        assert_eq!(texts(&read_list), ["192.0.2.0-192.0.2.9", "198.51.100.7-198.51.100.9"]);
        assert_eq!(read_list.report.reversed, 1);
        // Wherever it is cut, but between two entries of a list that does not tell their number.
        for length in 7..list.len() {
            match read(&list[..length]) {
                Ok(part) => assert!(list[7] < 3 && texts(&part).len() < 2, "{length}"),
                Err(ReadError::CutShort(entry)) => assert!((1..=2).contains(&entry)),
                Err(error) => panic!("{length}: {error}"),
            }
        }
    }
    assert!(matches!(read(&p2b(4, &[])[..]), Err(ReadError::UnknownVersion(4))));
}

/// A reader that gives one byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match buffer {
            [] => Ok(0),
            [first, ..] => self.0.read(std::slice::from_mut(first)),
        }
    }
}

#[test]
fn it_does_not_matter_how_the_bytes_come() {
    assert_eq!(read(Slow(MIXED)).unwrap(), read(MIXED).unwrap());
}

#[test]
fn an_error_of_the_input_is_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let error = read(b"192.0.2.1\n".chain(Broken)).unwrap_err();
    assert!(
        matches!(error, ReadError::Io(error) if error.kind() == io::ErrorKind::ConnectionReset)
    );
}

#[cfg(feature = "gzip")]
mod gzip {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_compressed_list_is_the_same_list() {
        // Archives are put behind each other, too.
        let (one, two) = MIXED.split_at(60);
        for list in [compressed(MIXED), [compressed(one), compressed(two)].concat()] {
            assert_eq!(read(&list[..]).unwrap(), read(MIXED).unwrap());
            assert_eq!(read(Slow(&list)).unwrap(), read(MIXED).unwrap());
        }
        let binary = p2b(2, &[b"one\0", &[192, 0, 2, 0, 192, 0, 2, 9]]);
        assert_eq!(read(&compressed(&binary)[..]).unwrap(), read(&binary[..]).unwrap());
    }

    #[test]
    fn a_damaged_one_is_an_error() {
        let list = compressed(MIXED);
        assert!(matches!(read(&list[..list.len() - 9]), Err(ReadError::Io(_))));
        let mut damaged = list.clone();
        let at = damaged.len() - 6;
        damaged[at] ^= 1;
        assert!(matches!(read(&damaged[..]), Err(ReadError::Io(_))));
    }
}

fn address() -> impl Strategy<Value = [u8; 4]> {
    // Few, so that ranges meet.
    (0..4_u8, 0..4_u8).prop_map(|(c, d)| [10, 0, c, d])
}

proptest! {
    /// Ranges come out of all formats alike.
    #[test]
    fn formats_agree(ranges in prop::collection::vec((address(), address()), 0..20)) {
        let dotted = |[a, b, c, d]: [u8; 4]| format!("{a}.{b}.{c}.{d}");
        let padded = |[a, b, c, d]: [u8; 4]| format!("{a:03}.{b:03}.{c:03}.{d:03}");
        let (mut p2p, mut dat, mut bin) = (String::new(), String::new(), p2b(2, &[]));
        for (first, last) in &ranges {
            p2p += &format!("n:a-m,e:{}-{}\n", dotted(*first), dotted(*last));
            dat += &format!("{} - {} , 100 , n:a-m,e\r\n", padded(*first), padded(*last));
            bin.extend_from_slice(&[&b"n\0"[..], first, last].concat());
        }
        let lists = [p2p.as_bytes(), dat.as_bytes(), &bin].map(|list| read(list).unwrap());
        prop_assert_eq!(&lists[0], &lists[1]);
        prop_assert_eq!(&lists[1], &lists[2]);
        for (first, last) in &ranges {
            prop_assert!(lists[0].ranges.contains((*first).into()));
            prop_assert!(lists[0].ranges.contains((*last).into()));
        }
    }
}
