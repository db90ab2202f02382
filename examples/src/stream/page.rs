//! The page with the list of files and a player.

use std::fmt::Write;

use tinytorrent_metainfo::Info;
use url::Url;

use super::files::{ServedFile, Shown};
use crate::{escape_html, format_size};

/// Files in the list at most: a torrent may have a million.
const MAX_LISTED: usize = 1_000;

/// The page of a torrent, with a player for this file.
pub(super) fn page(info: &Info, base: &Url, played: Option<&ServedFile>) -> String {
    let name = escape_html(info.name());
    let player = played.map(|file| player(file, base)).unwrap_or_default();
    let mut list = String::new();
    for file in ServedFile::all(info.layout()).take(MAX_LISTED) {
        let (url, path, size) = (file.url(base), escape_html(&file.path), format_size(file.length));
        let url = url.path();
        let play = match file.shown() {
            Shown::Link => String::new(),
            _ => format!("<a href=\"/?file={}\">play</a>", file.index),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            list,
            "<tr><td><a href=\"{url}\">{path}</a></td><td>{size}</td><td>{play}</td></tr>"
        );
    }
    let rest = (info.layout().file_count() as usize).saturating_sub(MAX_LISTED);
    let rest = if rest > 0 { format!("<p>and {rest} more</p>\n") } else { String::new() };
    html(&name, &format!("<h1>{name}</h1>\n{player}<table>\n{list}</table>\n{rest}"))
}

/// The page while the metadata is being fetched.
pub(super) fn waiting_page() -> String {
    let refresh = "<meta http-equiv=\"refresh\" content=\"2\">\n";
    html("…", &format!("{refresh}<p>The metadata is being fetched.</p>\n"))
}

fn player(file: &ServedFile, base: &Url) -> String {
    let (url, name) = (file.url(base), escape_html(&file.name));
    // Within the server, which may have several names. A URL has none of the characters that end an attribute.
    let url = url.path();
    match file.shown() {
        Shown::Video => format!("<video controls src=\"{url}\"></video>\n<p>{name}</p>\n"),
        Shown::Audio => format!("<audio controls src=\"{url}\"></audio>\n<p>{name}</p>\n"),
        Shown::Image => format!("<img src=\"{url}\" alt=\"{name}\">\n"),
        Shown::Link => String::new(),
    }
}

fn html(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\nbody {{ font-family: sans-serif; margin: 2em auto; max-width: 60em; }}\n\
         video, audio, img {{ max-width: 100%; }}\nvideo, audio {{ width: 100%; }}\n\
         td {{ padding: 0.2em 1em 0.2em 0; overflow-wrap: anywhere; }}\n</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use tinytorrent_metainfo::Metainfo;

    use super::*;

    fn info(files: &[&str]) -> Info {
        let file = |name: &&str| format!("d6:lengthi16384e4:pathl{}:{name}ee", name.len());
        let (list, hashes) =
            (files.iter().map(file).collect::<String>(), "x".repeat(20 * files.len()));
        let torrent = format!(
            "d4:infod5:filesl{list}e4:name5:<b>'x12:piece lengthi16384e6:pieces{}:{hashes}ee",
            hashes.len()
        );
        Metainfo::from_bytes(torrent.as_bytes()).unwrap().info().as_ref().clone()
    }

    fn page_of(files: &[&str], played: u32) -> String {
        let info = info(files);
        let base = "http://127.0.0.1:1/".parse().unwrap();
        page(&info, &base, ServedFile::find(info.layout(), played).as_ref())
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        let page = page_of(&["\"><script>.mp4", "a&b.bin"], 0);
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("&quot;&gt;&lt;script&gt;.mp4") && page.contains("a&amp;b.bin"));
        assert!(page.contains("src=\"/0/%22%3E%3Cscript%3E.mp4\""), "{page}");
    }

    #[test]
    fn each_file_is_listed_and_the_chosen_one_has_a_player() {
        let page = page_of(&["a.mp4", "b.mp3", "c.bin"], 1);
        assert!(page.contains("<audio controls src=\"/1/b.mp3\">") && !page.contains("<video"));
        for link in ["href=\"/0/a.mp4\"", "href=\"/1/b.mp3\"", "href=\"/2/c.bin\""] {
            assert!(page.contains(link), "{page}");
        }
        assert!(page.contains("/?file=0") && !page.contains("/?file=2"));
        assert!(!page_of(&["c.bin"], 0).contains("<video"));
    }
}
