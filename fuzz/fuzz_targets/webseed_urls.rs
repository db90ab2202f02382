//! URLs of web seeds and names of files: what is joined stays below the URL, at the same server, and decodes to the name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_types::WireInfoHash;
use tinytorrent_webseed::{PieceRanges, WebSeedUrl};

fuzz_target!(|bytes: &[u8]| {
    let Some(at) = bytes.iter().position(|&byte| byte == b'\n') else { return };
    let (url, path) = (String::from_utf8_lossy(&bytes[..at]), &bytes[at + 1..]);
    let Ok(url) = url.parse::<WebSeedUrl>() else { return };
    assert!(matches!(url.as_url().scheme(), "http" | "https") && url.as_url().has_host());
    let again: WebSeedUrl = url.as_str().parse().expect("it was one");
    assert_eq!(again, url);
    if let Some(joined) = url.join(path) {
        assert_eq!(joined.origin(), url.as_url().origin());
        let (folder, joined_path) = (url.as_url().path(), joined.path());
        assert!(joined_path.starts_with(folder), "{joined} is not below {url}");
        assert_eq!((joined.query(), joined.fragment()), (url.as_url().query(), None));
        let rest = joined_path[folder.len()..].trim_start_matches('/');
        let mut decoded = Vec::new();
        let mut left = rest.bytes();
        while let Some(byte) = left.next() {
            decoded.push(match byte {
                b'%' => {
                    let hex = [left.next().expect("two digits"), left.next().expect("two digits")];
                    let hex = std::str::from_utf8(&hex).expect("digits");
                    u8::from_str_radix(hex, 16).expect("digits")
                }
                byte => byte,
            });
        }
        assert_eq!(decoded, path);
    }
    let hash = WireInfoHash::from_bytes([bytes[0]; 20]);
    let ranges = PieceRanges { piece: 1, begin: u32::from(bytes[0]), length: 16_384 };
    let piece = url.piece_url(&hash, &ranges).expect("it is short");
    assert_eq!(piece.origin(), url.as_url().origin());
    assert!(piece.query().is_some_and(|query| query.contains("info_hash=")));
});
