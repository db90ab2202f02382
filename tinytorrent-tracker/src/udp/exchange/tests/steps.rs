use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Announce(u8),
    Scrape(u8, u8),
    Cancel(usize),
    Wait(u32),
    /// Answers one of the datagrams sent so far.
    Answer {
        which: usize,
        action: u8,
        from_port: u16,
        tail: Vec<u8>,
    },
    Noise(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0u8..4).prop_map(Step::Announce),
        (0u8..4, 0u8..80).prop_map(|(tracker, count)| Step::Scrape(tracker, count)),
        any::<usize>().prop_map(Step::Cancel),
        (0u32..100_000).prop_map(Step::Wait),
        (any::<usize>(), 0u8..5, 6969u16..6971, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(which, action, from_port, tail)| Step::Answer {
                which,
                action,
                from_port,
                tail
            }),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Noise),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// Whatever happens, every request ends at most once, and all end at last.
    #[test]
    fn every_request_ends_once(steps in steps()) {
        let mut world = World::new();
        let (mut open, mut sent) = (Vec::new(), Vec::new());
        let tracker = |n: u8| format!("192.0.2.{n}:6969");
        for step in steps {
            match step {
                Step::Announce(to) => open.push(world.announce(&tracker(to))),
                Step::Scrape(to, count) => {
                    let hashes = vec![WireInfoHash::from_bytes([1; 20]); usize::from(count)];
                    let to = address(&tracker(to));
                    open.push(world.exchange.start_scrape(world.now, to, &hashes));
                }
                Step::Cancel(which) if !open.is_empty() => {
                    world.exchange.cancel(open.swap_remove(which % open.len()));
                }
                Step::Wait(millis) => {
                    world.now += Duration::from_millis(millis.into());
                    world.exchange.handle_timeout(world.now);
                }
                Step::Answer { which, action, from_port, tail } if !sent.is_empty() => {
                    let asked: &Sent = &sent[which % sent.len()];
                    let mut datagram = vec![0, 0, 0, action];
                    datagram.extend(asked.transaction_id.to_be_bytes());
                    datagram.extend(tail);
                    let from = SocketAddr::new(asked.to.ip(), from_port);
                    world.exchange.handle_datagram(world.now, from, &datagram);
                }
                Step::Noise(bytes) => {
                    world.exchange.handle_datagram(world.now, address(TRACKER), &bytes);
                }
                Step::Cancel(_) | Step::Answer { .. } => {}
            }
            sent.extend(world.sent());
            while let Some((id, _)) = world.outcome() {
                let at = open.iter().position(|open| *open == id);
                prop_assert!(at.is_some(), "{id:?} ended twice, or after it was cancelled");
                open.swap_remove(at.unwrap());
            }
            prop_assert_eq!(world.exchange.pending_requests(), open.len());
        }
        let end = (world.now - world.begun).as_secs() + 3 * 7665;
        world.pass_until(end);
        while let Some((id, _)) = world.outcome() {
            open.retain(|open| *open != id);
        }
        prop_assert_eq!(open, vec![]);
        prop_assert_eq!(world.exchange.poll_timeout(), None);
    }
}
