use tinytorrent_bencode::{Kind, Node};
use tinytorrent_types::WireInfoHash;

use super::ResponseError;
use super::response::{count, deviations_of, read_dictionary, wrong_type};
use crate::{Deviation, ScrapeResponse, SwarmCounts};

/// Parses the body of a response to a scrape (BEP 48, BEP 21).
///
/// # Errors
/// A refusal, a body that is no dictionary, or `files` that is no dictionary.
pub fn read_scrape(body: &[u8]) -> Result<ScrapeResponse, ResponseError> {
    let document = read_dictionary(body)?;
    let root = document.root();
    let mut response =
        ScrapeResponse { deviations: deviations_of(body, &document), ..ScrapeResponse::default() };
    if let Some(flags) = root.get("flags") {
        response.min_request_interval = count(flags, "min_request_interval");
    }
    let Some(files) = root.get("files") else {
        response.deviations.push(Deviation::new("files", "is missing"));
        return Ok(response);
    };
    // PHP has one type for lists and dictionaries, which encodes as a list when it is empty.
    let is_empty_list = files.kind() == Kind::List && files.list().next().is_none();
    if files.kind() != Kind::Dict && !is_empty_list {
        return Err(wrong_type("files", "a dictionary", files));
    }
    read_files(files, &mut response);
    Ok(response)
}

fn read_files(files: Node<'_, '_>, response: &mut ScrapeResponse) {
    let mut skipped = 0;
    for (key, file) in files.dict() {
        match WireInfoHash::try_from(key) {
            Ok(hash) => response.files.push((hash, read_counts(file))),
            Err(_) => skipped += 1,
        }
    }
    // One deviation for all, since a response may have thousands.
    if skipped > 0 {
        let what = format!("{skipped} keys that are not of 20 bytes");
        response.deviations.push(Deviation::new("files", what).at_offset(files.offset()));
    }
}

fn read_counts(file: Node<'_, '_>) -> SwarmCounts {
    SwarmCounts {
        seeders: count(file, "complete"),
        leechers: count(file, "incomplete"),
        completed: count(file, "downloaded"),
        downloaders: count(file, "downloaders"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: [u8; 20] = [b'x'; 20];

    /// H-36, H-38, BEP 48 "Example", BEP 21 "Tracker Scrapes"
    #[test]
    fn counts_belong_to_the_hash_they_stand_under() {
        let body = b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e\
            11:downloadersi7e10:incompletei19ee20:yyyyyyyyyyyyyyyyyyyyd8:completei21eeee";
        let response = read_scrape(body).unwrap();
        let counts = response.get(WireInfoHash::from_bytes(HASH)).unwrap();
        assert_eq!((counts.seeders, counts.completed), (Some(11), Some(13772)));
        assert_eq!((counts.leechers, counts.downloaders), (Some(19), Some(7)));
        let other = response.get(WireInfoHash::from_bytes([b'y'; 20])).unwrap();
        assert_eq!((other.seeders, other.leechers), (Some(21), None));
        assert_eq!(response.get(WireInfoHash::from_bytes([b'z'; 20])), None);
        assert!(response.deviations.is_empty());
    }

    /// H-36
    #[test]
    fn keys_that_are_no_hashes_are_skipped_and_told_together() {
        let body = b"d5:filesd3:abcd8:completei1ee3:abdde20:xxxxxxxxxxxxxxxxxxxxd8:completei2eeee";
        let response = read_scrape(body).unwrap();
        assert_eq!(response.files.len(), 1);
        assert_eq!(response.deviations.len(), 1);
    }

    /// H-36
    #[test]
    fn files_that_are_no_dictionary_are_no_answer() {
        for bad in ["i5e", "0:", "3:abc", "li1ee"] {
            let error = read_scrape(format!("d5:files{bad}e").as_bytes()).unwrap_err();
            assert!(matches!(error, ResponseError::WrongType { key: "files", .. }), "{error}");
        }
        for empty in ["de", "le"] {
            assert_eq!(read_scrape(format!("d5:files{empty}e").as_bytes()).unwrap().files, []);
        }
    }

    /// H-37
    #[test]
    fn the_interval_of_scrapes_is_read() {
        let body = b"d5:filesde5:flagsd20:min_request_intervali900eee";
        assert_eq!(read_scrape(body).unwrap().min_request_interval, Some(900));
    }

    /// H-11, BEP 48 "Scrape Response"
    #[test]
    fn a_refused_scrape_is_an_error() {
        let error = read_scrape(b"d14:failure reason2:noe").unwrap_err();
        assert!(matches!(error, ResponseError::Refused(refusal) if refusal.reason == "no"));
    }
}
