use std::collections::HashMap;

use tinytorrent_metainfo::FileIndex;
use url::{Position, Url};

use super::Shared;

/// Knowledge about the server, from what it has shown.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// The places of files after redirects.
    redirects: HashMap<FileIndex, Url>,
    /// A server whose redirects keep the path: what stands before it.
    base: Option<String>,
    /// The server has answered a second request on one connection, or said that it would.
    pub(super) keeps_alive: bool,
    /// The server closed a connection with requests on their way.
    pub(super) refuses_pipelines: bool,
}

/// Places of files to keep at most. Beyond, they are asked for anew.
const MAX_REDIRECTS: usize = 10_000;

impl Shared {
    /// The place of a file after redirects, if one is known.
    pub(super) fn learned_url(&self, file: FileIndex) -> Option<Url> {
        let learned = self.learned();
        if let Some(url) = learned.redirects.get(&file) {
            return Some(url.clone());
        }
        let base = learned.base.as_ref()?;
        let own = self.url.file_url(&self.info, file)?;
        let rest = self.below_folder(&own)?;
        Url::parse(&format!("{base}{rest}")).ok()
    }

    /// The end of the URL of a file, behind that of the folder. It has the query, if there is one.
    fn below_folder<'a>(&self, file: &'a Url) -> Option<&'a str> {
        let folder = &self.url.as_url()[..Position::AfterPath];
        let rest = file.as_str().strip_prefix(folder)?;
        Some(rest.trim_start_matches('/')).filter(|rest| !rest.is_empty())
    }

    /// Keeps the place of a file after a redirect.
    pub(super) fn learn_redirect(&self, file: FileIndex, to: &Url) {
        let own = self.url.file_url(&self.info, file);
        // Redirects that keep the path, as those to mirrors do, hold for all files.
        let rest = own.as_ref().and_then(|own| self.below_folder(own));
        let base = rest.and_then(|rest| to.as_str().strip_suffix(rest)).map(str::to_owned);
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
}
