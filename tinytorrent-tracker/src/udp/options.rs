//! BEP 41: options behind an announce request.

const END_OF_OPTIONS: u8 = 0;
const NOP: u8 = 1;
const URL_DATA: u8 = 2;

/// Appends path and query of a tracker's URL, in options of at most 255 bytes. Appends nothing if
/// they are empty, so that the request is that of BEP 15.
pub fn write_url_data(path_and_query: &[u8], out: &mut Vec<u8>) {
    for chunk in path_and_query.chunks(usize::from(u8::MAX)) {
        out.push(URL_DATA);
        out.push(chunk.len() as u8);
        out.extend_from_slice(chunk);
    }
}

/// Path and query from the bytes after offset 98 of an announce request; `None` if no option
/// holds them. Unknown options are skipped, and parsing ends at an incomplete option.
pub fn url_data(mut options: &[u8]) -> Option<Vec<u8>> {
    let mut url: Option<Vec<u8>> = None;
    while let [kind, rest @ ..] = options {
        match (*kind, rest) {
            (END_OF_OPTIONS, _) => break,
            (NOP, _) => options = rest,
            (kind, [length, rest @ ..]) => {
                let Some((data, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
                // A URL of more than 255 bytes is split over several options.
                if kind == URL_DATA {
                    url.get_or_insert_default().extend_from_slice(data);
                }
                options = rest;
            }
            (_, []) => break,
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// U-32; the three examples of BEP 41, "Examples"
    #[test]
    fn the_examples_of_the_bep_are_read_and_written() {
        let plain = b"\x02\x0c/dir?a=b&c=d";
        let mut written = Vec::new();
        write_url_data(b"/dir?a=b&c=d", &mut written);
        assert_eq!(written, plain);
        assert_eq!(url_data(plain).unwrap(), b"/dir?a=b&c=d");
        assert_eq!(url_data(b"\x02\x0c/dir?a=b&c=d\x01\x01\x00").unwrap(), b"/dir?a=b&c=d");
        assert_eq!(url_data(b"\x02\x00").unwrap(), b"");
    }

    /// U-34
    #[test]
    fn url_data_of_length_zero_is_legal_anywhere() {
        assert_eq!(url_data(b"\x02\x00\x02\x02/a").unwrap(), b"/a");
        assert_eq!(url_data(b""), None);
        assert_eq!(url_data(b"\x01\x01"), None);
    }

    /// U-32
    #[test]
    fn what_follows_the_end_of_options_is_not_read() {
        assert_eq!(url_data(b"\x02\x01/\x00\x02\x01x").unwrap(), b"/");
    }

    /// U-32
    #[test]
    fn unknown_options_are_skipped_by_their_length() {
        assert_eq!(url_data(b"\x07\x03\x02\x01!\x02\x01/").unwrap(), b"/");
        assert_eq!(url_data(b"\x02\x01/\x02\xffcut").unwrap(), b"/");
    }

    proptest! {
        /// U-32: longer than 255 bytes is chunked
        #[test]
        fn any_url_survives(url in proptest::collection::vec(any::<u8>(), 1..2000)) {
            let mut written = Vec::new();
            write_url_data(&url, &mut written);
            prop_assert_eq!(written.len(), url.len() + 2 * url.len().div_ceil(255));
            prop_assert_eq!(url_data(&written).unwrap(), url);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = url_data(&bytes);
        }
    }
}
