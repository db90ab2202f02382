//! The files of a torrent as they are served: their addresses and types.

use mime_guess::Mime;
use mime_guess::mime;
use tinytorrent_metainfo::{File, Layout};
use url::Url;

/// A file with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServedFile {
    pub(super) index: u32,
    pub(super) length: u64,
    /// The last element of its path.
    pub(super) name: String,
    /// All of its path, in the torrent.
    pub(super) path: String,
}

/// The way in which a browser shows a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Video,
    Audio,
    Image,
    /// Not within a page.
    Link,
}

impl ServedFile {
    /// The file with this index; `None` if there is none, or if it is padding or a link.
    pub(super) fn find(layout: &Layout, index: u32) -> Option<Self> {
        Self::new(&layout.file(index)?)
    }

    /// All files.
    pub(super) fn all(layout: &Layout) -> impl Iterator<Item = Self> {
        layout.files().filter_map(|file| Self::new(&file))
    }

    /// The file to be played if none is named: the largest one that a browser plays, or the largest.
    pub(super) fn main(layout: &Layout) -> Option<Self> {
        let rank = |file: &Self| {
            let is_played = matches!(file.shown(), Shown::Video | Shown::Audio);
            (is_played, file.length, u32::MAX - file.index)
        };
        Self::all(layout).max_by_key(rank)
    }

    fn new(file: &File<'_>) -> Option<Self> {
        if file.is_pad() || file.link_target.is_some() {
            return None;
        }
        let path = file.path.to_string();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Some(Self { index: file.index.get(), length: file.length, name, path })
    }

    /// The address on this server.
    pub(super) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().push(&self.index.to_string()).push(&self.name);
        }
        url
    }

    /// The content type.
    pub(super) fn mime(&self) -> Mime {
        mime_guess::from_path(&self.name).first_or_octet_stream()
    }

    pub(super) fn shown(&self) -> Shown {
        let mime = self.mime();
        match mime.type_() {
            mime::VIDEO => Shown::Video,
            mime::AUDIO => Shown::Audio,
            mime::IMAGE if !self.is_document() => Shown::Image,
            _ => Shown::Link,
        }
    }

    /// Returns `true` if a browser would run scripts in it.
    pub(super) fn is_document(&self) -> bool {
        let mime = self.mime();
        let is_xml = mime.subtype() == mime::XML || mime.suffix() == Some(mime::XML);
        is_xml || mime.subtype() == mime::HTML || mime.subtype() == mime::PDF
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let mut builder = Layout::builder(16_384);
        builder
            .file(["x", "a #1?.mp4"], 20_000)
            .file(["x", "sub/title", "b.FLAC"], 70_000)
            .pad(5)
            .file(["x", "c.bin"], 90_000)
            .file(["x", "page.html"], 1)
            .file(["x", "drawing.svg"], 1)
            .file(["x", "photo.jpeg"], 1);
        builder.build().unwrap()
    }

    #[test]
    fn an_address_has_the_index_and_the_name() {
        let base: Url = "http://127.0.0.1:8080/".parse().unwrap();
        let urls: Vec<_> =
            ServedFile::all(&layout()).take(3).map(|file| file.url(&base).to_string()).collect();
        assert_eq!(urls[0], "http://127.0.0.1:8080/0/a%20%231%3F.mp4");
        assert_eq!(urls[1], "http://127.0.0.1:8080/1/b.FLAC");
        assert_eq!(urls[2], "http://127.0.0.1:8080/3/c.bin", "padding is no file");
        assert_eq!(ServedFile::find(&layout(), 2), None);
        assert_eq!(ServedFile::find(&layout(), 99), None);
    }

    #[test]
    fn the_largest_file_that_can_be_played_is_the_main_one() {
        assert_eq!(ServedFile::main(&layout()).unwrap().index, 1);
        let mut builder = Layout::builder(16_384);
        builder.file(["x", "a"], 1).file(["x", "b"], 2).file(["x", "c"], 2);
        assert_eq!(ServedFile::main(&builder.build().unwrap()).unwrap().index, 1);
    }

    #[test]
    fn types_follow_the_names() {
        let files: Vec<_> = ServedFile::all(&layout()).collect();
        let types: Vec<_> = files.iter().map(|file| file.mime().to_string()).collect();
        let flac = types[1].as_str();
        assert!(["audio/flac", "audio/x-flac"].contains(&flac), "{flac}");
        assert_eq!(types[0], "video/mp4");
        assert_eq!(
            types[2..],
            ["application/octet-stream", "text/html", "image/svg+xml", "image/jpeg"]
        );
        let shown: Vec<_> = files.iter().map(ServedFile::shown).collect();
        let expected =
            [Shown::Video, Shown::Audio, Shown::Link, Shown::Link, Shown::Link, Shown::Image];
        assert_eq!(shown, expected);
    }
}
