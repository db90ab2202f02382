use tinytorrent_types::{InfoHashV1, InfoHashV2, InfoHashes};

use super::*;
use crate::{ScrapeResponse, SwarmCounts};

fn hashes() -> InfoHashes {
    InfoHashes::from_both(InfoHashV1::from_bytes([1; 20]), InfoHashV2::from_bytes([2; 32]))
}

fn counts(seeders: u32, leechers: u32, completed: Option<u32>) -> SwarmCounts {
    SwarmCounts {
        seeders: Some(seeders),
        leechers: Some(leechers),
        completed,
        ..SwarmCounts::default()
    }
}

fn response(counts: &[SwarmCounts]) -> ScrapeResponse {
    let files = hashes().wire_hashes().zip(counts.iter().copied()).collect();
    ScrapeResponse { files, ..ScrapeResponse::default() }
}

impl World {
    fn scrape(&mut self) -> Vec<ScheduledScrape> {
        self.schedule.scrape(self.now);
        std::iter::from_fn(|| self.schedule.poll_scrape(self.now)).collect()
    }

    fn scraped(&mut self, id: ScrapeId, outcome: Result<&ScrapeResponse, &Failure>) -> bool {
        self.schedule.handle_scrape(self.now, id, &hashes(), outcome).is_some()
    }
}

#[test]
fn all_trackers_are_scraped_and_their_counts_are_shown() {
    let mut world = World::new(&["a", "b"], default);
    let scrapes = world.scrape();
    assert_eq!(scrapes.len(), 2);
    assert!(world.scrape().is_empty(), "they are in flight");
    // A hybrid is two swarms with most peers in both.
    let both = response(&[counts(3, 9, Some(5)), counts(4, 1, None)]);
    assert!(world.scraped(scrapes[0].id, Ok(&both)));
    assert!(world.scraped(scrapes[1].id, Err(&Failure::Failed("down".into()))));
    assert!(!world.scraped(scrapes[1].id, Ok(&both)), "its outcome is known");
    let shown: Vec<_> = world.schedule.trackers().collect();
    assert_eq!(
        (shown[0].seeders, shown[0].leechers, shown[0].completed),
        (Some(4), Some(9), Some(5))
    );
    assert_eq!((shown[0].scrape.answered, shown[1].scrape.answered), (Some(world.now), None));
    assert!(shown[0].scrape.failure.is_none() && shown[1].scrape.failure.is_some());
    assert!(shown.iter().all(|tracker| !tracker.scrape.is_in_flight));
}

#[test]
fn a_tracker_is_not_scraped_more_often_than_it_wants() {
    let mut world = World::new(&["a"], default);
    let id = world.scrape()[0].id;
    let rare = ScrapeResponse { min_request_interval: Some(600), ..response(&[]) };
    world.scraped(id, Ok(&rare));
    world.at(599);
    assert!(world.scrape().is_empty());
    world.at(600);
    let id = world.scrape()[0].id;
    world.scraped(id, Ok(&response(&[])));
    world.at(659);
    assert!(world.scrape().is_empty(), "nor more often than announced to");
    world.at(660);
    assert_eq!(world.scrape().len(), 1);
    world.at(2_000);
    assert_eq!(world.scrape().len(), 1, "one that is lost is made again");
}

#[test]
fn a_scrape_of_a_tracker_that_was_removed_changes_nothing() {
    let mut world = World::new(&["a"], default);
    let id = world.scrape()[0].id;
    world.schedule.set_trackers(world.now, urls(&["b"]));
    assert!(!world.scraped(id, Ok(&response(&[counts(1, 1, None)]))));
    assert_eq!(world.schedule.trackers().next().unwrap().seeders, None);
}
