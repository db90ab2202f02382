//! Web seeds in the turns of the driver.

use std::sync::Arc;
use std::time::Instant;

use tinytorrent_swarm::{FetchTask, Input, WebSeedKey};
use tinytorrent_types::PieceIndex;
use tinytorrent_webseed::client::Report as FetchReport;

use super::Driver;
use crate::web_seed::{Report, WebSeedInfo, WebSeedParts, WebSeedProtocol, WebSeedSource};

impl Driver {
    /// Adds the web seeds of the torrent, of its link and of the user.
    pub(super) fn begin_web_seeds(&mut self, now: Instant) {
        let options = &self.lifecycle.options().web_seeds;
        let all = self.keeping.origin().web_seeds.all(options);
        let all: Vec<_> = all.map(|(url, source, way)| (url.clone(), source, way)).collect();
        for (url, source, protocol) in all {
            self.add_web_seed(now, url, source, protocol);
        }
        if self.is_private() {
            self.leave_link_web_seeds(now);
        }
    }

    /// A private torrent has none of a link, which anybody can have made.
    pub(super) fn leave_link_web_seeds(&mut self, now: Instant) {
        self.remove_web_seeds_if(now, |_, source| source == WebSeedSource::Link);
    }

    fn add_web_seed(
        &mut self,
        now: Instant,
        text: String,
        source: WebSeedSource,
        protocol: WebSeedProtocol,
    ) {
        let (resources, hashes) = (&self.resources, self.outbox.hashes);
        let parts = self.web_seeds.get_or_insert_with(|| {
            let options = &resources.options;
            Box::new(WebSeedParts::new(
                resources.network.clone(),
                options.user_agent.clone(),
                options.allows_local_addresses,
                hashes.to_wire(),
            ))
        });
        let Some(url) = parts.new_url(&text, protocol) else { return };
        match self.swarm.add_web_seed(now) {
            Some(key) => parts.add(key, text, url, source, protocol),
            None => tracing::debug!(%url, "a web seed is left out, as there are too many"),
        }
    }

    pub(crate) fn add_web_seeds(&mut self, now: Instant, urls: Vec<String>) {
        let options = &mut self.options_mut().web_seeds;
        options.urls.extend(urls.iter().cloned());
        if options.is_on {
            for url in urls {
                self.add_web_seed(now, url, WebSeedSource::User, WebSeedProtocol::Files);
            }
        }
    }

    pub(crate) fn remove_web_seeds(&mut self, now: Instant, urls: &[String]) {
        self.options_mut().web_seeds.urls.retain(|url| !urls.contains(url));
        self.keeping.remove_web_seeds(urls);
        self.remove_web_seeds_if(now, |url, _| urls.iter().any(|other| other == url));
    }

    fn remove_web_seeds_if(&mut self, now: Instant, fits: impl Fn(&str, WebSeedSource) -> bool) {
        let Some(parts) = &mut self.web_seeds else { return };
        for key in parts.remove(fits) {
            self.swarm.remove_web_seed(now, key);
        }
    }

    pub(crate) fn web_seeds(&mut self, now: Instant) -> Vec<WebSeedInfo> {
        let views = self.swarm.web_seeds(now);
        self.web_seeds.as_ref().map_or_else(Vec::new, |parts| parts.infos(now, &views))
    }

    pub(super) fn fetch(&mut self, task: FetchTask) {
        let (Some(parts), Some(metainfo)) = (&mut self.web_seeds, &self.outbox.metainfo) else {
            return;
        };
        parts.fetch(task, metainfo.info(), self.connections.notices());
    }

    pub(super) fn doubt_files(&mut self, now: Instant, seed: WebSeedKey, piece: PieceIndex) {
        let (Some(parts), Some(metainfo)) = (&mut self.web_seeds, self.outbox.metainfo.clone())
        else {
            return;
        };
        for pieces in parts.doubt(seed, piece, metainfo.info().layout()) {
            self.swarm.handle_input(now, Input::WebSeedLacks { seed, pieces });
        }
    }

    pub(super) fn on_web_seed(&mut self, now: Instant, report: Report) {
        let Report { seed, report } = report;
        let (Some(parts), Some(metainfo)) = (&mut self.web_seeds, &self.outbox.metainfo) else {
            return;
        };
        match report {
            FetchReport::Blocks { fetch, blocks } => {
                // A fetch that was cancelled meanwhile has none.
                let Some(fetch) = parts.key_of(seed, fetch) else { return };
                for (block, data) in blocks {
                    let verdict = self.swarm.handle_fetched(now, fetch, block);
                    if let Some(running) = self.lifecycle.running() {
                        running.plane.store(verdict, data);
                    }
                }
            }
            FetchReport::Ended { fetch, outcome } => {
                let metainfo = Arc::clone(metainfo);
                let layout = metainfo.info().layout();
                if let Some((fetch, outcome)) = parts.end(seed, fetch, outcome, layout) {
                    self.swarm.handle_input(now, Input::FetchEnded { fetch, outcome });
                }
            }
        }
    }

    /// Lets the connections go while nothing is downloaded. Returns true if reports may come.
    pub(super) fn rest_web_seeds(&mut self) -> bool {
        let is_done = self.swarm.is_finished() || self.swarm.is_paused();
        let Some(parts) = &mut self.web_seeds else { return false };
        if is_done {
            parts.rest();
        }
        parts.is_connected()
    }
}
