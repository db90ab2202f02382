//! Streams behind message stream encryption, blocking and asynchronous. W-57.
#![cfg(all(feature = "mse", feature = "tokio"))]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "two ends that block need a socket and a thread"
)]

use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::mse::{
    Initiator, Method, MseConfig, MseError, NegotiateError, Negotiation, ObfuscatedHash, Policy,
    Randomness, Responder, Stream,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

const TORRENT: WireInfoHash = WireInfoHash::from_bytes([0xaa; 20]);
const PLAIN: &[u8] = b"\x13BitTorrent protocol and what follows it";

fn initiator(config: MseConfig, initial: &[u8]) -> Initiator {
    Initiator::new(TORRENT, config, Randomness::new([1; 20], &[2; 300]), initial)
}

fn responder(config: MseConfig) -> impl Negotiation + Send {
    let find = |hash: &ObfuscatedHash| (*hash == TORRENT.into()).then_some(TORRENT);
    Responder::new(config, Randomness::new([3; 20], &[4; 500]), find)
}

/// A policy for streams that are cut into many parts.
fn patient() -> Policy {
    let mut policy = Policy::default();
    policy.max_reads(10_000);
    policy
}

/// Content that differs from place to place.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * at) >> 3) as u8).collect()
}

/// A stream that carries so many bytes at a time.
struct Cut<S> {
    inner: S,
    lengths: Vec<usize>,
    calls: usize,
}

impl<S> Cut<S> {
    fn new(inner: S, lengths: &[usize]) -> Self {
        Self { inner, lengths: lengths.to_vec(), calls: 0 }
    }

    fn next(&mut self, wanted: usize) -> usize {
        self.calls += 1;
        self.lengths[self.calls % self.lengths.len()].min(wanted)
    }
}

impl<S: Read> Read for Cut<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.next(buffer.len());
        self.inner.read(&mut buffer[..count])
    }
}

impl<S: Write> Write for Cut<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.next(bytes.len());
        self.inner.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.next(buffer.remaining());
        let mut part = buffer.take(count);
        let polled = Pin::new(&mut self.inner).poll_read(context, &mut part);
        // To tell `buffer` without `unsafe` that they are there.
        let bytes = part.filled().to_vec();
        buffer.put_slice(&bytes);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = self.next(bytes.len());
        Pin::new(&mut self.inner).poll_write(context, &bytes[..count])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let alice = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    alice.set_nodelay(true).unwrap();
    (alice, listener.accept().unwrap().0)
}

/// The initiator says something, and the responder says it back, over streams that block.
fn echo_blocking(method: Method, cuts: &[usize], initial: &[u8], later: &[u8]) {
    let (alice, bob) = sockets();
    let config = MseConfig::only(method);
    let length = initial.len() + later.len();
    let bobs_cuts = cuts.to_vec();
    let bob = thread::spawn(move || {
        let bob = Cut::new(bob, &bobs_cuts);
        let mut bob = Stream::negotiate(bob, responder(config), &patient()).unwrap();
        assert_eq!((bob.torrent(), bob.method()), (Some(TORRENT), Some(method)));
        let mut said = vec![0; length];
        bob.read_exact(&mut said).unwrap();
        bob.write_all(&said).unwrap();
        // Nothing is kept of what a stream that blocks has taken.
        assert!(bob.into_parts().unsent.is_empty());
    });
    let alice = Cut::new(alice, cuts);
    let mut alice = Stream::negotiate(alice, initiator(config, initial), &patient()).unwrap();
    alice.write_all(later).unwrap();
    let mut heard = Vec::new();
    alice.read_to_end(&mut heard).unwrap();
    assert!(heard == [initial, later].concat());
    bob.join().unwrap();
}

/// The same over asynchronous streams, with little room between them: an end sends its key and padding, 608 bytes
/// at most, before it reads on.
async fn echo_async(method: Method, cuts: &[usize], initial: &[u8], later: &[u8]) {
    let (alice, bob) = tokio::io::duplex(700);
    let config = MseConfig::only(method);
    let policy = patient();
    let length = initial.len() + later.len();
    let bob = async {
        let bob = Cut::new(bob, cuts);
        let mut bob = Stream::negotiate_async(bob, responder(config), &policy).await.unwrap();
        assert_eq!((bob.torrent(), bob.method()), (Some(TORRENT), Some(method)));
        let mut said = vec![0; length];
        bob.read_exact(&mut said).await.unwrap();
        bob.write_all(&said).await.unwrap();
        // Sends what is kept.
        bob.shutdown().await.unwrap();
    };
    let alice = async {
        let alice = Cut::new(alice, cuts);
        let end = initiator(config, initial);
        let mut alice = Stream::negotiate_async(alice, end, &policy).await.unwrap();
        alice.write_all(later).await.unwrap();
        alice.flush().await.unwrap();
        let mut heard = Vec::new();
        alice.read_to_end(&mut heard).await.unwrap();
        assert!(heard == [initial, later].concat());
    };
    tokio::join!(alice, bob);
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn long_streams_pass_both_ends_for_either_method() {
    let (initial, later) = (content(68), content(100_000));
    for method in [Method::Plaintext, Method::Rc4] {
        for cuts in [&[usize::MAX][..], &[1448], &[40_000, 1, 13]] {
            echo_blocking(method, cuts, &initial, &later);
            block_on(echo_async(method, cuts, &initial, &later));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn streams_pass_both_ends_in_any_split(
        method in prop::sample::select(vec![Method::Plaintext, Method::Rc4]),
        cuts in vec(1..200_usize, 1..8),
        initial in vec(any::<u8>(), 0..100),
        later in vec(any::<u8>(), 1..3_000),
    ) {
        echo_blocking(method, &cuts, &initial, &later);
        block_on(echo_async(method, &cuts, &initial, &later));
    }
}

/// Reads what is prepared, and takes what is written.
#[derive(Debug, Default)]
struct Script {
    reads: io::Cursor<Vec<u8>>,
    /// Bytes of one read at most; 0 is no limit.
    read_length: usize,
    written: Vec<u8>,
}

impl Script {
    fn new(reads: &[u8]) -> Self {
        Self { reads: io::Cursor::new(reads.to_vec()), ..Self::default() }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = if self.read_length == 0 { buffer.len() } else { self.read_length };
        let count = buffer.len().min(limit);
        Read::read(&mut self.reads, &mut buffer[..count])
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.written, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// W-02, W-57.
#[test]
fn peer_that_does_not_encrypt_is_accepted_only_by_that_policy() {
    let refused =
        Stream::negotiate(Script::new(PLAIN), responder(MseConfig::default()), &patient());
    assert!(matches!(refused, Err(NegotiateError::Plain)));
    let mut lenient = Policy::default();
    lenient.accept_plain(true);
    let end = responder(MseConfig::only(Method::Rc4));
    let mut stream = Stream::negotiate(Script::new(PLAIN), end, &lenient).unwrap();
    assert_eq!((stream.torrent(), stream.method()), (None, None));
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    stream.write_all(b"in clear").unwrap();
    assert_eq!((&heard[..], &stream.inner().written[..]), (PLAIN, &b"in clear"[..]));
    // An initiator has sent its key already.
    let end = initiator(MseConfig::default(), b"");
    let refused = Stream::negotiate(Script::new(PLAIN), end, &lenient);
    assert!(matches!(refused, Err(NegotiateError::Mse(MseError::NotEncrypted))));
}

#[test]
fn negotiation_has_a_limit_of_bytes_and_of_reads() {
    // A mark that comes late is waited for by the machine up to 628 bytes.
    let noise = content(10_000);
    let read = |max_bytes, max_reads, read_length| {
        let mut policy = Policy::default();
        policy.max_bytes(max_bytes).max_reads(max_reads);
        let mut script = Script::new(&noise);
        script.read_length = read_length;
        let failure = Stream::negotiate(&mut script, responder(MseConfig::default()), &policy);
        (failure.unwrap_err(), script.reads.position())
    };
    let (failure, position) = read(200, 100, 0);
    assert!(matches!(failure, NegotiateError::TooLong { max_bytes: 200, .. }), "{failure}");
    assert_eq!(position, 200);
    let (failure, position) = read(4096, 7, 1);
    assert!(matches!(failure, NegotiateError::TooLong { max_reads: 7, .. }), "{failure}");
    assert_eq!(position, 7);
    let (failure, _) = read(4096, 100, 0);
    assert!(matches!(failure, NegotiateError::Mse(MseError::MarkNotFound)), "{failure}");
}

#[test]
fn end_of_the_stream_ends_the_negotiation() {
    for sent in [&b""[..], b"\x13BitTorrent", &content(100)] {
        let failure =
            Stream::negotiate(Script::new(sent), responder(MseConfig::default()), &patient());
        assert!(matches!(failure, Err(NegotiateError::Closed)));
        let (alice, mut bob) = tokio::io::duplex(10_000);
        let failure = block_on(async {
            bob.write_all(sent).await.unwrap();
            bob.shutdown().await.unwrap();
            Stream::negotiate_async(alice, responder(MseConfig::default()), &patient()).await
        });
        assert!(matches!(failure, Err(NegotiateError::Closed)));
    }
}

/// A stream whose writes block, or do not, or fail.
struct Moody<S> {
    inner: S,
    mood: Cell<Mood>,
}

#[derive(Clone, Copy)]
enum Mood {
    Blocks,
    /// It takes few bytes, and nothing each other time.
    Busy(bool),
    Broken,
}

impl<S: Read> Read for Moody<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl<S: Write> Write for Moody<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.mood.get() {
            Mood::Blocks => self.inner.write(bytes),
            Mood::Busy(true) => {
                self.mood.set(Mood::Busy(false));
                Err(ErrorKind::WouldBlock.into())
            }
            Mood::Busy(false) => {
                self.mood.set(Mood::Busy(true));
                self.inner.write(&bytes[..bytes.len().min(1_000)])
            }
            Mood::Broken => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Both ends after a negotiation for RC4.
fn pair() -> (Stream<Moody<TcpStream>>, Stream<TcpStream>) {
    let (alice, bob) = sockets();
    let config = MseConfig::only(Method::Rc4);
    let bob = thread::spawn(move || Stream::negotiate(bob, responder(config), &patient()));
    let alice = Moody { inner: alice, mood: Cell::new(Mood::Blocks) };
    let alice = Stream::negotiate(alice, initiator(config, b"first"), &patient()).unwrap();
    (alice, bob.join().unwrap().unwrap())
}

#[test]
fn bytes_that_the_stream_beneath_does_not_take_are_kept_and_sent_once() {
    let (mut alice, mut bob) = pair();
    alice.inner().mood.set(Mood::Busy(true));
    let said = content(50_000);
    let mut rest = &said[..];
    let mut refusals = 0;
    while !rest.is_empty() {
        // A block and its header, in one call.
        let (header, block) = rest.split_at(rest.len().min(13));
        let block = &block[..block.len().min(16_384)];
        match alice.write_vectored(&[IoSlice::new(header), IoSlice::new(block)]) {
            Ok(count) => rest = &rest[count..],
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refusals += 1;
            }
        }
    }
    while let Err(error) = alice.flush() {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        refusals += 1;
    }
    assert!(refusals > 20, "{refusals}");
    assert!(alice.into_parts().unsent.is_empty());
    let mut heard = Vec::new();
    bob.read_to_end(&mut heard).unwrap();
    assert!(heard == [b"first", &said[..]].concat());
}

#[test]
fn a_write_takes_a_bounded_number_of_bytes() {
    let (mut alice, _bob) = pair();
    alice.inner().mood.set(Mood::Busy(true));
    let count = alice.write(&content(1 << 20)).unwrap();
    assert_eq!(count, 32 << 10);
    assert_eq!(alice.into_parts().unsent.len(), 32 << 10);
}

#[test]
fn a_failure_of_the_stream_beneath_is_told_by_the_next_call() {
    let (mut alice, _bob) = pair();
    alice.inner().mood.set(Mood::Broken);
    assert_eq!(alice.write(b"taken").unwrap(), 5);
    assert_eq!(alice.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(alice.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn parts_go_on_where_the_stream_was() {
    let (mut alice, bob) = pair();
    // The first bytes came with the negotiation.
    let mut bob = bob.into_parts();
    assert_eq!((&bob.received[..], bob.unsent.len()), (&b"first"[..], 0));
    alice.write_all(b"second").unwrap();
    let mut heard = [0; 6];
    bob.inner.read_exact(&mut heard).unwrap();
    bob.receive.apply(&mut heard);
    assert_eq!(&heard, b"second");
    let mut answer = *b"third";
    bob.send.apply(&mut answer);
    bob.inner.write_all(&answer).unwrap();
    alice.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"third");
}

#[test]
fn bytes_of_the_negotiation_are_read_in_parts() {
    let (_alice, mut bob) = pair();
    let mut heard = Vec::new();
    for length in [1, 3, 10] {
        let mut part = vec![0; length];
        let count = bob.read(&mut part).unwrap();
        heard.extend_from_slice(&part[..count]);
    }
    assert_eq!(heard, b"first");
}
