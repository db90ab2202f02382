//! Connections over what carries datagrams in place of a socket.
#![cfg(feature = "tokio")]

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tinytorrent_utp::{Carrier, EndpointConfig, UtpSocket, Waiting};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Datagrams on their way to an end, with their sender.
#[derive(Debug, Default)]
struct Queue {
    datagrams: Mutex<VecDeque<(SocketAddr, Vec<u8>)>>,
    has_more: Notify,
}

/// One end of a line in memory.
#[derive(Debug)]
struct Line {
    address: SocketAddr,
    incoming: Arc<Queue>,
    outgoing: Arc<Queue>,
    sent: AtomicUsize,
    longest: AtomicUsize,
    /// Each so many-th datagram is lost with an error.
    loss: Option<usize>,
}

/// Datagrams that fit on the line.
const ROOM: usize = 64;

impl Line {
    fn pair(one: &str, other: &str, loss: Option<usize>) -> [Arc<Self>; 2] {
        let queues = [Arc::<Queue>::default(), Arc::default()];
        let end = |address: &str, at: usize| {
            let [incoming, outgoing] = [at, 1 - at].map(|at| Arc::clone(&queues[at]));
            let address = address.parse().unwrap();
            let (sent, longest) = Default::default();
            Arc::new(Self { address, incoming, outgoing, sent, longest, loss })
        };
        [end(one, 0), end(other, 1)]
    }
}

impl Carrier for Line {
    fn readable(&self) -> Waiting<'_> {
        Box::pin(async {
            while self.incoming.datagrams.lock().unwrap().is_empty() {
                self.incoming.has_more.notified().await;
            }
        })
    }

    fn writable(&self) -> Waiting<'_> {
        Box::pin(async {
            while self.outgoing.datagrams.lock().unwrap().len() >= ROOM {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    }

    fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let next = self.incoming.datagrams.lock().unwrap().pop_front();
        let (from, datagram) = next.ok_or(io::ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok((datagram.len(), from))
    }

    fn try_send(&self, datagram: &[u8], _: SocketAddr) -> io::Result<()> {
        let mut datagrams = self.outgoing.datagrams.lock().unwrap();
        if datagrams.len() >= ROOM {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.sent.fetch_add(1, Ordering::Relaxed);
        self.longest.fetch_max(datagram.len(), Ordering::Relaxed);
        if self.loss.is_some_and(|loss| count % loss == loss - 1) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        datagrams.push_back((self.address, datagram.to_vec()));
        self.outgoing.has_more.notify_one();
        Ok(())
    }
}

/// A socket over an end of a line, which counts the datagrams of other protocols.
fn socket(line: &Arc<Line>, seed: u8, others: &Arc<AtomicUsize>) -> UtpSocket {
    let others = Arc::clone(others);
    let count = move |_: SocketAddr, _: &[u8]| _ = others.fetch_add(1, Ordering::Relaxed);
    let carrier = Arc::clone(line) as Arc<dyn Carrier>;
    UtpSocket::by(carrier, EndpointConfig::new([seed; 32]), |_| true, count)
}

/// Between addresses of two families, with packets that leave room for a header of the carrier; what a carrier loses
/// comes again
#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_both_ways_over_a_carrier_in_packets_that_always_fit() {
    for loss in [None, Some(50)] {
        let [one, other] = Line::pair("192.0.2.1:1", "[2001:db8::1]:2", loss);
        let others = Arc::<AtomicUsize>::default();
        let [ours, theirs] = [(&one, 1), (&other, 2)].map(|(line, n)| socket(line, n, &others));
        assert!(ours.reaches(one.address) && ours.reaches(other.address));
        one.try_send(b"d1:ad2:id", other.address).unwrap();
        let mut listener = theirs.listen();
        let sent: Vec<u8> = (0..1_000_000_usize).map(|at| (at * at / 7 + at) as u8).collect();
        let received = async {
            let mut stream = ours.connect(other.address).await.unwrap();
            assert_eq!(stream.peer_address(), other.address);
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let echo = async {
            let mut stream = listener.accept().await;
            assert_eq!(stream.peer_address(), one.address);
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let both = async { tokio::join!(received, echo) };
        let (received, ()) = timeout(Duration::from_secs(120), both).await.expect("in time");
        assert!(received == sent);
        for line in [one, other] {
            let longest = line.longest.load(Ordering::Relaxed);
            assert!((1_000..=1_200).contains(&longest), "{longest}");
        }
        assert_eq!(others.load(Ordering::Relaxed), 1);
    }
}

/// A line that has no end at the other side
#[tokio::test(start_paused = true)]
async fn nobody_at_the_other_end_is_a_timeout() {
    let [one, other] = Line::pair("192.0.2.1:1", "192.0.2.2:2", Some(1));
    let socket = socket(&one, 1, &Arc::default());
    let error = socket.connect(other.address).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
