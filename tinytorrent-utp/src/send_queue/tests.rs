#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use super::*;

const LEAST: Duration = Duration::from_millis(40);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn seq(n: u16) -> SeqNr {
    SeqNr::new(u16::MAX).plus(n)
}

/// A queue with these bytes, whose first packet has the number 0.
fn queue(bytes: &[u8]) -> SendQueue {
    let mut queue = SendQueue::new(seq(1));
    assert_eq!(queue.write(&[IoSlice::new(bytes)], 1_000), bytes.len());
    queue
}

/// Sends a new packet of up to so many bytes, and returns its payload.
fn send(queue: &mut SendQueue, now: Instant, most: usize) -> Option<String> {
    let (content, length) = queue.next_content(most)?;
    let place = queue.number(now, content, length);
    Some(send_place(queue, now, place))
}

fn send_place(queue: &mut SendQueue, now: Instant, place: usize) -> String {
    let mut buffer = [0; 100];
    let (_, _, length) = queue.send(now, place, &mut buffer);
    queue.check_invariants();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn acknowledge(queue: &mut SendQueue, now: Instant, ack: SeqNr, mask: &[u8]) -> Arrived {
    let mask = (!mask.is_empty()).then(|| SelectiveAck::new(mask));
    let arrived = queue.acknowledge(now, ack, mask, &mut Rack::default(), LEAST);
    queue.check_invariants();
    arrived
}

#[test]
fn bytes_go_out_in_order_and_are_kept_until_they_are_acknowledged() {
    let now = Instant::now();
    let mut queue = queue(b"abcdefgh");
    queue.end();
    assert_eq!(queue.write(&[IoSlice::new(b"x")], 1_000), 0);
    let sent: Vec<_> = std::iter::from_fn(|| send(&mut queue, now, 3)).collect();
    assert_eq!(sent, ["abc", "def", "gh", ""]);
    assert_eq!((queue.bytes_in_flight(), queue.packets_in_flight(), queue.unsent()), (8, 4, 0));
    let arrived = acknowledge(&mut queue, now + ms(50), seq(2), &[]);
    assert_eq!((arrived.bytes, arrived.packets, arrived.round_trip), (6, 2, Some(ms(50))));
    assert_eq!((queue.len(), queue.acked(), queue.is_done()), (2, seq(2), false));
    acknowledge(&mut queue, now + ms(50), seq(4), &[]);
    assert!(queue.is_done() && queue.is_idle());
}

#[test]
fn a_packet_beyond_a_gap_counts_once() {
    let now = Instant::now();
    let mut queue = queue(b"abcdef");
    while send(&mut queue, now, 2).is_some() {}
    // Bits beyond what was sent mean nothing.
    assert_eq!(acknowledge(&mut queue, now, seq(0), &[0xff; 4]).bytes, 4);
    assert_eq!(acknowledge(&mut queue, now, seq(0), &[0xff; 4]).bytes, 0);
    assert_eq!(acknowledge(&mut queue, now, seq(3), &[]).bytes, 2);
    assert!(queue.is_idle());
}

/// P-39
#[test]
fn one_small_packet_is_in_flight() {
    let now = Instant::now();
    let mut queue = queue(b"ab");
    assert_eq!(send(&mut queue, now, 10).as_deref(), Some("ab"));
    queue.write(&[IoSlice::new(b"cd")], 1_000);
    assert_eq!(send(&mut queue, now, 10), None);
    queue.write(&[IoSlice::new(b"efghijklmn")], 1_000);
    assert_eq!(send(&mut queue, now, 10).as_deref(), Some("cdefghijkl"));
    acknowledge(&mut queue, now, seq(1), &[]);
    assert_eq!(send(&mut queue, now, 10).as_deref(), Some("mn"));
}

/// P-32
#[test]
fn only_packets_that_were_sent_once_give_a_round_trip() {
    let now = Instant::now();
    let mut queue = queue(b"abcd");
    while send(&mut queue, now, 2).is_some() {}
    assert_eq!(queue.lose_all().newest, Some(now));
    assert_eq!(queue.first_lost(), Some((0, 2)));
    assert_eq!(send_place(&mut queue, now + ms(500), 0), "ab");
    let arrived = acknowledge(&mut queue, now + ms(550), seq(1), &[]);
    assert_eq!((arrived.round_trip, arrived.is_spurious), (None, false));
    // This one was not sent again, so that it was late, and not lost.
    let arrived = acknowledge(&mut queue, now + ms(551), seq(2), &[]);
    assert_eq!((arrived.round_trip, arrived.is_spurious), (Some(ms(551)), true));
}

/// P-22
#[test]
fn a_lost_probe_is_sent_again_as_it_is() {
    let now = Instant::now();
    let mut queue = queue(b"abcdef");
    let place = queue.number(now, Content::Probe, 4);
    send_place(&mut queue, now, place);
    assert!(queue.has_probe());
    let losses = queue.lose_last(Content::Probe);
    assert_eq!((losses.newest, losses.probe), (None, Some(4)));
    assert_eq!(send_place(&mut queue, now, place), "abcd");
    assert!(!queue.has_probe(), "routers may cut it");
    assert_eq!(acknowledge(&mut queue, now, seq(1), &[]).probe, None);
}

/// P-21
#[test]
fn the_first_packet_is_taken_for_lost_once() {
    let now = Instant::now();
    let mut queue = queue(b"abcd");
    while send(&mut queue, now, 2).is_some() {}
    assert_eq!(queue.lose_first().newest, Some(now));
    assert_eq!(send_place(&mut queue, now + ms(1), 0), "ab");
    assert_eq!(queue.lose_first(), Losses::default());
}

/// P-07
#[test]
fn an_empty_mask_has_all_overtaken_of_which_it_tells() {
    let now = Instant::now();
    let mut queue = queue(&[7; 40]);
    let mut rack = Rack::default();
    while send(&mut queue, now, 1).is_some() {}
    // Something behind the 33 packets that the mask says are missing has come.
    let mask = Some(SelectiveAck::new(&[0; 4]));
    let arrived = queue.acknowledge(now + ms(40), seq(0), mask, &mut rack, LEAST);
    assert_eq!(arrived, Arrived::default());
    queue.find_lost(now + ms(40), &rack, ms(10));
    queue.find_lost(now + ms(50), &rack, ms(10));
    assert_eq!((queue.packets.flight().lost, queue.packets_in_flight()), (33, 7));
    // One that reaches beyond all that was sent tells nothing.
    let mask = Some(SelectiveAck::new(&[0; 32]));
    queue.acknowledge(now + ms(60), seq(0), mask, &mut rack, LEAST);
    assert_eq!(queue.find_lost(now + ms(90), &rack, ms(10)).newest, None);
    queue.check_invariants();
}

#[test]
fn a_packet_is_lost_a_while_after_it_was_overtaken() {
    let now = Instant::now();
    let (mut queue, mut rack) = (queue(b"abcdef"), Rack::default());
    while send(&mut queue, now, 2).is_some() {}
    queue.acknowledge(now + ms(40), seq(0), Some(SelectiveAck::new(&[1])), &mut rack, LEAST);
    let losses = queue.find_lost(now + ms(40), &rack, ms(10));
    assert_eq!((losses.newest, losses.next_at), (None, Some(now + ms(50))));
    let losses = queue.find_lost(now + ms(50), &rack, ms(10));
    assert_eq!((losses.newest, losses.next_at), (Some(now), None));
    queue.check_invariants();
}

/// P-07
#[test]
fn a_packet_beyond_the_mask_is_not_lost_though_one_that_was_sent_again_has_come() {
    let now = Instant::now();
    let mut queue = queue(&[7; 40]);
    let mut rack = Rack::default();
    while send(&mut queue, now, 1).is_some() {}
    // All but the first and the third have come, and the mask tells of 32.
    let mask = |first| [first, 0xff, 0xff, 0xff];
    let mut hear = |queue: &mut SendQueue, after, ack, first| {
        let mask = mask(first);
        let mask = Some(SelectiveAck::new(&mask));
        queue.acknowledge(now + ms(after), seq(ack), mask, &mut rack, LEAST);
        queue.find_lost(now + ms(after), &rack, ms(0));
        queue.check_invariants();
    };
    hear(&mut queue, 40, 0, 0b1111_1101);
    assert_eq!(queue.packets.flight().lost, 2);
    for place in [0, 2] {
        send_place(&mut queue, now + ms(40), place);
    }
    // The first one, which was sent after all others but the third.
    hear(&mut queue, 80, 2, 0b1111_1111);
    assert_eq!((queue.packets.flight().lost, queue.packets_in_flight()), (0, 6));
}
