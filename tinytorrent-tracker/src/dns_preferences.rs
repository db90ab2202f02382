use crate::{Scheme, TrackerUrl};

/// The trackers that a host runs, according to its DNS TXT record (BEP 34).
///
/// ```
/// use tinytorrent_tracker::{DnsPreferences, TrackerUrl};
///
/// let preferences = DnsPreferences::read([b"BITTORRENT UDP:1337 TCP:80"]).unwrap();
/// let url: TrackerUrl = "http://tracker.example:8080/announce".parse()?;
/// let urls: Vec<_> = preferences.apply(&url).iter().map(ToString::to_string).collect();
/// assert_eq!(urls, ["udp://tracker.example:1337/announce", "http://tracker.example/announce"]);
/// # Ok::<(), tinytorrent_tracker::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsPreferences {
    /// Preferred trackers first; empty for a host that runs none.
    trackers: Vec<(Transport, u16)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

impl DnsPreferences {
    /// Parses the first of the TXT records that begins with the word `BITTORRENT`. Returns `None`
    /// if no record does; the host then has no preferences. Unknown words are ignored.
    pub fn read<R: AsRef<[u8]>>(records: impl IntoIterator<Item = R>) -> Option<Self> {
        records.into_iter().find_map(|record| {
            let text = String::from_utf8_lossy(record.as_ref()).into_owned();
            let mut words = text.split(' ');
            if words.next() != Some("BITTORRENT") {
                return None;
            }
            let trackers = words.filter_map(read_word).take(MAX_TRACKERS).collect();
            Some(Self { trackers })
        })
    }

    /// True if the record denies that the host runs a tracker.
    pub fn denies_all(&self) -> bool {
        self.trackers.is_empty()
    }

    /// The URLs to try in place of this one, preferred URLs first: the URL itself if the record
    /// lists it, and none if the host runs no tracker.
    pub fn apply(&self, url: &TrackerUrl) -> Vec<TrackerUrl> {
        let transport = match url.scheme() {
            Scheme::Udp => Transport::Udp,
            Scheme::Http | Scheme::Https => Transport::Tcp,
        };
        if self.trackers.contains(&(transport, url.port())) {
            return vec![url.clone()];
        }
        let there = self.trackers.iter().map(|(transport, port)| {
            let scheme = match (transport, url.scheme()) {
                (Transport::Udp, _) => Scheme::Udp,
                // The record does not tell HTTP from HTTPS; one must not fall back to the other.
                (Transport::Tcp, Scheme::Https) => Scheme::Https,
                (Transport::Tcp, _) => Scheme::Http,
            };
            url.at(scheme, *port)
        });
        there.collect()
    }
}

fn read_word(word: &str) -> Option<(Transport, u16)> {
    let (transport, port) = word.split_once(':')?;
    let transport = match transport {
        "UDP" => Transport::Udp,
        "TCP" => Transport::Tcp,
        _ => return None,
    };
    port.parse().ok().filter(|port| *port != 0).map(|port| (transport, port))
}

/// A guess; each tracker that is listed can cost a request.
const MAX_TRACKERS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<DnsPreferences> {
        DnsPreferences::read([text])
    }

    /// BEP 34, "Examples"
    #[test]
    fn the_examples_of_the_bep_mean_what_it_says() {
        assert!(read("BITTORRENT").unwrap().denies_all());
        assert!(read("BITTORRENT DENY ALL").unwrap().denies_all());
        let both = read("BITTORRENT UDP:1337 TCP:80").unwrap();
        assert_eq!(both.trackers, [(Transport::Udp, 1337), (Transport::Tcp, 80)]);
    }

    /// BEP 34, "Syntax"
    #[test]
    fn words_are_case_sensitive_and_unknown_ones_are_ignored() {
        assert_eq!(read("bittorrent UDP:1"), None);
        assert_eq!(read("BITTORRENTS"), None);
        assert_eq!(read("v=spf1 -all"), None);
        let odd = read("BITTORRENT udp:1 UDP: UDP:0 UDP:70000 SCTP:5 TCP:7").unwrap();
        assert_eq!(odd.trackers, [(Transport::Tcp, 7)]);
        let second = DnsPreferences::read(["v=spf1", "BITTORRENT TCP:1"]).unwrap();
        assert_eq!(second.trackers.len(), 1);
    }

    #[test]
    fn a_url_the_host_lists_stays_as_it_is() {
        let preferences = read("BITTORRENT UDP:1337 TCP:443").unwrap();
        let apply = |text: &str| -> Vec<String> {
            let urls = preferences.apply(&text.parse().unwrap());
            urls.iter().map(ToString::to_string).collect()
        };
        assert_eq!(apply("https://h/announce?k=%2f"), ["https://h/announce?k=%2f"]);
        assert_eq!(apply("udp://h:1337"), ["udp://h:1337"]);
        assert_eq!(apply("https://h:1/x"), ["udp://h:1337/x", "https://h/x"]);
    }
}
