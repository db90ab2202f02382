use std::net::SocketAddr;
use std::time::Instant;

use rand::RngExt;

use super::Endpoint;
use super::outgoing::Reply;
use crate::ConnectionId;
use crate::SeqNr;
use crate::connection::{Connection, Ids};
use crate::packet::{Header, Kind, Packet};

impl Endpoint {
    /// Takes a datagram. What is no packet of uTP is counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Ok(packet) = Packet::decode(bytes) else {
            self.stats.malformed += 1;
            return;
        };
        match packet.header.kind {
            Kind::Syn => self.handle_first(now, from, &packet.header),
            Kind::Reset => self.handle_reset(now, from, &packet.header),
            Kind::Data | Kind::Fin | Kind::State => self.handle_packet(now, from, &packet),
        }
    }

    fn handle_packet(&mut self, now: Instant, from: SocketAddr, packet: &Packet<'_>) {
        let key = (from, packet.header.connection);
        let known = self.keys.get(&key).copied();
        let id = match known.map_or_else(|| self.confirm(now, key, &packet.header), Confirmed::Yes)
        {
            Confirmed::Yes(id) => id,
            Confirmed::NotNow => return,
            Confirmed::No => return self.refuse(from, &packet.header),
        };
        let moment = self.clock.moment(now);
        if let Some(connection) = self.connection(id) {
            connection.handle_packet(moment, packet);
            self.settle(now, id);
        }
    }

    /// Answers to a packet of a connection that is not there with a reset, which is no longer than the packet.
    fn refuse(&mut self, to: SocketAddr, header: &Header) {
        self.stats.strays += 1;
        let header = Header {
            kind: Kind::Reset,
            connection: header.connection,
            timestamp: 0,
            delay: 0,
            window: 0,
            seq: SeqNr::new(self.rng.random()),
            ack: header.seq,
        };
        self.reply(Reply { to, header });
    }

    /// Makes a connection of one that has begun, and whose other end names our number: its address is not forged.
    fn confirm(&mut self, now: Instant, key: (SocketAddr, u16), header: &Header) -> Confirmed {
        let Some(begun) = self.half_open.get(key, header.ack) else {
            return if self.half_open.contains(key) { Confirmed::NotNow } else { Confirmed::No };
        };
        if self.table.len() >= self.config.max_connections
            || self.queues.accepted.len() >= self.config.backlog
        {
            self.stats.refused += 1;
            return Confirmed::NotNow;
        }
        self.half_open.remove(key);
        let (to, receive) = key;
        let ids = Ids { receive, send: receive.wrapping_sub(1) };
        let id =
            self.insert(Connection::accept(now, to, ids, begun.ours, begun.theirs, &self.config));
        self.queues.accepted.push_back(id);
        Confirmed::Yes(id)
    }

    /// Answers to the first packet of a connection.
    fn handle_first(&mut self, now: Instant, from: SocketAddr, header: &Header) {
        // P-02, P-17
        let ids = Ids { receive: header.connection.wrapping_add(1), send: header.connection };
        let key = (from, ids.receive);
        let moment = self.clock.moment(now);
        let delay = moment.micros.wrapping_sub(header.timestamp);
        let known = self.keys.get(&key).and_then(|id| self.table.get(*id));
        let ours = if let Some(connection) = known {
            // P-35: it came before, and the answer was lost.
            if !connection.is_begun_by(header.seq) {
                return;
            }
            connection.first_unacked()
        } else if let Some(id) = self.connecting_to(from) {
            let Some(ours) = self.meet(now, id, ids, header.seq) else { return };
            ours
        } else {
            let most = self.config.max_half_open;
            // Another one for a first packet that comes again after its connection has ended: what was sent in that one
            // fits into none.
            let ours = SeqNr::new(self.rng.random());
            let Some(begun) = self.half_open.begin(now, key, ours, header.seq, most) else {
                self.stats.refused += 1;
                return;
            };
            begun.ours
        };
        let header = Header {
            kind: Kind::State,
            connection: ids.send,
            timestamp: 0,
            delay,
            window: u32::try_from(self.config.receive_buffer.min(self.budget.share()))
                .unwrap_or(u32::MAX),
            // P-04: the number of our first packet, which this one does not take.
            seq: ours,
            ack: header.seq,
        };
        self.reply(Reply { to: from, header });
    }

    fn connecting_to(&self, to: SocketAddr) -> Option<ConnectionId> {
        let id = *self.connecting.get(&to)?;
        self.table.get(id)?.is_connecting().then_some(id)
    }

    /// Both ends connect to each other, as they do to get through NATs: the connection is that of the higher id, so
    /// that both choose the same one (P-16). Returns our number for the answer if it is theirs.
    fn meet(&mut self, now: Instant, id: ConnectionId, ids: Ids, theirs: SeqNr) -> Option<SeqNr> {
        let connection = self.table.get(id)?;
        let (to, our_key) = (connection.to, connection.ids.receive);
        if ids.send <= our_key {
            return None;
        }
        let begun = self.half_open.remove((to, ids.receive)).filter(|begun| begun.theirs == theirs);
        let ours = begun.map_or_else(|| SeqNr::new(self.rng.random()), |begun| begun.ours);
        self.table.get_mut(id)?.turn(ids, ours, theirs);
        self.keys.remove(&(to, our_key));
        self.keys.insert((to, ids.receive), id);
        self.connecting.remove(&to);
        self.settle(now, id);
        Some(ours)
    }

    /// Ends a connection whose other end does not know it, by the id in packets either way: who has no connection
    /// sends back what he got (P-12).
    fn handle_reset(&mut self, now: Instant, from: SocketAddr, header: &Header) {
        let id = header.connection;
        for receive in [id, id.wrapping_sub(1), id.wrapping_add(1)] {
            let Some(&found) = self.keys.get(&(from, receive)) else { continue };
            let Some(connection) = self.table.get_mut(found) else { continue };
            if receive == id || connection.ids.send == id {
                connection.handle_reset(header.ack);
                self.settle(now, found);
            }
        }
    }
}

/// The standing of a packet's connection that is not in the table.
enum Confirmed {
    /// It is now.
    Yes(ConnectionId),
    /// It has begun, and the packet does not make it one.
    NotNow,
    /// Nobody knows of it.
    No,
}
