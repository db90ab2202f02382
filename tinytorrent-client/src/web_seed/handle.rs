use super::WebSeedInfo;
use crate::Torrent;

/// Web seeds of a torrent.
impl Torrent {
    /// The web seeds, in the order in which they were added. None once the torrent has ended, or where they are
    /// [off](crate::TorrentOptions::web_seeds).
    pub fn web_seeds(&self) -> Vec<WebSeedInfo> {
        self.shared().with(|driver, now| driver.web_seeds(now), |_| Vec::new())
    }

    /// Downloads from these web seeds as well, which may be at local addresses. They are kept in the session. A text
    /// that is no URL of HTTP or HTTPS is left out, and so is one that is there already.
    pub fn add_web_seeds(&self, urls: impl IntoIterator<Item = String>) {
        let urls: Vec<String> = urls.into_iter().collect();
        self.shared().change(|driver, now| driver.add_web_seeds(now, urls));
    }

    /// Downloads from the web seeds with these URLs no longer, whoever has named them. What is being fetched from
    /// them is asked of others.
    pub fn remove_web_seeds(&self, urls: impl IntoIterator<Item = String>) {
        let urls: Vec<String> = urls.into_iter().collect();
        self.shared().change(|driver, now| driver.remove_web_seeds(now, &urls));
    }
}
