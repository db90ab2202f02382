//! What strangers write into URLs and queries: no panic, and what is understood stays the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_tracker::TrackerUrl;
use tinytorrent_tracker::http::{AnnounceQuery, ScrapeQuery, announce_target};
use tinytorrent_tracker::udp::{url_data, write_url_data};

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len();
    if let Some(url) = within(length, 4, 4 << 10, || url_data(bytes)) {
        let mut written = Vec::new();
        write_url_data(&url, &mut written);
        assert_eq!(url_data(&written).unwrap_or_default(), url);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // An empty field is one byte long.
    let _ = within(length, 64, 4 << 10, || ScrapeQuery::read(text));
    if let Ok(query) = within(length, 64, 4 << 10, || AnnounceQuery::read(text)) {
        let url: TrackerUrl = "http://h/announce".parse().expect("a good URL");
        let target = announce_target(&url, &query.request);
        let (_, again) = target.split_once('?').expect("a query");
        let again = AnnounceQuery::read(again).expect("what we write we read");
        assert_eq!(again.request.info_hash, query.request.info_hash);
        assert_eq!(again.request.peer_id, query.request.peer_id);
        assert_eq!(again.request.tracker_id, query.request.tracker_id);
    }
    if let Ok(url) = within(length, 64, 16 << 10, || text.parse::<TrackerUrl>()) {
        assert!(url.path_and_query().bytes().all(|byte| byte.is_ascii_graphic()));
        let whole = format!(
            "{}://{}:{}{}",
            url.scheme().as_str(),
            url.host(),
            url.port(),
            url.path_and_query(),
        );
        let again: TrackerUrl = whole.parse().expect("what we write we read");
        assert_eq!(again.path_and_query(), url.path_and_query());
        let _ = (url.to_scrape(), url.join(text));
    }
});
