//! Listening sockets, and incoming connections until they have named a torrent.

mod strangers;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tinytorrent_net::IpFilter;
use tinytorrent_storage::is_out_of_descriptors;
use tinytorrent_types::canonical;
use tinytorrent_utp::UtpListener;
use tinytorrent_wire::HandshakeOpening;
use tinytorrent_wire::mse::ObfuscatedHash;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::connection::channel::Channel;
use crate::connection::handshake::{self, Stranger};
use crate::connection::{Incoming, Stream};
use crate::places::Places;
use crate::registry::Registry;
use crate::{Encryption, spans};
use strangers::Strangers;

/// Maximum number of connections that have not named a torrent. One more closes the slowest of the
/// greediest host, so that connections that never send a handshake cannot keep others out. A swarm that
/// starts may open that many at once.
const MAX_UNNAMED: usize = 512;

/// Turns of the runtime until an aborted task is dropped: one, or a few if another thread runs it.
const MAX_YIELDS: usize = 16;

/// Pause after a failed accept. The usual cause is that no descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listening side of a client, which all of its sockets share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reception {
    registry: Arc<Registry>,
    encryption: Encryption,
    places: Places,
    filter: IpFilter,
    strangers: Arc<Mutex<Guests>>,
}

/// The strangers, and the tasks that read their handshakes.
#[derive(Debug)]
struct Guests {
    strangers: Strangers,
    tasks: HashMap<u64, AbortHandle>,
}

/// A stranger, until this is dropped.
#[derive(Debug)]
struct Guest {
    reception: Reception,
    number: u64,
    address: IpAddr,
}

impl Reception {
    pub(crate) fn new(
        registry: Arc<Registry>,
        encryption: Encryption,
        places: Places,
        filter: IpFilter,
    ) -> Self {
        let strangers = Strangers::new(Instant::now(), MAX_UNNAMED);
        let guests = Guests { strangers, tasks: HashMap::new() };
        Self { registry, encryption, places, filter, strangers: Arc::new(Mutex::new(guests)) }
    }

    /// Accepts connections for ever.
    pub(crate) async fn run(self, listener: TcpListener) {
        let mut is_told = false;
        loop {
            match listener.accept().await {
                Ok((stream, address)) => {
                    is_told = false;
                    self.admit(Stream::Tcp(stream), address).await;
                }
                Err(error) => {
                    if is_out_of_descriptors(&error) {
                        self.places.make_room_for_connection();
                    }
                    // Once, as a lack of descriptors may last.
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%error, "cannot accept a connection");
                    }
                    // If no descriptor is left, this frees one.
                    self.evict();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Accepts connections of uTP for ever.
    pub(crate) async fn run_utp(self, mut listener: UtpListener) {
        loop {
            let stream = listener.accept().await;
            let address = stream.peer_address();
            self.admit(Stream::Utp(stream), address).await;
        }
    }

    /// Begins to read the handshake of a connection, if there is a place for it.
    async fn admit(&self, stream: Stream, address: SocketAddr) {
        // A socket for both families has IPv4 addresses mapped into IPv6.
        let address = canonical(address);
        if self.filter.blocks(address.ip()) {
            self.note_refused();
            let span = spans::peer(address);
            return span.in_scope(|| tracing::debug!("a connection from a blocked address"));
        }
        let mut place = self.places.take_incoming();
        if place.is_none() && self.evict() {
            // The aborted task gives its place back when the runtime drops it, which it does next.
            for _ in 0..MAX_YIELDS {
                tokio::task::yield_now().await;
                place = self.places.take_incoming();
                if place.is_some() {
                    break;
                }
            }
        }
        let Some(place) = place else {
            self.note_refused();
            let span = spans::peer(address);
            return span.in_scope(|| tracing::debug!("no place is left for a connection"));
        };
        let channel = Channel::plain(stream, place);
        let (number, gone) = {
            let mut guests = self.lock();
            let (number, gone) = guests.strangers.add(Instant::now(), address.ip());
            (number, gone.map(|gone| (gone, guests.tasks.remove(&gone))))
        };
        match gone {
            Some((gone, _)) if gone == number => return self.note_refused(),
            Some((_, task)) => task.iter().for_each(AbortHandle::abort),
            None => {}
        }
        let guest = Guest { reception: self.clone(), number, address: address.ip() };
        let reading = receive(channel, address, guest).instrument(spans::peer(address));
        let task = tokio::spawn(reading).abort_handle();
        let mut guests = self.lock();
        // Its task may have ended already, on another thread.
        if !task.is_finished() {
            guests.tasks.insert(number, task);
        }
    }

    fn note_refused(&self) {
        self.registry.counts.note(|counts| counts.refused += 1);
    }

    /// Closes the slowest connection of the greediest host. `false` if there is none.
    fn evict(&self) -> bool {
        let mut guests = self.lock();
        let Some(number) = guests.strangers.evict() else { return false };
        let task = guests.tasks.remove(&number);
        drop(guests);
        task.iter().for_each(AbortHandle::abort);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        // A panic under the lock cannot leave the tables in a bad state.
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stranger for Guest {
    fn note_progress(&self) {
        self.reception.lock().strangers.note_progress(Instant::now(), self.number);
    }

    async fn wait_for_key_exchange(&self) {
        loop {
            let now = Instant::now();
            let pause = self.reception.lock().strangers.take_key_exchange(now, self.address);
            let Some(pause) = pause else { return };
            tokio::time::sleep(pause).await;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.reception.lock();
        guests.strangers.remove(self.number);
        guests.tasks.remove(&self.number);
    }
}

/// Reads the info-hash from the handshake of a connection, and sends the connection to that torrent.
async fn receive(mut channel: Channel, address: SocketAddr, guest: Guest) {
    let reception = guest.reception.clone();
    let registry = &reception.registry;
    let mut received = BytesMut::with_capacity(HandshakeOpening::LENGTH * 4);
    let find = |hash: &ObfuscatedHash| registry.find_obfuscated(hash);
    let encryption = reception.encryption;
    let accepted = handshake::accept(&mut channel, encryption, &guest, find, &mut received).await;
    let opening = match accepted {
        Ok(opening) => opening,
        Err(error) => {
            reception.note_refused();
            return tracing::debug!(%error, "an incoming connection sent no valid handshake");
        }
    };
    drop(guest);
    let info_hash = opening.info_hash;
    let Some(torrent) = registry.find(info_hash) else {
        reception.note_refused();
        return tracing::debug!(%info_hash, "an incoming handshake names no torrent of ours");
    };
    if let Err(error) = channel.configure() {
        return tracing::debug!(%error, "an incoming connection was closed");
    }
    let incoming = Incoming { channel, address, received, info_hash };
    torrent.change(|driver, now| driver.accept(now, incoming));
}
