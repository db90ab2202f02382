//! Numbers in responses, whatever they are: no panic, and the next announce within sane bounds.

use proptest::prelude::*;
use tinytorrent_types::{PeerId, WireInfoHash};

use super::*;
use crate::AnnounceRequest;
use crate::http;
use crate::udp::{Exchange, ExchangeConfig, Reply, Request, RequestBody, Response, ResponseBody};

/// A bencoded value where a number belongs.
fn value() -> impl Strategy<Value = String> {
    let string = |text: String| format!("{}:{text}", text.len());
    prop_oneof![
        any::<i64>().prop_map(|number| format!("i{number}e")),
        any::<u64>().prop_map(|number| format!("i{number}e")),
        (0i64..100_000).prop_map(|number| format!("i{number}e")),
        any::<u128>().prop_map(|number| format!("i{number}e")),
        any::<u128>().prop_map(move |number| string(number.to_string())),
        any::<f64>().prop_map(move |number| string(number.to_string())),
        prop::sample::select(vec![
            "i0e",
            "i-1e",
            "i-0e",
            "i18446744073709551615e",
            "i9223372036854775808e",
            "i007e",
            "5:never",
            "3:NaN",
            "3:inf",
            "2:-1",
            "3:1e9",
            "0:",
            "le",
            "de",
            "20:99999999999999999999",
        ])
        .prop_map(str::to_owned),
    ]
}

fn seconds() -> impl Strategy<Value = Duration> {
    prop_oneof![
        any::<u64>().prop_map(Duration::from_secs),
        (0u64..1_000_000_000).prop_map(Duration::from_millis),
        Just(Duration::MAX),
        Just(Duration::ZERO),
    ]
}

/// The reply that the exchange reads out of a datagram with these numbers.
fn over_udp(now: Instant, interval: i32, leechers: u32, seeders: u32) -> AnnounceResponse {
    let mut exchange = Exchange::new(ExchangeConfig::new([1; 32]));
    let tracker = "192.0.2.1:1".parse().unwrap();
    let torrent = WireInfoHash::from_bytes([1; 20]);
    let request = AnnounceRequest::new(torrent, PeerId::from_bytes([2; 20]), 1, 1);
    exchange.start_announce(now, tracker, &request, b"");
    let mut datagram = Vec::new();
    while exchange.poll_transmit(&mut datagram).is_some() {
        let Request { transaction_id, body, .. } = Request::read(&datagram).unwrap();
        let body = match body {
            RequestBody::Connect => ResponseBody::Connect { connection_id: 7 },
            _ => ResponseBody::Announce { interval, leechers, seeders, peers: &[] },
        };
        let mut reply = Vec::new();
        Response { transaction_id, body }.write(&mut reply);
        exchange.handle_datagram(now, tracker, &reply);
    }
    match exchange.poll_outcome() {
        Some((_, Ok(Reply::Announce(response)))) => response,
        other => panic!("{other:?}"),
    }
}

/// Tells the schedule an outcome, and checks when it announces again.
fn tell(world: &mut World, outcome: Result<&AnnounceResponse, &Failure>) {
    let Some(announce) = world.poll() else { return };
    let (now, id) = (world.now, announce.id);
    world.schedule.handle_outcome(now, id, outcome);
    world.schedule.request_more_peers(now);
    world.schedule.check_invariants();
    let is_never = outcome.err().and_then(Failure::retry_in) == Some(RetryIn::Never);
    match world.schedule.poll_timeout() {
        None => assert!(is_never, "{outcome:?}"),
        Some(next) => {
            assert!(next > now, "a storm: {outcome:?}");
            let floor = world.schedule.config.interval_floor;
            let longest = config::MAX_INTERVAL.max(floor).max(world.schedule.config.max_backoff);
            assert!(next - now <= longest, "{:?} after {outcome:?}", next - now);
            let backs_off = outcome.is_err_and(|failure| failure.retry_in().is_none());
            assert!(backs_off || next - now >= floor, "{:?} after {outcome:?}", next - now);
            world.now = next;
        }
    }
}

proptest! {
    /// H-13, H-15, H-16
    #[test]
    fn no_number_of_an_http_response_leads_beyond_the_bounds(
        responses in prop::collection::vec(prop::collection::vec(value(), 8), 1..6),
    ) {
        let mut world = World::new(&["a"], default);
        for values in responses {
            let [interval, min, complete, incomplete, downloaded, retry, flag, _] = &values[..] else {
                unreachable!("eight of them");
            };
            let body = format!(
                "d8:complete{complete}10:downloaded{downloaded}10:incomplete{incomplete}\
                 8:interval{interval}12:min interval{min}5:peers0:e"
            );
            let refusal = format!("d14:failure reason2:no8:retry in{retry}e");
            let body = if flag.len() % 3 == 0 { refusal } else { body };
            match http::read_announce(body.as_bytes()) {
                Ok(response) => tell(&mut world, Ok(&response)),
                Err(http::ResponseError::Refused(refusal)) => {
                    tell(&mut world, Err(&Failure::Refused(refusal)));
                }
                Err(error) => tell(&mut world, Err(&Failure::Failed(error.to_string()))),
            }
            let scrape = format!(
                "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:complete{complete}10:downloaded{downloaded}\
                 10:incomplete{incomplete}ee5:flagsd20:min_request_interval{interval}eee"
            );
            let _ = http::read_scrape(scrape.as_bytes());
        }
    }

    /// U-26
    #[test]
    fn no_number_of_a_udp_reply_leads_beyond_the_bounds(
        replies in prop::collection::vec((any::<i32>(), any::<u32>(), any::<u32>()), 1..6),
    ) {
        let mut world = World::new(&["a"], default);
        for (interval, leechers, seeders) in replies {
            let response = over_udp(world.now, interval, leechers, seeders);
            tell(&mut world, Ok(&response));
        }
    }

    /// Nor do the settings of the caller, which may be numbers of a user.
    #[test]
    fn no_setting_leads_beyond_the_end_of_time(
        times in prop::collection::vec(seconds(), 7),
        told in prop::collection::vec((any::<Option<u64>>(), any::<Option<u64>>()), 1..5),
        fails in any::<bool>(),
    ) {
        let mut world = World::new(&["ab", "c"], |config| {
            config.interval_floor(times[0]).shortage_floor(times[1]).backoff(times[2], times[3]);
            config.stop_timeout(times[4]).overtake_after(times[5]).outcome_timeout(times[6]);
        });
        for (interval, min_interval) in told {
            let Some(announce) = world.poll() else { break };
            if fails {
                let retry_in = interval.map(|after| RetryIn::After(Duration::from_secs(after)));
                world.refuse(announce.id, &Failure::Refused(Refusal { reason: "no".into(), retry_in }));
            } else {
                let response = AnnounceResponse {
                    interval: interval.map(Duration::from_secs),
                    min_interval: min_interval.map(Duration::from_secs),
                    ..AnnounceResponse::default()
                };
                world.answer(announce.id, &response);
            }
            world.schedule.request_more_peers(world.now);
            let two_years = Duration::from_secs(2 * 365 * 86_400);
            let next = world.schedule.poll_timeout().unwrap();
            prop_assert!(next <= world.now + two_years);
            world.now = world.now.max(next);
        }
        world.schedule.stop(world.now);
        let _ = (world.poll(), world.schedule.poll_timeout());
    }
}

#[test]
fn answers_failures_and_peers_are_counted_for_each_tracker() {
    let mut world = World::new(&["ab"], default);
    world.run(0, "a");
    world.at(1800);
    for announce in world.poll_all() {
        let address = ([192, 0, 2, 1], 1).into();
        let peers = vec![crate::Peer { address, id: None }; 3];
        world.answer(announce.id, &AnnounceResponse { peers, ..every(1800) });
    }
    let totals = world.schedule.trackers().map(|tracker| {
        let totals = tracker.totals;
        (tracker.url.host().to_owned(), totals.answers, totals.failures, totals.peers)
    });
    let totals: Vec<_> = totals.collect();
    assert_eq!(totals, [("a".to_owned(), 0, 1, 0), ("b".to_owned(), 2, 0, 3)]);
}
