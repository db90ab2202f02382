use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::interfaces::{Place, places};
use super::link_socket::{Heard, LinkSocket};
use super::{Changes, LsdConfig};
use crate::{Found, LinkId, Lsd};

/// The task of a node.
pub(super) struct Task {
    port_at: Box<dyn Fn(IpAddr) -> Option<u16> + Send>,
    group_port: u16,
    device: Option<String>,
    changes: Arc<Changes>,
    found: Box<dyn FnMut(Found) + Send>,
    lsd: Lsd,
    sockets: BTreeMap<LinkId, LinkSocket>,
    /// Links that have failed, and the time at which they are tried again.
    silent: Vec<(Place, Instant)>,
    next_id: u32,
}

/// Time from one look at the interfaces to the next.
const LOOK: Duration = Duration::from_secs(15);

/// Time after which a link that has failed is tried again, unless its addresses change before.
const SILENCE: Duration = Duration::from_secs(5 * 60);

/// Datagrams that wait for the machine, of all sockets.
const MOST_WAITING: usize = 64;

impl Task {
    pub(super) fn new(
        config: LsdConfig,
        changes: Arc<Changes>,
        found: Box<dyn FnMut(Found) + Send>,
    ) -> Self {
        let LsdConfig { seed, group_port, device, port_at } = config;
        let lsd = Lsd::new(Instant::now(), seed);
        Self {
            port_at,
            group_port,
            device,
            changes,
            found,
            lsd,
            sockets: BTreeMap::new(),
            silent: Vec::new(),
            next_id: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let (sender, mut heard) = mpsc::channel(MOST_WAITING);
        let mut next_look = Instant::now();
        loop {
            let now = Instant::now();
            for (hash, is_there) in self.changes.take() {
                match is_there {
                    true => self.lsd.insert(now, hash),
                    false => self.lsd.remove(now, hash),
                }
            }
            // Who has nothing to announce has no sockets.
            let is_idle = self.lsd.torrents() == 0;
            if is_idle && !self.sockets.is_empty() {
                self.sockets.clear();
                self.lsd.set_links(now, Vec::new());
                next_look = now;
            } else if !is_idle && now >= next_look {
                self.look(now, &sender);
                next_look = now + LOOK;
            }
            self.lsd.handle_timeout(now);
            self.send_all(now);
            while let Some(found) = self.lsd.poll_found() {
                (self.found)(found);
            }
            let wake = self.lsd.poll_timeout().map_or(next_look, |at| at.min(next_look));
            tokio::select! {
                () = self.changes.wake.notified() => {}
                () = sleep_until(wake.into()), if !is_idle => {}
                Some(heard) = heard.recv() => self.hear(heard),
            }
        }
    }

    /// Opens sockets for the links that are new, and closes those of links that have gone (L-09).
    fn look(&mut self, now: Instant, sender: &mpsc::Sender<Heard>) {
        let places = match places(self.device.as_deref(), &*self.port_at) {
            Ok(places) => places,
            // What is open stays so.
            Err(error) => return tracing::debug!(%error, "the interfaces are not known"),
        };
        let count = self.sockets.len();
        self.sockets.retain(|_, socket| places.contains(&socket.place));
        let mut is_changed = self.sockets.len() != count;
        self.silent.retain(|(place, until)| now < *until && places.contains(place));
        for place in places {
            let is_known = self.sockets.values().any(|socket| socket.place == place)
                || self.silent.iter().any(|(silent, _)| *silent == place);
            if is_known {
                continue;
            }
            let id = LinkId(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            match LinkSocket::open(place.clone(), id, self.group_port, sender.clone()) {
                Ok(socket) => {
                    self.sockets.insert(id, socket);
                    is_changed = true;
                }
                Err(error) => self.silence(now, place, &error),
            }
        }
        if is_changed {
            self.set_links(now);
        }
    }

    fn set_links(&mut self, now: Instant) {
        let links = self.sockets.iter().map(|(id, socket)| (*id, socket.place.link.clone()));
        self.lsd.set_links(now, links.collect());
    }

    fn send_all(&mut self, now: Instant) {
        while let Some(transmit) = self.lsd.poll_transmit() {
            let Some(socket) = self.sockets.get(&transmit.link) else { continue };
            if let Err(error) = socket.send(&transmit.datagram) {
                self.fail(now, transmit.link, &error);
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        let now = Instant::now();
        match heard {
            Heard::Datagram { link, from, bytes } => {
                if let Err(error) = self.lsd.handle_datagram(now, link, from, &bytes) {
                    tracing::trace!(%from, %error, "a datagram is no announcement");
                }
            }
            Heard::Failed { link, error } => self.fail(now, link, &error),
        }
    }

    /// Closes the socket of a link that has failed; the others go on (L-08).
    fn fail(&mut self, now: Instant, link: LinkId, error: &io::Error) {
        if let Some(socket) = self.sockets.remove(&link) {
            self.silence(now, socket.place, error);
            self.set_links(now);
        }
    }

    fn silence(&mut self, now: Instant, place: Place, error: &io::Error) {
        let (name, family) = (&place.name, place.link.family);
        tracing::debug!(interface = %name, ?family, %error, "no local discovery here for a while");
        self.silent.push((place, now + SILENCE));
    }
}
