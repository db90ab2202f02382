use std::time::Instant;

use super::{Connection, Moment, Phase};
use crate::packet::{HEADER, Header, Kind, Packet};
use crate::receive_queue::{Accepted, ReceiveQueue};
use crate::send_queue::Content;
use crate::{Failure, SeqNr};

impl Connection {
    /// Takes a packet of the connection other than a first one or a reset.
    pub(crate) fn handle_packet(&mut self, moment: Moment, packet: &Packet<'_>) {
        let header = &packet.header;
        match self.phase {
            Phase::Failed(_) => return,
            Phase::Connecting(seq) => {
                // Only the answer to the first packet tells the first number of the other end: data may be any of its
                // first packets. The answer comes again if it was lost, since ours does.
                if header.kind != Kind::State || header.ack != seq {
                    return;
                }
                self.phase = Phase::Open;
                // P-04: the number in the answer is that of the next packet.
                self.receive = ReceiveQueue::new(header.seq.minus(1), self.receive.capacity());
                self.pace.on_answer(moment.now);
                self.news.is_connected = true;
                // With an acknowledgement the other end knows that our address is not forged.
                self.link.is_due = true;
            }
            Phase::Open => {
                if !self.is_plausible(header.ack) {
                    return;
                }
            }
        }
        // A clock that shows zero is none (P-26).
        let theirs = (header.timestamp != 0).then(|| moment.micros.wrapping_sub(header.timestamp));
        self.link.delay = theirs.unwrap_or(0);
        self.pace.on_packet(moment.now, theirs, header.delay);
        self.handle_ack(moment.now, packet);
        if matches!(header.kind, Kind::Data | Kind::Fin) {
            self.handle_payload(header.seq, packet.payload, header.kind == Kind::Fin);
        }
    }

    /// True unless a packet acknowledges what was never sent, or what was acknowledged long ago (P-18).
    fn is_plausible(&self, ack: SeqNr) -> bool {
        ack.precedes(self.send.next_seq())
            && ack.since(self.send.acked()) >= -self.send.past().min(OLDEST_ACK)
    }

    fn handle_ack(&mut self, now: Instant, packet: &Packet<'_>) {
        let header = &packet.header;
        let acked = self.send.acked();
        self.count_duplicates(packet, acked);
        self.note_their_window(header, acked);
        let send = &mut self.send;
        let arrived = self.pace.on_ack(now, self.mtu.size() - HEADER, |rack, least| {
            send.acknowledge(now, header.ack, packet.selective_ack, rack, least)
        });
        if let Some(payload) = arrived.probe {
            self.mtu.on_arrived(payload + HEADER);
        }
        if arrived.packets > 0 {
            if header.ack != acked {
                self.link.duplicates = 0;
            }
            if self.send.is_done() {
                self.news.is_delivered = true;
            }
            self.notice_room();
        }
        let mut lost_probe = self.pace.find_lost(now, &mut self.send);
        if self.link.duplicates == DUPLICATES {
            // P-07, for an end that sends no masks: those are judged by time.
            self.link.duplicates += 1;
            let losses = self.send.lose_first();
            lost_probe = lost_probe.or(self.pace.on_losses(now, losses));
        }
        if let Some(payload) = lost_probe {
            self.mtu.on_lost(payload + HEADER);
        }
    }

    /// Takes the room that a packet tells of, unless it was overtaken. Of packets with one acknowledgement their time
    /// says that: behind a gap the room shrinks with each, and who sends more than there is room for may fill the last
    /// of it with what is behind, so that what is missing is refused for ever.
    fn note_their_window(&mut self, header: &Header, acked: SeqNr) {
        let was_overtaken = self.link.told_at.is_some_and(|told_at| {
            // A clock that shows zero is none.
            header.timestamp != 0 && (told_at.wrapping_sub(header.timestamp) as i32) > 0
        });
        if acked.precedes(header.ack) || (header.ack == acked && !was_overtaken) {
            self.link.their_window = header.window as usize;
            self.link.told_at = Some(header.timestamp);
        }
    }

    /// Counts acknowledgements that say nothing but that something came out of order (P-21).
    fn count_duplicates(&mut self, packet: &Packet<'_>, acked: SeqNr) {
        let header = &packet.header;
        if header.kind == Kind::State
            && header.ack == acked
            && self.send.packets_in_flight() > 0
            && packet.selective_ack.is_none()
            && header.window as usize == self.link.their_window
        {
            self.link.duplicates = self.link.duplicates.saturating_add(1);
        }
    }

    fn notice_room(&mut self) {
        let room = self.room(self.share);
        if self.user.wants_room && room >= self.send.len() / 3 {
            self.user.wants_room = false;
            self.news.is_writable = true;
        }
    }

    fn handle_payload(&mut self, seq: SeqNr, payload: &[u8], is_end: bool) {
        let accepted = self.receive.accept(seq, payload, is_end);
        // Also what is refused or was there is answered: the other end has to know our room and our number.
        self.link.is_due = true;
        if accepted == Accepted::InOrder
            && self.user.wants_bytes
            && (self.receive.len() > 0 || self.receive.is_ended())
        {
            self.user.wants_bytes = false;
            self.news.is_readable = true;
        }
    }

    /// Takes a reset that may be ours: `ack` is the number of a packet that we have sent of late (P-19).
    pub(crate) fn handle_reset(&mut self, ack: SeqNr) {
        let is_plausible = match self.phase {
            Phase::Connecting(seq) => ack == seq,
            // An acknowledgement of ours bears the next number, and is answered with it.
            Phase::Open => self.is_plausible(ack) || ack == self.send.next_seq(),
            Phase::Failed(_) => false,
        };
        if is_plausible {
            self.fail(Failure::Reset);
        }
    }

    /// The system has refused a packet as too large.
    pub(crate) fn handle_too_large(&mut self, now: Instant) {
        let Some(size) = self.mtu.probe() else { return };
        self.mtu.on_lost(size);
        let losses = self.send.lose_last(Content::Probe);
        self.pace.on_losses(now, losses);
    }
}

/// Packets of the other end that may overtake one.
const OLDEST_ACK: i32 = 1_024;

/// BEP 29, "packet loss".
const DUPLICATES: u8 = 3;
