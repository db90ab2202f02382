//! The uTorrent transport protocol, uTP (BEP 29): a machine without sockets, clocks and randomness of its own, and
//! connections on tokio that run on it.
//!
//! Connections over UDP that carry a stream of bytes each way, as TCP does, and that step back where others need the
//! link: half of the peers of BitTorrent behind home routers come by it.
//!
//! | you build | you need | here |
//! |---|---|---|
//! | a program on tokio | connections as streams of bytes, over a socket | `UtpSocket` (feature `tokio`) |
//! | a client, a server | all connections of one UDP socket | [`Endpoint`] |
//! | a test, a dissector | packets as values, read from datagrams and written to them | [`packet`] |
//!
//! ```text
//!  datagrams ──▶ handle_datagram ──▶ ┌──────────┐ ──▶ poll_transmit ──▶ datagrams, several at a time
//!  time      ──▶ handle_timeout  ──▶ │ Endpoint │ ──▶ poll_event    ──▶ connected, readable, writable, failed
//!  bytes     ──▶ write           ──▶ │          │ ──▶ accept, read  ──▶ connections, bytes
//!  commands  ──▶ connect, close  ──▶ └──────────┘ ──▶ poll_timeout  ──▶ when to call again
//! ```
//!
//! The window follows the delay of packets (LEDBAT, RFC 6817), so that a queue stays at 100 ms and a TCP connection
//! that needs the link gets it; flows share evenly. A packet is lost when a later one has come and a while is over
//! (RACK, RFC 8985), so that packets which change places do not slow anything down. The size of packets is that of the
//! path.
//!
//! The loop of a driver, here of two endpoints on sockets of the standard library:
//!
//! ```
//! use std::io::IoSlice;
//! use std::net::UdpSocket;
//! use std::time::{Duration, Instant};
//! use tinytorrent_utp::{Endpoint, EndpointConfig};
//!
//! /// Takes a datagram, or the time if none comes, and sends what is to be sent.
//! fn turn(endpoint: &mut Endpoint, socket: &UdpSocket) -> std::io::Result<()> {
//!     let mut buffer = [0; 16 * 1024];
//!     let received = socket.recv_from(&mut buffer);
//!     let now = Instant::now();
//!     match received {
//!         Ok((length, from)) => endpoint.handle_datagram(now, from, &buffer[..length]),
//!         // A call before `poll_timeout` changes nothing.
//!         Err(_) => endpoint.handle_timeout(now),
//!     }
//!     while let Some(transmit) = endpoint.poll_transmit(now, &mut buffer) {
//!         for datagram in buffer[..transmit.length].chunks(transmit.segment) {
//!             socket.send_to(datagram, transmit.to)?;
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let sockets = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
//! for socket in &sockets {
//!     socket.set_read_timeout(Some(Duration::from_millis(5)))?;
//! }
//! // Seeds have to be random and secret: `rand::random()`.
//! let mut ends = [[1; 32], [2; 32]].map(|seed| Endpoint::new(Instant::now(), EndpointConfig::new(seed)));
//! let ours = ends[0].connect(Instant::now(), sockets[1].local_addr()?).expect("there is room");
//! // It goes out when the other end has answered.
//! ends[0].write(Instant::now(), ours, &[IoSlice::new(b"hello, "), IoSlice::new(b"world")]).expect("it is open");
//! ends[0].shutdown(Instant::now(), ours).expect("it is open");
//!
//! let (mut theirs, mut text) = (None, Vec::<u8>::new());
//! loop {
//!     for (end, socket) in ends.iter_mut().zip(&sockets) {
//!         turn(end, socket)?;
//!     }
//!     theirs = theirs.or_else(|| ends[1].accept());
//!     let Some(theirs) = theirs else { continue };
//!     let mut buffer = [0; 1_024];
//!     match ends[1].read(Instant::now(), theirs, &mut buffer) {
//!         Ok(0) => break,
//!         Ok(length) => text.extend(&buffer[..length]),
//!         // There is nothing yet; `poll_event` tells when.
//!         Err(_) => {}
//!     }
//! }
//! assert_eq!(text, b"hello, world");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Limits
//!
//! | of | default | setting |
//! |---|---|---|
//! | connections | 10,000; beyond, no answer | [`max_connections`](EndpointConfig::max_connections) |
//! | connections that have only begun | 4,096 for 6 seconds; the oldest makes room | [`max_half_open`](EndpointConfig::max_half_open) |
//! | connections to be accepted | 256 | [`backlog`](EndpointConfig::backlog) |
//! | bytes that a connection holds | 4 MiB each way, while there are some | [`send_buffer`](EndpointConfig::send_buffer), [`receive_buffer`](EndpointConfig::receive_buffer) |
//! | bytes that all of them hold | 64 MiB, and 6 KiB each way | [`memory`](EndpointConfig::memory) |
//! | packets beyond a gap | one for each KiB of the buffer | [`receive_buffer`](EndpointConfig::receive_buffer) |
//! | answers to strangers | 20 bytes, and no longer than what they answer to | none |
//! | silence | 31 seconds, 7 for a first packet | none |
//!
//! An idle connection takes about 1.4 KiB, and a packet of 20 bytes every [29 seconds](EndpointConfig::keep_alive), in one
//! batch with others. A first packet whose address may be forged takes 100 bytes until its time is over.
//!
//! # Errors
//!
//! Wrong datagrams of others are no errors: they are dropped and [counted](EndpointStats). A connection ends with a
//! [`Failure`]: reset by the other end, silence, or an address that cannot be reached. [`StreamError`] adds what the
//! caller can do wrong, and [`StreamError::WouldBlock`].
//!
//! # Other implementations
//!
//! | | this crate | [librqbit-utp] 0.7 | [libutp] | [libtorrent] 2 |
//! |---|---|---|---|---|
//! | form | machine without I/O, tasks on tokio | tasks on tokio | machine with callbacks, C++ | part of a session, C++ |
//! | window | delay and loss | loss (CUBIC) | delay and loss | delay and loss |
//! | loss by | time | counts | counts | counts |
//! | licence | MIT or Apache-2.0 | Apache-2.0 | MIT | BSD |
//!
//! libutp and libtorrent have been run by millions for more than a decade. This crate is new.
//!
//! [librqbit-utp]: https://docs.rs/librqbit-utp
//! [libutp]: https://github.com/bittorrent/libutp
//! [libtorrent]: https://libtorrent.org

mod byte_queue;
mod config;
mod connection;
mod delays;
#[cfg(feature = "tokio")]
mod driver;
mod endpoint;
mod event;
mod half_open;
mod ledbat;
pub mod packet;
mod path_mtu;
mod rack;
mod receive_queue;
mod round_trips;
mod send_queue;
mod seq;
mod table;
mod timers;

pub use config::EndpointConfig;
#[cfg(feature = "tokio")]
pub use driver::{Carrier, ReadHalf, UtpListener, UtpSocket, UtpStream, Waiting, WriteHalf};
pub use endpoint::Endpoint;
pub use event::{
    ConnectError, ConnectionStats, EndpointStats, Event, Failure, StreamError, Transmit,
};
pub use seq::SeqNr;
pub use table::ConnectionId;
