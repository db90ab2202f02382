use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::cubic::Cubic;
use super::receiver::Ack;

/// The sending end: packets by number, which are lost if three that were sent later have come, the last of them at least
/// three sendings later, or with a timeout.
#[derive(Debug)]
pub(in super::super) struct Sender {
    cubic: Cubic,
    /// Packets from the first on that is not acknowledged.
    packets: VecDeque<Packet>,
    first: u64,
    lost: BTreeSet<u64>,
    /// Sendings in their order that may still be found lost.
    order: VecDeque<Sending>,
    sendings: u64,
    in_flight: usize,
    /// The last sending of those that have come, and the first after the last cut.
    newest: u64,
    cut_before: u64,
    timer: Timer,
    cuts: u64,
}

/// A packet: its last sending, whether there was one before, and whether it has come.
#[derive(Clone, Copy, Debug)]
struct Packet {
    sending: u64,
    sent: Duration,
    is_again: bool,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InFlight,
    Lost,
    Arrived,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    order: u64,
    number: u64,
}

impl Sender {
    pub(super) fn new(at: Duration) -> Self {
        Self {
            cubic: Cubic::new(),
            packets: VecDeque::new(),
            first: 0,
            lost: BTreeSet::new(),
            order: VecDeque::new(),
            sendings: 0,
            in_flight: 0,
            newest: 0,
            cut_before: 0,
            timer: Timer::new(at),
            cuts: 0,
        }
    }

    pub(super) fn window(&self) -> f64 {
        self.cubic.window()
    }

    pub(super) fn cuts(&self) -> u64 {
        self.cuts
    }

    pub(super) fn timeouts(&self) -> u64 {
        self.timer.timeouts
    }

    /// The number of a packet that is sent now; none if the window is full.
    pub(in super::super) fn send(&mut self, at: Duration) -> Option<u64> {
        if self.in_flight as f64 + 1.0 > self.cubic.window().max(1.0) {
            return None;
        }
        self.sendings += 1;
        self.in_flight += 1;
        let packet =
            Packet { sending: self.sendings, sent: at, is_again: false, fate: Fate::InFlight };
        let number = if let Some(number) = self.lost.pop_first() {
            self.packets[(number - self.first) as usize] = Packet { is_again: true, ..packet };
            number
        } else {
            self.packets.push_back(packet);
            self.first + self.packets.len() as u64 - 1
        };
        self.order.push_back(Sending { order: self.sendings, number });
        Some(number)
    }

    /// Takes an acknowledgement.
    pub(in super::super) fn on_ack(&mut self, at: Duration, ack: Ack) {
        let mut arrived = 0;
        for number in ack.latest {
            arrived += u32::from(self.arrive(at, number));
        }
        while self.first < ack.next && !self.packets.is_empty() {
            arrived += u32::from(self.arrive(at, self.first));
            self.packets.pop_front();
            self.first += 1;
        }
        if arrived > 0 {
            self.timer.on_progress(at);
            self.cubic.on_ack(at, self.timer.smooth, arrived.into());
            self.find_lost();
        }
    }

    /// Notes that a packet has come. False if it was known before.
    fn arrive(&mut self, at: Duration, number: u64) -> bool {
        let place = number.checked_sub(self.first).map(|place| place as usize);
        let Some(packet) = place.and_then(|place| self.packets.get_mut(place)) else {
            return false;
        };
        match packet.fate {
            Fate::Arrived => return false,
            Fate::InFlight => self.in_flight -= 1,
            Fate::Lost => _ = self.lost.remove(&number),
        }
        packet.fate = Fate::Arrived;
        self.newest = self.newest.max(packet.sending);
        if !packet.is_again {
            self.timer.add(at - packet.sent);
        }
        true
    }

    fn find_lost(&mut self) {
        let mut is_cut = false;
        while let Some(&Sending { order, number }) = self.order.front() {
            if order + DUPLICATES > self.newest {
                break;
            }
            self.order.pop_front();
            let place = number.checked_sub(self.first).map(|place| place as usize);
            let Some(packet) = place.and_then(|place| self.packets.get_mut(place)) else {
                continue;
            };
            if packet.fate == Fate::InFlight && packet.sending == order {
                packet.fate = Fate::Lost;
                self.in_flight -= 1;
                self.lost.insert(number);
                is_cut |= order > self.cut_before;
            }
        }
        if is_cut {
            self.cubic.on_loss();
            self.cut_before = self.sendings;
            self.cuts += 1;
        }
    }

    /// The time at which everything in flight counts as lost.
    pub(in super::super) fn deadline(&self) -> Duration {
        self.timer.deadline()
    }

    /// Takes everything in flight for lost if the time is over.
    pub(in super::super) fn handle_timeout(&mut self, at: Duration) {
        if at < self.deadline() {
            return;
        }
        self.timer.on_timeout(at);
        for (number, packet) in (self.first..).zip(&mut self.packets) {
            if packet.fate == Fate::InFlight {
                packet.fate = Fate::Lost;
                self.lost.insert(number);
            }
        }
        self.in_flight = 0;
        self.order.clear();
        self.cubic.on_timeout();
        self.cut_before = self.sendings;
    }
}

/// RFC 6675.
const DUPLICATES: u64 = 3;

/// The timer of RFC 6298, with the shortest time of Linux.
#[derive(Debug)]
struct Timer {
    since: Duration,
    smooth: Duration,
    variance: Duration,
    in_a_row: u32,
    timeouts: u64,
}

impl Timer {
    fn new(at: Duration) -> Self {
        Self {
            since: at,
            smooth: Duration::ZERO,
            variance: FIRST_TIMEOUT / 4,
            in_a_row: 0,
            timeouts: 0,
        }
    }

    fn add(&mut self, sample: Duration) {
        if self.smooth.is_zero() {
            (self.smooth, self.variance) = (sample, sample / 2);
        }
        self.variance = self.variance * 3 / 4 + self.smooth.abs_diff(sample) / 4;
        self.smooth = self.smooth * 7 / 8 + sample / 8;
    }

    fn on_progress(&mut self, at: Duration) {
        (self.since, self.in_a_row) = (at, 0);
    }

    fn on_timeout(&mut self, at: Duration) {
        self.since = at;
        self.in_a_row = (self.in_a_row + 1).min(8);
        self.timeouts += 1;
    }

    fn deadline(&self) -> Duration {
        let timeout = (self.smooth + self.variance * 4).max(LEAST_TIMEOUT);
        self.since + timeout * (1 << self.in_a_row)
    }
}

const FIRST_TIMEOUT: Duration = Duration::from_secs(1);
const LEAST_TIMEOUT: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn send_all(sender: &mut Sender, at: Duration) -> Vec<u64> {
        std::iter::from_fn(|| sender.send(at)).collect()
    }

    fn ack(next: u64, latest: u64) -> Ack {
        Ack { next, latest: [latest; 3] }
    }

    #[test]
    fn a_packet_is_sent_again_after_three_others_and_costs_one_cut() {
        let mut sender = Sender::new(ms(0));
        assert_eq!(send_all(&mut sender, ms(0)), (0..10).collect::<Vec<_>>());
        for number in [2, 3] {
            sender.on_ack(ms(50), ack(0, number));
        }
        // The first, and the second of one round, which the window has no room for.
        assert_eq!((sender.cuts(), sender.lost.len(), sender.window()), (1, 1, 0.7 * 12.0));
        sender.on_ack(ms(51), ack(0, 4));
        assert_eq!((sender.cuts(), sender.lost.len()), (1, 2));
        let again = send_all(&mut sender, ms(51));
        assert_eq!(again, [0, 1, 10]);
        // The second sending of the first packet is lost as well.
        sender.on_ack(ms(101), ack(0, 10));
        assert_eq!((sender.cuts(), sender.lost.contains(&0)), (1, false));
        let behind = send_all(&mut sender, ms(101));
        sender.on_ack(ms(151), ack(0, behind[behind.len() - 1]));
        assert_eq!((sender.cuts(), sender.lost.contains(&0)), (2, true));
    }

    #[test]
    fn a_timeout_takes_all_for_lost_and_doubles() {
        let mut sender = Sender::new(ms(0));
        send_all(&mut sender, ms(0));
        assert_eq!(sender.deadline(), ms(1_000));
        sender.handle_timeout(ms(999));
        assert_eq!(sender.timeouts(), 0);
        sender.handle_timeout(ms(1_000));
        assert_eq!((sender.deadline(), send_all(&mut sender, ms(1_000))), (ms(3_000), vec![0]));
        sender.on_ack(ms(1_050), ack(1, 0));
        assert_eq!(send_all(&mut sender, ms(1_050)), [1, 2]);
    }
}
