//! Metadata from several peers, some of which lie, stall or disagree (BEP 9).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tinytorrent_wire::metadata::{AssemblyConfig, BLOCK_LENGTH, DataOutcome, MetadataAssembly};

type Assembly = MetadataAssembly<u32>;

const BLOCK: usize = BLOCK_LENGTH as usize;

fn info(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

fn block_of(info: &[u8], block: u32) -> &[u8] {
    let begin = block as usize * BLOCK;
    &info[begin..info.len().min(begin + BLOCK)]
}

/// The tests' only clock: it stands still unless moved.
fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the first one")]
    Instant::now()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn requests(assembly: &mut Assembly, now: Instant) -> Vec<(u32, u32)> {
    std::iter::from_fn(|| assembly.poll_request(now)).collect()
}

fn verify(assembly: &mut Assembly, now: Instant, right: &[u8]) -> Vec<u32> {
    let mut guilty = Vec::new();
    while let Some(complete) = assembly.poll_complete() {
        let is_right = complete.bytes == right;
        guilty.extend(assembly.handle_verdict(now, complete, is_right));
    }
    guilty
}

/// 16 KiB, the last one shorter.
#[test]
fn blocks_make_the_whole() {
    let (now, info) = (start(), info(2 * BLOCK + 5));
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, info.len() as u64).unwrap();
    while let Some((peer, block)) = assembly.poll_request(now) {
        let data = block_of(&info, block);
        let outcome = assembly.handle_data(now, peer, block, Some(info.len() as u64), data);
        assert_eq!(outcome, DataOutcome::Stored);
    }
    let complete = assembly.poll_complete().unwrap();
    assert_eq!((&complete.bytes, &complete.contributors), (&info, &vec![1]));
    assert!(!assembly.is_done());
    assert!(assembly.handle_verdict(now, complete, true).is_empty());
    assert!(assembly.is_done() && assembly.poll_timeout().is_none());
}

#[test]
fn progress_is_told_in_bytes() {
    let (now, info) = (start(), info(2 * BLOCK + 5));
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assert_eq!(assembly.progress(), None);
    for peer in [1, 2] {
        assembly.add_peer(now, peer, info.len() as u64).unwrap();
    }
    let mut here = 0;
    for (peer, block) in requests(&mut assembly, now).into_iter().rev().take(2) {
        let data = block_of(&info, block);
        assembly.handle_data(now, peer, block, None, data);
        here += data.len() as u32;
        assert_eq!(assembly.progress(), Some((here, info.len() as u32)));
    }
    assert!(here > 0);
}

#[test]
fn several_peers_are_asked_for_different_blocks() {
    let now = start();
    let mut assembly = Assembly::new(AssemblyConfig::default());
    for peer in 0..3 {
        assembly.add_peer(now, peer, 6 * u64::from(BLOCK_LENGTH)).unwrap();
    }
    let mut blocks: Vec<_> = requests(&mut assembly, now).iter().map(|(_, block)| *block).collect();
    blocks.sort_unstable();
    assert_eq!(blocks, [0, 1, 2, 3, 4, 5]);
}

/// the announced size has a limit.
#[test]
fn absurd_sizes_are_refused() {
    let now = start();
    let mut config = AssemblyConfig::default();
    config.max_size(1000);
    let mut assembly = Assembly::new(config);
    for size in [0, 1001, u64::MAX] {
        assert_eq!(assembly.add_peer(now, 1, size).unwrap_err().announced, size);
    }
    assert_eq!(requests(&mut assembly, now), []);
    assembly.add_peer(now, 1, 1000).unwrap();
    assert_eq!(requests(&mut assembly, now), [(1, 0)]);
}

///
#[test]
fn data_that_was_not_asked_for_is_ignored() {
    let (now, info) = (start(), info(BLOCK));
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, info.len() as u64).unwrap();
    assert_eq!(assembly.handle_data(now, 1, 0, None, &info), DataOutcome::Unasked);
    assert_eq!(requests(&mut assembly, now), [(1, 0)]);
    assert_eq!(assembly.handle_data(now, 2, 0, None, &info), DataOutcome::Unasked);
    assert_eq!(assembly.handle_data(now, 1, 1, None, &info), DataOutcome::Unasked);
    assert_eq!(assembly.handle_data(now, 1, 0, None, &info), DataOutcome::Stored);
    assert_eq!(assembly.handle_data(now, 1, 0, None, &info), DataOutcome::Unasked);
}

/// of another length, or of another whole.
#[test]
fn data_of_a_wrong_size_is_dropped() {
    let (now, info) = (start(), info(BLOCK + 5));
    for (block, data, total) in
        [(0, &info[1..BLOCK], None), (1, &info[..BLOCK], None), (1, &info[BLOCK..], Some(9))]
    {
        let mut assembly = Assembly::new(AssemblyConfig::default());
        assembly.add_peer(now, 1, info.len() as u64).unwrap();
        assert_eq!(requests(&mut assembly, now).len(), 2);
        let outcome = assembly.handle_data(now, 1, block, total, data);
        assert_eq!(outcome, DataOutcome::WrongSize);
        assembly.add_peer(now, 2, info.len() as u64).unwrap();
        assert!(requests(&mut assembly, now).contains(&(2, block)), "another is asked");
    }
}

/// about a minute.
#[test]
fn a_peer_that_rejects_rests_while_others_are_asked() {
    let now = start();
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, 10).unwrap();
    assert_eq!(requests(&mut assembly, now), [(1, 0)]);
    assembly.handle_reject(now, 1, 0);
    assert_eq!(requests(&mut assembly, now + seconds(59)), []);
    assembly.add_peer(now, 2, 10).unwrap();
    assert_eq!(requests(&mut assembly, now + seconds(59)), [(2, 0)]);
    assert_eq!(requests(&mut assembly, now + seconds(60)), [(1, 0)]);
}

#[test]
fn a_reject_of_nothing_changes_nothing() {
    let now = start();
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, 10).unwrap();
    assembly.handle_reject(now, 1, 0);
    assembly.handle_reject(now, 9, 0);
    assert_eq!(requests(&mut assembly, now), [(1, 0)]);
}

#[test]
fn a_silent_peer_loses_its_request_to_another() {
    let now = start();
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, 10).unwrap();
    assert_eq!(requests(&mut assembly, now), [(1, 0)]);
    let later = assembly.poll_timeout().unwrap();
    assert_eq!(later, now + seconds(10));
    assert_eq!(requests(&mut assembly, later), []);
    assembly.add_peer(later, 2, 10).unwrap();
    assert_eq!(requests(&mut assembly, later), [(2, 0)]);
}

/// A spurious wake-up changes nothing.
#[test]
fn asking_again_gives_nothing_new() {
    let now = start();
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, 10).unwrap();
    assert_eq!(requests(&mut assembly, now).len(), 1);
    assert_eq!(requests(&mut assembly, now), []);
    assert_eq!(assembly.next_request(now + seconds(9), 1), None);
}

/// each size has its own buffer, so that a liar does not block honest peers.
#[test]
fn sizes_that_differ_do_not_mix() {
    let (now, info) = (start(), info(BLOCK + 5));
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, 7).unwrap();
    assembly.add_peer(now, 2, info.len() as u64).unwrap();
    assert_eq!(requests(&mut assembly, now), [(1, 0), (2, 0), (2, 1)]);
    assembly.handle_data(now, 1, 0, Some(7), &[0; 7]);
    assert_eq!(verify(&mut assembly, now, &info), [1]);
    for block in [0, 1] {
        assembly.handle_data(now, 2, block, None, block_of(&info, block));
    }
    assert_eq!(verify(&mut assembly, now, &info), []);
    assert!(assembly.is_done());
}

/// a peer that failed alone is proven guilty, and gets no more requests under any size.
#[test]
fn a_lone_liar_is_guilty() {
    let (now, info) = (start(), info(5));
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, 5).unwrap();
    assert_eq!(requests(&mut assembly, now), [(1, 0)]);
    assembly.handle_data(now, 1, 0, None, b"wrong");
    assert_eq!(verify(&mut assembly, now, &info), [1]);
    assembly.add_peer(now, 1, 6).unwrap();
    assert_eq!(requests(&mut assembly, now + seconds(1000)), []);
}

/// after a common failure each peer is tried alone, which finds the liar.
#[test]
fn a_liar_among_others_is_found() {
    let (now, info) = (start(), info(4 * BLOCK));
    let mut assembly = Assembly::new(AssemblyConfig::default());
    let mut guilty = Vec::new();
    for peer in 1..=3 {
        assembly.add_peer(now, peer, info.len() as u64).unwrap();
    }
    let mut rounds = 0;
    while !assembly.is_done() {
        rounds += 1;
        assert!(rounds < 10, "a liar stands in the way");
        for (peer, block) in requests(&mut assembly, now) {
            let mut data = block_of(&info, block).to_vec();
            data[0] ^= u8::from(peer == 2);
            assembly.handle_data(now, peer, block, None, &data);
        }
        guilty.extend(verify(&mut assembly, now, &info));
    }
    assert!(guilty.is_empty() || guilty == [2]);
}

#[test]
fn a_gone_peers_requests_go_to_another() {
    let now = start();
    let mut assembly = Assembly::new(AssemblyConfig::default());
    assembly.add_peer(now, 1, 10).unwrap();
    assert_eq!(requests(&mut assembly, now), [(1, 0)]);
    assembly.remove_peer(1);
    assembly.remove_peer(1);
    assembly.add_peer(now, 2, 10).unwrap();
    assert_eq!(requests(&mut assembly, now), [(2, 0)]);
}

/// a peer that announces a size and is silent keeps its place for one timeout only.
#[test]
fn silence_keeps_no_place() {
    let now = start();
    let mut config = AssemblyConfig::default();
    config.max_size(10).memory(10);
    let mut assembly = Assembly::new(config);
    assembly.add_peer(now, 1, 7).unwrap();
    assembly.add_peer(now, 2, 8).unwrap();
    assert_eq!(requests(&mut assembly, now), [(1, 0)]);
    assert_eq!(requests(&mut assembly, now + seconds(10)), [(2, 0)]);
}

/// An assembly with room for two attempts at 100 blocks, and peers that announce such sizes and send a block
/// each, now and then.
fn crowded(now: Instant, peers: u32) -> Assembly {
    let size = 100 * BLOCK_LENGTH;
    let mut config = AssemblyConfig::default();
    config.max_size(2 * size).memory(2 * u64::from(size));
    let mut assembly = Assembly::new(config);
    for peer in 0..peers {
        assembly.add_peer(now, peer, u64::from(size - peer)).unwrap();
    }
    assembly
}

/// sixteen liars that name sixteen sizes do not keep out the one that is right, though each sends
/// something now and then.
#[test]
fn a_size_of_its_own_keeps_no_place_for_long() {
    let (start, info, honest) = (start(), info(3 * BLOCK), 99);
    let mut assembly = crowded(start, 16);
    let mut now = start;
    // It has a size that is right, and no smaller than theirs.
    let size = u64::from(100 * BLOCK_LENGTH);
    let large: Vec<u8> = info.iter().copied().cycle().take(size as usize).collect();
    assembly.add_peer(now, honest, size).unwrap();
    while !assembly.is_done() {
        for (peer, block) in requests(&mut assembly, now) {
            let data = block_of(&large, block);
            if peer == honest {
                assembly.handle_data(now, peer, block, None, data);
            } else if (now - start).as_secs().is_multiple_of(5) {
                assembly.handle_data(now, peer, block, None, &vec![1; data.len()]);
            }
        }
        verify(&mut assembly, now, &large);
        now += seconds(1);
        assert!(now < start + seconds(300), "it is starved");
    }
}

/// The size that most peers announce comes first, and of equals the smaller one.
#[test]
fn the_size_that_most_announce_comes_first() {
    let now = start();
    let mut assembly = crowded(now, 16);
    requests(&mut assembly, now);
    let size = u64::from(100 * BLOCK_LENGTH);
    for peer in [90, 91] {
        assembly.add_peer(now, peer, size).unwrap();
    }
    let asked = requests(&mut assembly, now);
    assert!([90, 91].iter().all(|peer| asked.iter().any(|(asked, _)| asked == peer)), "{asked:?}");
}

/// What all attempts come to has a limit, whatever is announced and sent.
#[test]
fn memory_has_a_limit() {
    let mut now = start();
    let mut assembly = crowded(now, 60);
    let mut sent = 0_u64;
    for _ in 0..100 {
        now += seconds(1);
        for (peer, block) in requests(&mut assembly, now) {
            let length = (100 * BLOCK_LENGTH - peer - block * BLOCK_LENGTH).min(BLOCK_LENGTH);
            sent += u64::from(length);
            assembly.handle_data(now, peer, block, None, &vec![1; length as usize]);
        }
        assert!(
            assembly.held_bytes() <= 200 * u64::from(BLOCK_LENGTH),
            "{}",
            assembly.held_bytes()
        );
        verify(&mut assembly, now, &[]);
    }
    assert!(sent > 500 * u64::from(BLOCK_LENGTH), "{sent}");
}

/// Memory may be taken away and given back: what does not fit is dropped, and asked for once more.
#[test]
fn an_assembly_makes_do_with_the_memory_that_it_has() {
    let (mut now, info) = (start(), info(2 * BLOCK));
    let mut config = AssemblyConfig::default();
    config.memory(0);
    let mut assembly = Assembly::new(config);
    let (small, large) = (info.len() as u64, 10 * u64::from(BLOCK_LENGTH));
    assembly.add_peer(now, 1, small).unwrap();
    assembly.add_peer(now, 2, large).unwrap();
    assembly.add_peer(now, 3, large).unwrap();
    assert_eq!(requests(&mut assembly, now), [], "there is room for nothing");
    let demand = assembly.demand();
    assert_eq!((demand.used, demand.least, demand.most), (0, large, large + small));
    assembly.set_memory(large + small);
    assert_eq!(requests(&mut assembly, now).len(), 6);
    assembly.handle_data(now, 1, 0, None, block_of(&info, 0));
    assert_eq!(assembly.demand().used, large + small);
    assembly.set_memory(small);
    assert_eq!(assembly.demand().used, 0, "what most peers announce was to stay, and is too long");
    assert_eq!(assembly.held_bytes(), 0);
    assembly.set_memory(large);
    let asked = requests(&mut assembly, now);
    assert!([2, 3].iter().all(|peer| asked.iter().any(|(asked, _)| asked == peer)), "{asked:?}");
    assert_eq!(assembly.demand().used, large, "the other one had to make way");
    now += seconds(60);
    [2, 3].into_iter().for_each(|peer| assembly.remove_peer(peer));
    for (peer, block) in requests(&mut assembly, now) {
        assert_eq!(assembly.demand().stored, u64::from(BLOCK_LENGTH) * (1 + u64::from(block)));
        assembly.handle_data(now, peer, block, None, block_of(&info, block));
    }
    // What waits for its check stays, whatever the memory is.
    assembly.set_memory(0);
    assert_eq!((assembly.demand().used, assembly.demand().checking), (small, small));
    verify(&mut assembly, now, &info);
    assert!(assembly.is_done());
    assert_eq!(assembly.demand(), tinytorrent_wire::metadata::Demand::default());
}

proptest! {
    /// The metadata comes in from an honest peer, whatever the liars do.
    #[test]
    fn one_honest_peer_is_enough(
        blocks in 1..6_usize,
        extra in 1..100_usize,
        liars in proptest::collection::vec(0..5_u8, 0..6),
        honest in 0..6_usize,
        choices in proptest::collection::vec(any::<u8>(), 500),
    ) {
        let info = info(blocks * BLOCK - extra);
        let mut kinds: Vec<Option<u8>> = liars.into_iter().map(Some).collect();
        kinds.insert(honest.min(kinds.len()), None);
        let mut now = start();
        let mut assembly = Assembly::new(AssemblyConfig::default());
        for (peer, kind) in (0..).zip(&kinds) {
            // Kind 4 lies about the size.
            let size = info.len() + usize::from(*kind == Some(4)) * (1 + peer as usize % 2);
            assembly.add_peer(now, peer, size as u64).unwrap();
        }
        let mut queue: VecDeque<(u32, u32)> = VecDeque::new();
        for choice in choices {
            queue.extend(requests(&mut assembly, now));
            let Some((peer, block)) = queue.remove(choice as usize % queue.len().max(1)) else {
                now = assembly.poll_timeout().map_or(now, |at| at.max(now));
                continue;
            };
            let begin = block as usize * BLOCK;
            match kinds[peer as usize] {
                None => {
                    let data = block_of(&info, block);
                    assembly.handle_data(now, peer, block, Some(info.len() as u64), data);
                }
                Some(0) => {} // silent
                Some(1) => assembly.handle_reject(now, peer, block),
                Some(2) => {
                    // wrong bytes
                    let wrong = vec![choice; info.len().min(begin + BLOCK) - begin];
                    assembly.handle_data(now, peer, block, None, &wrong);
                }
                Some(3) => {
                    assembly.handle_data(now, peer, block, None, &[0; 3]);
                }
                Some(_) => {
                    let end = (info.len() + 1 + peer as usize % 2).min(begin + BLOCK);
                    let wrong = vec![choice; end - begin];
                    assembly.handle_data(now, peer, block, None, &wrong);
                }
            }
            let guilty = verify(&mut assembly, now, &info);
            prop_assert!(!guilty.contains(&(honest.min(kinds.len() - 1) as u32)));
            if assembly.is_done() {
                break;
            }
        }
        prop_assert!(assembly.is_done(), "{:?}", assembly);
    }
}

/// a peer that announces one size after another, and sends a block of each, holds no place.
#[test]
fn sizes_that_nobody_names_any_more_make_way() {
    let (mut now, info) = (start(), info(BLOCK + 7));
    let mut config = AssemblyConfig::default();
    config.max_size(20 * BLOCK_LENGTH).memory(22 * u64::from(BLOCK_LENGTH));
    let mut assembly = Assembly::new(config);
    for blocks in 2..20 {
        now += seconds(1);
        let size = blocks * u64::from(BLOCK_LENGTH);
        assembly.add_peer(now, 66, size).unwrap();
        let asked = assembly.next_request(now, 66).expect("there is room for the size it names");
        assembly.handle_data(now, 66, asked, Some(size), &vec![0; BLOCK]);
    }
    assembly.add_peer(now, 1, info.len() as u64).unwrap();
    while let Some(block) = assembly.next_request(now, 1) {
        assembly.handle_data(now, 1, block, Some(info.len() as u64), block_of(&info, block));
    }
    verify(&mut assembly, now, &info);
    assert!(assembly.is_done());
}

/// peers that take requests and say nothing stand in nobody's way, however many they are, and however little
/// memory there is.
#[test]
fn silent_peers_do_not_keep_the_one_that_answers_from_being_asked() {
    const HONEST: u32 = 1_000;
    for silent in [3, 9, 60] {
        let (mut now, info) = (start(), info(2 * BLOCK + 100));
        let begin = now;
        let mut config = AssemblyConfig::default();
        // No room for both sizes that are named.
        config.max_size(5 * BLOCK_LENGTH).memory(7 * u64::from(BLOCK_LENGTH));
        let mut assembly = Assembly::new(config);
        for peer in 0..silent {
            assembly.add_peer(now, peer, info.len() as u64).unwrap();
        }
        assembly.add_peer(now, silent, 5 * u64::from(BLOCK_LENGTH)).unwrap();
        assembly.add_peer(now, HONEST, info.len() as u64).unwrap();
        while !assembly.is_done() {
            let asked = requests(&mut assembly, now);
            let answered: Vec<_> = asked.iter().filter(|(peer, _)| *peer == HONEST).collect();
            for &&(peer, block) in &answered {
                assembly.handle_data(now, peer, block, None, block_of(&info, block));
            }
            verify(&mut assembly, now, &info);
            if answered.is_empty() {
                now = assembly.poll_timeout().expect("it goes on by itself").max(now);
            }
            let limit = seconds(180);
            assert!(now - begin < limit, "{silent} silent peers hold it up");
        }
    }
}
