//! A path between two UDP sockets that loses, doubles and delays datagrams.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Datagrams of a thousand that are lost, and as many that come twice.
const FAULTS: u64 = 20;

/// Datagrams of a thousand that come late, behind those that were sent after them.
const LATE: u64 = 20;

/// The delay of those.
const DELAY: Duration = Duration::from_millis(3);

/// Time after which a thread looks whether it is to end, and whether late datagrams are due.
const PAUSE: Duration = Duration::from_millis(2);

/// A relay on loopback, which one host at a time uses to reach another. It ends when it is dropped.
///
/// The first datagram each way arrives once: libtorrent takes a first packet that comes twice for two connections,
/// and neither works.
pub struct Relay {
    /// The address at which it takes the place of the other end.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// The end that began.
    near: Mutex<Option<SocketAddr>>,
    has_ended: AtomicBool,
    lost: AtomicU64,
}

impl Relay {
    /// A relay to this address. Its faults are the same for the same seed and traffic.
    pub fn start(to: SocketAddr, seed: u64) -> Self {
        let bind = || {
            let socket = UdpSocket::bind((to.ip(), 0)).expect("some port is free");
            socket.set_read_timeout(Some(PAUSE)).expect("a pause is not zero");
            Arc::new(socket)
        };
        let (near, far, shared) = (bind(), bind(), Arc::new(Shared::default()));
        let address = near.local_addr().expect("a bound socket has an address");
        let threads = [(&near, &far, Some(to)), (&far, &near, None)].map(|(from, into, to)| {
            let (from, into, shared) = (Arc::clone(from), Arc::clone(into), Arc::clone(&shared));
            let dice = seed ^ u64::from(to.is_some());
            let way = Way { into, to, late: VecDeque::new(), dice, is_first: true };
            thread::spawn(move || way.run(&from, &shared))
        });
        Self { address, shared, threads: threads.into() }
    }

    /// Datagrams that were lost so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic there has been told.
            let _ = thread.join();
        }
    }
}

/// One direction.
struct Way {
    into: Arc<UdpSocket>,
    /// The far end; none for the way back to whoever began.
    to: Option<SocketAddr>,
    late: VecDeque<(Instant, Vec<u8>)>,
    dice: u64,
    is_first: bool,
}

impl Way {
    fn run(mut self, from: &UdpSocket, shared: &Shared) {
        let mut buffer = vec![0; 1 << 16];
        while !shared.has_ended.load(Ordering::Relaxed) {
            match from.recv_from(&mut buffer) {
                Ok((length, sender)) => {
                    if self.to.is_some() {
                        *shared.near.lock().unwrap() = Some(sender);
                    }
                    self.pass(&buffer[..length], shared);
                }
                Err(error) if is_nothing(error.kind()) => {}
                Err(error) => panic!("the relay cannot receive: {error}"),
            }
            let now = Instant::now();
            while self.late.front().is_some_and(|(due, _)| *due <= now) {
                let (_, datagram) = self.late.pop_front().expect("there is one");
                self.send(&datagram, shared);
            }
        }
    }

    fn pass(&mut self, datagram: &[u8], shared: &Shared) {
        if std::mem::take(&mut self.is_first) {
            return self.send(datagram, shared);
        }
        match self.roll() {
            0..FAULTS => _ = shared.lost.fetch_add(1, Ordering::Relaxed),
            roll if roll < FAULTS + LATE => {
                self.late.push_back((Instant::now() + DELAY, datagram.to_vec()));
            }
            roll => {
                self.send(datagram, shared);
                if roll < 2 * FAULTS + LATE {
                    self.send(datagram, shared);
                }
            }
        }
    }

    fn send(&self, datagram: &[u8], shared: &Shared) {
        if let Some(to) = self.to.or_else(|| *shared.near.lock().unwrap()) {
            // A datagram that cannot be sent is lost, as on any path.
            let _ = self.into.send_to(datagram, to);
        }
    }

    /// A number below a thousand (splitmix64).
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % 1000
    }
}

/// Nothing came in time, or what was sent has found nobody (ICMP).
fn is_nothing(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionRefused, Interrupted, TimedOut, WouldBlock};
    matches!(kind, WouldBlock | TimedOut | Interrupted | ConnectionRefused)
}
