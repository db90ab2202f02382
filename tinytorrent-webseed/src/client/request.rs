use std::fmt::Write as _;
use std::net::SocketAddr;

use tinytorrent_metainfo::FileIndex;
use tinytorrent_net::UserInfo;
use url::Url;

use super::{FetchError, Protocol, Shared};
use crate::{FileRange, Part, PieceRanges, plan, plan_pieces};

/// A part of a fetch, in the line of a connection.
#[derive(Debug)]
pub(super) struct Item {
    /// The fetch.
    pub(super) fetch: u64,
    pub(super) what: What,
    /// Bytes of it that have come.
    pub(super) done: u64,
    /// The place of the redirect that it follows; `None` for where the file is known to be.
    pub(super) url: Option<Url>,
    /// Redirects that it has followed.
    pub(super) hops: u8,
    /// Failures in a row without a byte.
    pub(super) failures: u8,
    /// Failures.
    pub(super) breaks: u8,
    /// The place that was kept from an earlier redirect has failed, and is not used again.
    pub(super) is_anew: bool,
}

/// The bytes of an [`Item`].
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    File(FileRange),
    Piece(PieceRanges),
    Pad(u64),
}

impl Item {
    fn new(fetch: u64, what: What) -> Self {
        Self { fetch, what, done: 0, url: None, hops: 0, failures: 0, breaks: 0, is_anew: false }
    }

    /// The bytes that are to come.
    pub(super) fn left(&self) -> u64 {
        let length = match self.what {
            What::File(range) => range.length,
            What::Piece(ranges) => ranges.length.into(),
            What::Pad(length) => length,
        };
        length - self.done
    }

    /// The range of the file that is to come.
    pub(super) fn file_range(&self) -> Option<FileRange> {
        match self.what {
            What::File(range) => Some(FileRange {
                offset: range.offset + self.done,
                length: range.length - self.done,
                ..range
            }),
            What::Piece(_) | What::Pad(_) => None,
        }
    }

    /// The file that it is a part of.
    pub(super) fn file(&self) -> Option<FileIndex> {
        self.file_range().map(|range| range.file)
    }
}

impl Shared {
    /// The parts of a fetch.
    pub(super) fn items(&self, fetch: &super::Fetch) -> Vec<Item> {
        match self.protocol {
            Protocol::Files => plan(self.info.layout(), &fetch.blocks)
                .into_iter()
                .map(|part| match part {
                    Part::Range(range) => Item::new(fetch.id, What::File(range)),
                    Part::Pad(length) => Item::new(fetch.id, What::Pad(length)),
                })
                .collect(),
            Protocol::Pieces(_) => plan_pieces(&fetch.blocks)
                .into_iter()
                .map(|ranges| Item::new(fetch.id, What::Piece(ranges)))
                .collect(),
        }
    }

    /// The URL to ask for what is left of an item.
    ///
    /// # Errors
    /// The file has a name that no URL can have.
    pub(super) fn url_of(&self, item: &Item) -> Result<Url, FetchError> {
        if let Some(url) = &item.url {
            return Ok(url.clone());
        }
        match (item.what, self.protocol) {
            (What::File(range), _) => {
                if !item.is_anew
                    && let Some(url) = self.learned_url(range.file)
                {
                    return Ok(url);
                }
                let url = self.url.file_url(&self.info, range.file);
                url.ok_or(FetchError::Missing { file: range.file, status: 0 })
            }
            (What::Piece(ranges), Protocol::Pieces(hash)) => {
                let done = u32::try_from(item.done).unwrap_or_default();
                let rest = PieceRanges {
                    begin: ranges.begin + done,
                    length: ranges.length - done,
                    ..ranges
                };
                let url = self.url.piece_url(&hash, &rest);
                url.ok_or_else(|| FetchError::Network("the URL is too long".to_owned()))
            }
            (What::Piece(_) | What::Pad(_), _) => Ok(self.url.as_url().clone()),
        }
    }

    /// The place of a file after redirects, if one is known.
    fn learned_url(&self, file: FileIndex) -> Option<Url> {
        let learned = self.learned();
        if let Some(url) = learned.redirects.get(&file) {
            return Some(url.clone());
        }
        let base = learned.base.as_ref()?;
        let own = self.url.file_url(&self.info, file)?;
        let rest = own.as_str().strip_prefix(&self.folder())?;
        Url::parse(&format!("{base}{rest}")).ok()
    }

    /// The URL of the folder, as those of files begin.
    fn folder(&self) -> String {
        let mut folder = self.url.as_str().to_owned();
        if !folder.ends_with('/') {
            folder.push('/');
        }
        folder
    }

    /// Keeps the place of a file after a redirect.
    pub(super) fn learn_redirect(&self, file: FileIndex, to: &Url) {
        let own = self.url.file_url(&self.info, file);
        let rest = own.as_ref().and_then(|own| own.as_str().strip_prefix(&self.folder()));
        // Redirects that keep the path, as those to mirrors do, hold for all files.
        let base = rest.filter(|rest| !rest.is_empty());
        let base = base.and_then(|rest| to.as_str().strip_suffix(rest)).map(str::to_owned);
        let mut learned = self.learned();
        match base {
            Some(base) if base.ends_with('/') => learned.base = Some(base),
            _ => {
                if learned.redirects.len() >= MAX_REDIRECTS {
                    learned.redirects.clear();
                }
                learned.redirects.insert(file, to.clone());
            }
        }
    }

    /// Forgets the places of redirects that do not lead to the file any more. Returns false if there were none.
    pub(super) fn forget_redirect(&self, file: FileIndex) -> bool {
        let mut learned = self.learned();
        let had_own = learned.redirects.remove(&file).is_some();
        let had_base = learned.base.take().is_some();
        had_own || had_base
    }

    /// Appends the request for what is left of an item.
    pub(super) fn write_request(
        &self,
        item: &Item,
        url: &Url,
        peer: Option<SocketAddr>,
        out: &mut String,
    ) {
        out.push_str("GET ");
        out.push_str(&url[url::Position::BeforePath..url::Position::AfterQuery]);
        out.push_str(" HTTP/1.1\r\nHost: ");
        out.push_str(&url[url::Position::BeforeHost..url::Position::AfterPort]);
        // Ranges of a body that is compressed on the way would be ranges of something else.
        out.push_str("\r\nAccept: */*\r\nAccept-Encoding: identity\r\n");
        if let Some(range) = item.file_range()
            && !range.is_whole()
        {
            let (first, last) = (range.offset, range.last());
            // Writing to a string does not fail.
            let _ = write!(out, "Range: bytes={first}-{last}\r\n");
        }
        if !self.settings.user_agent.is_empty() {
            let name = self.settings.user_agent.replace(['\r', '\n'], " ");
            let _ = write!(out, "User-Agent: {name}\r\n");
        }
        let own = self.url.as_url();
        if !own.username().is_empty() && self.sends_credentials(url, peer) {
            let text = format!("{}:{}", own.username(), own.password().unwrap_or_default());
            let _ = write!(out, "Authorization: {}\r\n", UserInfo::of_url(&text).basic_auth());
        }
        out.push_str("\r\n");
    }
}

/// Places of files to keep at most. Beyond, they are asked for anew.
const MAX_REDIRECTS: usize = 10_000;
