use tinytorrent_metainfo::{Magnet, Metainfo};

use super::{WebSeedProtocol, WebSeedSource};
use crate::TorrentOptions;

/// Settings of the web seeds of a torrent.
#[derive(Debug, Clone)]
pub(crate) struct WebSeedOptions {
    pub(crate) is_on: bool,
    /// Those of the user.
    pub(crate) urls: Vec<String>,
}

impl Default for WebSeedOptions {
    fn default() -> Self {
        Self { is_on: true, urls: Vec::new() }
    }
}

/// Web seeds.
impl TorrentOptions {
    /// Downloads from one more web seed (BEP 19): the URL of the file, or of the folder in which the torrent's name
    /// lies, over HTTP or HTTPS. It may be at a local address. A text that is no such URL is left out. Default: those
    /// of the torrent or its link.
    pub fn web_seed(&mut self, url: impl Into<String>) -> &mut Self {
        self.web_seeds.urls.push(url.into());
        self
    }

    /// Downloads from web seeds if true. A private torrent has those of its file and of the user, and none of a
    /// link. Default: true.
    pub fn web_seeds(&mut self, web_seeds: bool) -> &mut Self {
        self.web_seeds.is_on = web_seeds;
        self
    }
}

/// The web seeds that a torrent or its link names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamedWebSeeds {
    /// `url-list` of the torrent (BEP 19).
    pub(crate) torrent: Vec<String>,
    /// `httpseeds` of the torrent (BEP 17).
    pub(crate) http: Vec<String>,
    /// `ws` of the link.
    pub(crate) link: Vec<String>,
}

impl NamedWebSeeds {
    pub(crate) fn of_torrent(metainfo: &Metainfo) -> Self {
        Self {
            torrent: metainfo.web_seeds().to_vec(),
            http: metainfo.http_seeds().to_vec(),
            link: Vec::new(),
        }
    }

    pub(crate) fn of_link(magnet: &Magnet) -> Self {
        Self { link: magnet.web_seeds.clone(), ..Self::default() }
    }

    /// All of them, those of the user first.
    pub(crate) fn all<'a>(
        &'a self,
        options: &'a WebSeedOptions,
    ) -> impl Iterator<Item = (&'a String, WebSeedSource, WebSeedProtocol)> {
        let files = WebSeedProtocol::Files;
        let lists = [
            (&options.urls, WebSeedSource::User, files),
            (&self.torrent, WebSeedSource::Torrent, files),
            (&self.http, WebSeedSource::Torrent, WebSeedProtocol::Pieces),
            (&self.link, WebSeedSource::Link, files),
        ];
        let is_on = options.is_on;
        lists.into_iter().filter(move |_| is_on).flat_map(|(urls, source, protocol)| {
            urls.iter().map(move |url| (url, source, protocol))
        })
    }

    /// Removes a URL, so that it is not used after a restart either.
    pub(crate) fn remove(&mut self, url: &str) {
        [&mut self.torrent, &mut self.http, &mut self.link]
            .into_iter()
            .for_each(|urls| urls.retain(|other| other != url));
    }
}
