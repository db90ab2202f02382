use std::net::IpAddr;
use std::time::Instant;

use super::super::admission::Request;
use super::super::figures::Counters;
use super::Tracker;
use crate::Refusal;
use crate::http::{
    AnnounceQuery, PeerFormat, QueryError, ScrapeQuery, write_announce, write_refusal, write_scrape,
};

impl Tracker {
    /// Appends the body of the response to an HTTP request for `target`, its path and query, and
    /// returns the status: 200 for an announce and a scrape, also if it is refused, since some clients
    /// ignore the body of other statuses; 404 for any other path.
    ///
    /// Only the last element of the path counts, so that there can be a passkey or the prefix of a
    /// reverse proxy before it. Behind one, `from` is the address that the proxy has seen.
    pub fn handle_target(
        &self,
        now: Instant,
        from: IpAddr,
        target: &str,
        body: &mut Vec<u8>,
    ) -> u16 {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let counters = self.traffic.of(last_bits(from));
        let mut wanted = Wanted { now, from, target, query, counters, body: &mut *body };
        let outcome = match path.rsplit('/').next() {
            Some("announce") => self.respond_to_announce(&mut wanted),
            Some("scrape") => self.respond_to_scrape(&mut wanted),
            _ => {
                body.extend_from_slice(b"this is a tracker: /announce, /scrape\n");
                return 404;
            }
        };
        if let Err(refusal) = outcome {
            counters.refused();
            write_refusal(&refusal, body);
        }
        200
    }

    fn respond_to_announce(&self, wanted: &mut Wanted<'_>) -> Result<(), Refusal> {
        wanted.counters.announce();
        let query = AnnounceQuery::read(wanted.query).map_err(|error| wanted.invalid(&error))?;
        let (info_hash, announce) = (query.request.info_hash, Some(&query.request));
        let applied = Request { info_hash, announce, url: wanted.target.as_bytes() };
        self.admission.check(wanted.from, &applied)?;
        let mut swarms = self.shard(info_hash);
        let response = swarms.announce(wanted.now, wanted.from, &query.request, true)?;
        drop(swarms);
        // Compact is the default, as on most trackers (BEP 23 suggests it).
        let format = match query.compact {
            Some(false) => PeerFormat::Dictionaries { no_peer_id: query.no_peer_id },
            Some(true) | None => PeerFormat::Compact,
        };
        write_announce(&response, format, wanted.body);
        Ok(())
    }

    fn respond_to_scrape(&self, wanted: &mut Wanted<'_>) -> Result<(), Refusal> {
        wanted.counters.scrape();
        let query = ScrapeQuery::read(wanted.query).map_err(|error| wanted.invalid(&error))?;
        let response = self.scrape(wanted.from, &query.info_hashes, wanted.target.as_bytes())?;
        write_scrape(&response, wanted.body);
        Ok(())
    }
}

/// A request, and the body of its response.
struct Wanted<'a> {
    now: Instant,
    from: IpAddr,
    target: &'a str,
    query: &'a str,
    counters: &'a Counters,
    body: &'a mut Vec<u8>,
}

impl Wanted<'_> {
    fn invalid(&self, error: &QueryError) -> Refusal {
        self.counters.invalid();
        Refusal::new(error.to_string())
    }
}

fn last_bits(ip: IpAddr) -> u16 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip) as u16,
        IpAddr::V6(ip) => u128::from(ip) as u16,
    }
}
