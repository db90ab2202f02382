//! A peer at which nobody can connect, and which is introduced.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tinytorrent_types::{PeerId, WireInfoHash};
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, Holepunch, OurExtensions,
};
use tinytorrent_wire::{Decoder, Feature, Handshake, Message, Reserved};

use super::COMPLETE;
use super::scene::Scene;

/// A peer that speaks `ut_holepunch`, connected to one other. It takes no connection at the port that it
/// tells, which is the one that it sends from.
pub struct HiddenPeer {
    stream: TcpStream,
    datagrams: UdpSocket,
    decoder: Decoder,
    received: BytesMut,
    ours: OurExtensions,
}

impl HiddenPeer {
    /// Connects to the one that is to introduce it.
    pub fn meet(scene: &Scene, relay: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(relay).expect("the relay listens");
        stream.set_read_timeout(Some(COMPLETE)).expect("it is not zero");
        let here = stream.local_addr().expect("a connection has ends");
        let datagrams = UdpSocket::bind(here).expect("the port is free for UDP");
        datagrams.set_nonblocking(true).expect("a socket may be");
        let ours = OurExtensions::new([Extension::PeerExchange, Extension::Holepunch]);
        let greeting = Handshake {
            reserved: Reserved::from([Feature::Extended, Feature::Fast]),
            info_hash: WireInfoHash::from_bytes(scene.content.info_hash()),
            peer_id: PeerId::generate(*b"hidden peer."),
        };
        let mut handshake = ExtendedHandshake::new(&ours);
        handshake.listen_port = Some(here.port());
        let mut words = greeting.to_bytes().to_vec();
        Message::HaveNone.encode(&mut words);
        Message::from(handshake.to_message()).encode(&mut words);
        stream.write_all(&words).expect("the relay reads");
        let mut theirs = [0; Handshake::LENGTH];
        stream.read_exact(&mut theirs).expect("the relay answers");
        Self { stream, datagrams, decoder: Decoder::new(), received: BytesMut::new(), ours }
    }

    /// Waits until it is to connect to another peer. Returns the address of that one.
    pub fn wait_introduced(&mut self) -> SocketAddr {
        loop {
            for message in self.decoder.split_frames(&mut self.received) {
                let Ok(Message::Extended(said)) = message else { continue };
                if let Ok(ExtensionMessage::Holepunch(Holepunch::Connect(to))) =
                    self.ours.read(&said)
                {
                    return to;
                }
            }
            let mut bytes = [0; 4_096];
            let length = self.stream.read(&mut bytes).expect("somebody is introduced in time");
            assert!(length > 0, "the relay left");
            self.received.extend_from_slice(&bytes[..length]);
        }
    }

    /// Waits until the first packet of a uTP connection comes that was sent from now on.
    pub fn wait_called(&self) -> SocketAddr {
        let mut packet = [0; 2_000];
        while self.datagrams.recv_from(&mut packet).is_ok() {}
        let deadline = Instant::now() + COMPLETE;
        loop {
            // ST_SYN of version 1 (BEP 29).
            if let Ok((1.., from)) = self.datagrams.recv_from(&mut packet)
                && packet[0] == 0x41
            {
                return from;
            }
            assert!(Instant::now() < deadline, "nobody calls by uTP");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
