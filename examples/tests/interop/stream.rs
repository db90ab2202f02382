//! The HTTP server that plays while it downloads, under curl and in a browser.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::chromium::Chromium;
use crate::support::content::Content;
use crate::support::curl::curl;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::{COMPLETE, START};

tests![
    ranges_are_served_while_they_are_downloaded,
    what_is_no_file_or_no_request_is_refused,
    files_of_a_magnet_link_are_served_once_they_are_known,
    a_file_that_was_not_chosen_is_not_served,
    a_browser_plays_and_seeks_while_the_download_goes_on,
];

/// A seeder that sends this much a second, and `stream` of its torrent with more words.
struct Streaming {
    _seed: Ours,
    stream: Ours,
    dir: PathBuf,
}

impl Streaming {
    fn start(scene: &Scene, source: Source, limit: &str, words: &[&str]) -> Self {
        let (seed, address) = Ours::seed(scene, "127.0.0.1", &["--limit-up", limit]);
        let dir = scene.room("stream");
        let (source, peer) = (scene.source(source), address.to_string());
        let output = dir.to_str().unwrap();
        let fixed = [&*source, "--output", output, "--peer", &peer, "--listen", "127.0.0.1:0"];
        let stream = Ours::run("stream", scene, &[&fixed, words].concat());
        Self { _seed: seed, stream, dir }
    }

    /// The addresses of the file to be played, and of the page.
    fn urls(&mut self) -> [String; 2] {
        let serving = self.stream.wait_for_event("serving", START);
        ["url", "page"].map(|key| serving[key].as_str().expect("it is text").to_owned())
    }

    fn is_complete(&self) -> bool {
        self.stream.events().iter().any(|event| event["event"] == "finished")
    }
}

fn ranges_are_served_while_they_are_downloaded() {
    need!(Need::Curl, Need::Example("seed"), Need::Example("stream"));
    let scene = Scene::new(Content::small_single());
    let bytes = &scene.content.files[0].1;
    let mut streaming = Streaming::start(&scene, Source::Torrent, "1MiB", &[]);
    let [url, page] = streaming.urls();
    assert_eq!(streaming.stream.events()[0]["event"], "serving", "it comes first");
    assert!(url.ends_with("/0/one%20file.bin"), "{url}");
    let total = bytes.len();

    let end = curl(&url, &["--range", "-1000"]);
    assert_eq!(end.status, 206);
    assert!(end.body == bytes[total - 1000..]);
    assert_eq!(
        end.header("content-range"),
        Some(&*format!("bytes {}-{}/{total}", total - 1000, total - 1))
    );
    assert!(!streaming.is_complete(), "the end came first");
    let part = curl(&url, &["--range", "2000000-2099999"]);
    assert_eq!((part.status, part.header("content-length")), (206, Some("100000")));
    assert!(part.body == bytes[2_000_000..2_100_000]);
    assert_eq!(part.header("content-type"), Some("application/octet-stream"));

    // Without a body curl waits for none.
    let head = curl(&url, &["--head", "--range", "0-9"]);
    assert_eq!((head.status, head.header("content-length")), (200, Some(&*total.to_string())));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    assert!(head.body.is_empty());

    let tag = part.header("etag").unwrap();
    let if_range = |tag: &str| {
        let header = format!("If-Range: {tag}");
        curl(&url, &["--range", "5-14", "--header", &header])
    };
    let same = if_range(tag);
    assert!(same.status == 206 && same.body == bytes[5..15]);
    for other in ["\"other\"", &format!("W/{tag}"), "Wed, 21 Oct 2015 07:28:00 GMT"] {
        let whole = if_range(other);
        assert!(whole.status == 200 && whole.body == *bytes, "{other}");
    }
    let known = curl(&url, &["--header", &format!("If-None-Match: {tag}")]);
    assert_eq!((known.status, known.body.len()), (304, 0));

    let beyond = curl(&url, &["--range", &format!("{total}-")]);
    assert_eq!(beyond.header("content-range"), Some(&*format!("bytes */{total}")));
    assert_eq!(beyond.status, 416);
    let page = curl(&page, &[]);
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert!(page.status == 200 && text.contains("<a href=\"/0/one%20file.bin\">"), "{text}");

    streaming.stream.wait_for_event("finished", COMPLETE);
    scene.assert_complete(&streaming.dir);
    assert!(curl(&url, &[]).body == *bytes, "it goes on to serve");
    streaming.stream.signal("INT");
    assert_eq!(streaming.stream.wait(Duration::from_secs(30)).code(), Some(130));
}

fn what_is_no_file_or_no_request_is_refused() {
    need!(Need::Curl, Need::Example("seed"), Need::Example("stream"));
    let scene = Scene::new(Content::small_multi());
    let mut streaming = Streaming::start(&scene, Source::Torrent, "64MiB", &[]);
    let [url, page] = streaming.urls();
    assert!(url.ends_with("/3/second.bin"), "the largest: {url}");
    for (path, status) in [
        ("0/first.bin", 200),
        ("0/%66irst.bin", 200),
        ("1/empty", 200),
        ("0/", 404),
        ("0", 404),
        ("0/first", 404),
        ("0/../first.bin", 404),
        ("99/first.bin", 404),
        ("favicon.ico", 404),
        ("-1/first.bin", 404),
        ("%zz/%", 404),
    ] {
        let answer = curl(&format!("{page}{path}"), &["--path-as-is"]);
        assert_eq!(answer.status, status, "{path}");
    }
    assert_eq!(curl(&url, &["--request", "POST"]).status, 405);
    assert_eq!(curl(&format!("{page}1/empty"), &["--range", "0-"]).status, 416);
    // A page of another site whose name leads here (DNS rebinding) reads nothing.
    assert_eq!(curl(&url, &["--header", "Host: evil.example"]).status, 421);
    assert_eq!(curl(&url, &["--header", "Host: localhost:80"]).status, 200);

    let mut wrong = Streaming::start(&scene, Source::Torrent, "64MiB", &["--file", "9"]);
    assert_eq!(wrong.stream.wait(START).code(), Some(2));
    assert!(wrong.stream.stderr().contains("no file 9"), "{}", wrong.stream.stderr());
}

fn files_of_a_magnet_link_are_served_once_they_are_known() {
    need!(Need::Curl, Need::Example("seed"), Need::Example("stream"));
    let scene = Scene::new(Content::small_multi());
    let mut streaming = Streaming::start(&scene, Source::Magnet, "2MiB", &["--file", "5"]);
    let [url, _] = streaming.urls();
    assert!(url.ends_with("/5/z.txt"), "{url}");
    let answer = curl(&url, &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain")));
    assert!(answer.body == scene.content.files[5].1);
}

fn a_file_that_was_not_chosen_is_not_served() {
    need!(Need::Curl, Need::Example("seed"), Need::Example("stream"));
    let scene = Scene::new(Content::small_multi());
    let mut streaming = Streaming::start(&scene, Source::Torrent, "64MiB", &["--select", "0"]);
    let [_, page] = streaming.urls();
    streaming.stream.wait_for_event("finished", COMPLETE);
    assert_eq!(curl(&format!("{page}0/first.bin"), &[]).body.len(), 1_000_000);
    let other = curl(&format!("{page}3/second.bin"), &["--range", "1000000-"]);
    assert_eq!(other.status, 404);
    assert!(String::from_utf8_lossy(&other.body).contains("not among those"));
}

/// Five minutes of a tone, with a sample a byte.
fn tone() -> Vec<u8> {
    const RATE: u32 = 22_050;
    let count = 300 * RATE;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + count).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend([RATE, RATE].map(u32::to_le_bytes).concat());
    wav.extend(b"\x01\0\x08\0data");
    wav.extend(count.to_le_bytes());
    // It never repeats, so that no piece is like another.
    let sample = |at: u32| 128.0 + 90.0 * (f64::from(at) * (0.02 + f64::from(at) * 1e-9)).sin();
    wav.extend((0..count).map(|at| sample(at) as u8));
    wav
}

fn a_browser_plays_and_seeks_while_the_download_goes_on() {
    need!(Need::Chromium, Need::Example("seed"), Need::Example("stream"));
    let mut content = Content::single("a <tone>.wav", 0);
    content.files[0].1 = tone();
    let scene = Scene::new(content);
    let mut streaming = Streaming::start(&scene, Source::Torrent, "300KiB", &[]);
    let [_, page] = streaming.urls();
    let mut browser = Chromium::start(&scene);
    browser.open(&page);
    assert_eq!(browser.evaluate("document.title"), json!("a <tone>.wav"));
    assert_eq!(browser.evaluate("document.querySelector('td').innerText"), json!("a <tone>.wav"));
    let played = browser.evaluate(
        "(async () => {
            const player = document.querySelector('audio');
            const until = (what, holds) => new Promise((resolve, reject) => {
                const start = Date.now();
                const look = () => {
                    if (player.error) reject(new Error(what + ': ' + player.error.message));
                    else if (holds()) resolve();
                    else if (Date.now() - start > 60000) reject(new Error(what + ': too late'));
                    else setTimeout(look, 20);
                };
                look();
            });
            await player.play();
            await until('it plays', () => player.currentTime > 0.3);
            player.currentTime = 250;
            await until('it plays after a seek', () => player.currentTime > 250.3);
            return [player.duration, player.buffered.length];
        })()",
    );
    assert_eq!(played[0], json!(300), "{played}");
    assert_ne!(played[1], Value::from(0), "{played}");
    assert!(!streaming.is_complete(), "it was read while it came");
}
