use std::time::{Duration, Instant};

use super::pacer::{Pacer, Rate};
use crate::delays::Delays;
use crate::ledbat::{Ledbat, Progress};
use crate::rack::Rack;
use crate::round_trips::RoundTrips;
use crate::send_queue::{Arrived, Losses, SendQueue};

/// The times and amounts of what a connection sends: round trips, delays, the window, lost packets and their timers.
#[derive(Debug)]
pub(super) struct Pace {
    trips: RoundTrips,
    /// Delays of our packets, as the other end measures them.
    ours: Delays,
    /// Delays of the packets of the other end.
    theirs: Delays,
    ledbat: Ledbat,
    rack: Rack,
    pacer: Pacer,
    timers: Timers,
    /// True if the window kept packets from being sent of late.
    is_limited: bool,
    /// Bytes in flight behind the last packet that was sent.
    filled: usize,
}

#[derive(Debug)]
struct Timers {
    /// The last acknowledgement of something, or the first packet in flight after none was.
    progress: Instant,
    /// The last valid packet from the other end.
    heard: Instant,
    sent: Instant,
    /// Timeouts since the last progress.
    timeouts: u32,
    /// Timeouts since the other end was heard.
    unheard: u32,
    /// Questions since the last progress.
    questions: u32,
    lost_at: Option<Instant>,
}

/// The wish of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing, for now.
    Nothing,
    /// A packet that asks for an acknowledgement (RFC 8985, section 7: tail loss probe).
    Question,
    /// A look for lost packets.
    Losses,
    /// All in flight counts as lost, or a packet has to ask for room.
    Timeout,
    /// The other end does not answer any more.
    GivenUp,
}

impl Pace {
    pub(super) fn new(now: Instant, packet: usize) -> Self {
        Self {
            trips: RoundTrips::default(),
            ours: Delays::new(now),
            theirs: Delays::new(now),
            ledbat: Ledbat::new(packet),
            rack: Rack::default(),
            pacer: Pacer::new(now),
            timers: Timers {
                progress: now,
                heard: now,
                sent: now,
                timeouts: 0,
                unheard: 0,
                questions: 0,
                lost_at: None,
            },
            is_limited: false,
            filled: 0,
        }
    }

    pub(super) fn window(&self) -> usize {
        self.ledbat.window()
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.trips.smooth()
    }

    /// Time in queues, which is never longer than a round trip (P-27).
    pub(super) fn queued(&self) -> Option<Duration> {
        let queued = self.ours.queued()?;
        Some(self.trips.smooth().map_or(queued, |smooth| queued.min(smooth)))
    }

    pub(super) fn heard_at(&self) -> Instant {
        self.timers.heard
    }

    pub(super) fn progress_at(&self) -> Instant {
        self.timers.progress
    }

    /// Forgets the timeouts of an attempt to connect.
    pub(super) fn restart(&mut self) {
        (self.timers.timeouts, self.timers.unheard) = (0, 0);
    }

    /// The other end has answered to our first packet, which was sent once or more often.
    pub(super) fn on_answer(&mut self, now: Instant) {
        if self.timers.timeouts == 0 {
            self.trips.add(now.saturating_duration_since(self.timers.sent));
        }
        self.timers.progress = now;
        self.restart();
    }

    /// Takes the delays of a packet: of its own way by our clock, and of ours as its sender measured it.
    pub(super) fn on_packet(&mut self, now: Instant, theirs: Option<u32>, ours: u32) {
        self.timers.heard = now;
        self.timers.unheard = 0;
        if let Some(theirs) = theirs {
            let fall = self.theirs.add(now, theirs);
            if fall > 0 {
                self.ours.raise_base(fall);
            }
        }
        // P-26: the second is what old clients of uTorrent send for none.
        if ours != 0 && ours != i32::MAX as u32 {
            self.ours.add(now, ours);
        }
    }

    /// Has the queue take an acknowledgement by `take`, and goes by it.
    pub(super) fn on_ack(
        &mut self,
        now: Instant,
        packet: usize,
        take: impl FnOnce(&mut Rack, Duration) -> Arrived,
    ) -> Arrived {
        let arrived = take(&mut self.rack, self.trips.least());
        if arrived.packets == 0 {
            return arrived;
        }
        if let Some(sample) = arrived.round_trip {
            self.trips.add(sample);
        }
        self.timers.progress = now;
        (self.timers.timeouts, self.timers.questions) = (0, 0);
        if arrived.is_spurious {
            self.rack.on_spurious();
            self.ledbat.on_spurious_loss();
        }
        let progress = Progress {
            bytes: arrived.bytes,
            queued: self.queued(),
            round_trip: self.trips.smooth().unwrap_or(FIRST_ROUND_TRIP),
            least: self.trips.least(),
            // A host that sends less than it might fills a part of the window.
            is_limited: self.is_limited && self.filled >= self.ledbat.window() / 2,
            packet,
        };
        self.ledbat.on_progress(now, progress);
        arrived
    }

    /// Looks for lost packets, and cuts the window for them. Returns the payload of a probe that was lost.
    pub(super) fn find_lost(&mut self, now: Instant, send: &mut SendQueue) -> Option<usize> {
        let smooth = self.trips.smooth().unwrap_or(FIRST_ROUND_TRIP);
        let patience = self.rack.patience(self.trips.least(), smooth);
        let losses = send.find_lost(now, &self.rack, patience);
        self.timers.lost_at = losses.next_at;
        self.on_losses(now, losses)
    }

    /// Cuts the window for lost packets.
    pub(super) fn on_losses(&mut self, now: Instant, losses: Losses) -> Option<usize> {
        if let Some(sent) = losses.newest {
            let smooth = self.trips.smooth().unwrap_or(FIRST_ROUND_TRIP);
            self.ledbat.on_loss(now, sent, self.queued(), smooth);
        }
        losses.probe
    }

    /// True if the window and the pace let a packet of so many bytes be sent now.
    pub(super) fn allows(
        &mut self,
        now: Instant,
        send: &SendQueue,
        bytes: usize,
        packet: usize,
    ) -> bool {
        if send.packets_in_flight() == 0 {
            return true;
        }
        let is_allowed =
            send.bytes_in_flight() + bytes <= self.ledbat.window() && self.lets(now, bytes, packet);
        self.is_limited |= !is_allowed;
        is_allowed
    }

    /// True if the pace, which goes by the window, lets a packet of so many bytes be sent now.
    pub(super) fn lets(&mut self, now: Instant, bytes: usize, packet: usize) -> bool {
        self.rate(packet).is_none_or(|rate| self.pacer.allows(now, bytes, rate))
    }

    /// The rate of sending; none before the first round trip.
    fn rate(&self, packet: usize) -> Option<Rate> {
        let gain = if self.ledbat.is_slow_start() { SLOW_START_GAIN } else { GAIN };
        Some(Rate::new(self.ledbat.window(), self.trips.smooth()?, gain, packet))
    }

    /// There was nothing more to send, or no room at the other end, though the window had some (P-30).
    pub(super) fn on_unlimited(&mut self) {
        self.is_limited = false;
    }

    /// A packet of so many bytes is sent that has to be acknowledged, `flight` bytes being in flight with it.
    pub(super) fn on_sent(
        &mut self,
        now: Instant,
        is_first_in_flight: bool,
        (bytes, flight): (usize, usize),
        packet: usize,
    ) {
        self.pacer.on_sent(bytes);
        self.filled = flight;
        let timers = &mut self.timers;
        if is_first_in_flight {
            if timers.timeouts == 0 {
                let idle = now.saturating_duration_since(timers.sent);
                let timeouts = idle.as_millis() / self.trips.timeout(0).as_millis();
                if timeouts > 0 {
                    self.ledbat.on_idle(timeouts as u32, packet);
                }
            }
            timers.progress = now;
        }
        timers.sent = now;
    }

    /// The end of the timer of a connection that waits for an acknowledgement or for room.
    pub(super) fn deadline(&self, has_flight: bool) -> Instant {
        let timers = &self.timers;
        let timeout = timers.progress + self.trips.timeout(timers.timeouts);
        let question = self.question_at().filter(|_| has_flight);
        let lost = timers.lost_at.filter(|_| has_flight);
        let paced = self.pacer.next().filter(|_| has_flight);
        [question, lost, paced].into_iter().flatten().fold(timeout, Instant::min)
    }

    fn question_at(&self) -> Option<Instant> {
        let timers = &self.timers;
        if timers.timeouts > 0 || timers.questions >= MOST_QUESTIONS {
            return None;
        }
        // RFC 8985, section 7.2; the second term is for an end that waits to read a batch. The question may be lost as
        // well, and the timeout is a hundred times as long on a short path, so that it is put again, ever later.
        let pause = (self.trips.smooth()? * 2 + LATE_ACK) * (1 << timers.questions);
        Some(timers.sent.max(timers.progress) + pause)
    }

    /// The timers that are due by now.
    pub(super) fn due(
        &mut self,
        now: Instant,
        has_flight: bool,
        has_room: bool,
        most_timeouts: u32,
    ) -> Due {
        self.pacer.wake(now);
        if now >= self.timers.progress + self.trips.timeout(self.timers.timeouts) {
            self.timers.timeouts += 1;
            self.timers.unheard += 1;
            self.timers.progress = now;
            self.timers.lost_at = None;
            // An end that answers and acknowledges nothing is none; one without room may have none for long.
            let is_stuck = has_room && self.timers.timeouts > 2 * most_timeouts;
            let is_given_up = self.timers.unheard > most_timeouts || is_stuck;
            return if is_given_up { Due::GivenUp } else { Due::Timeout };
        }
        if has_flight && self.timers.lost_at.is_some_and(|at| at <= now) {
            return Due::Losses;
        }
        if has_flight && self.question_at().is_some_and(|at| at <= now) {
            self.timers.questions += 1;
            return Due::Question;
        }
        Due::Nothing
    }

    /// Begins again with one packet.
    pub(super) fn on_timeout(&mut self, now: Instant, packet: usize) {
        self.ledbat.on_timeout(now, packet);
    }
}

/// Until there was a round trip: the timeout of a first packet says the same.
const FIRST_ROUND_TRIP: Duration = Duration::from_secs(1);

/// As in RFC 9002, and Linux; in slow start the window doubles in a round trip.
const GAIN: f64 = 1.25;
const SLOW_START_GAIN: f64 = 2.0;

/// The last one has waited for 640 ms, longer than the shortest timeout.
const MOST_QUESTIONS: u32 = 7;

const LATE_ACK: Duration = Duration::from_millis(10);

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    /// P-26
    #[test]
    fn no_sample_and_that_of_old_clients_are_no_delay() {
        let now = Instant::now();
        let mut pace = Pace::new(now, 1_000);
        for none in [0, i32::MAX as u32] {
            pace.on_packet(now, None, none);
        }
        assert_eq!(pace.queued(), None);
        pace.on_packet(now, None, 5);
        assert_eq!(pace.queued(), Some(Duration::ZERO));
    }

    /// P-27
    #[test]
    fn a_queue_is_no_longer_than_a_round_trip() {
        let now = Instant::now();
        let mut pace = Pace::new(now, 1_000);
        pace.trips.add(Duration::from_millis(40));
        for sample in [1_000, 91_000, 91_000, 91_000] {
            pace.on_packet(now, None, sample);
        }
        assert_eq!(pace.queued(), Some(Duration::from_millis(40)));
    }
}
