use std::fmt::Write as _;
use std::net::SocketAddr;

use tinytorrent_net::UserInfo;
use url::Url;

use super::item::{Item, What};
use super::{FetchError, Protocol, Shared};
use crate::{Part, PieceRanges, plan, plan_pieces};

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
