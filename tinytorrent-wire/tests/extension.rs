//! Two ends of the extension protocol (BEP 10), each with numbers of its own.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionError, ExtensionMessage, Holepunch, MetadataMessage,
    OurExtensions, PexMessage, TheirExtensions,
};
use tinytorrent_wire::{Decoder, Extended, Message};

/// One end: its own extensions, and those of the other.
struct End {
    ours: OurExtensions,
    theirs: TheirExtensions,
}

impl End {
    fn new(extensions: &[Extension]) -> Self {
        let ours = OurExtensions::new(extensions.iter().copied());
        Self { ours, theirs: TheirExtensions::default() }
    }

    fn read(&mut self, received: Extended) -> ExtensionMessage {
        let message = self.ours.read(&over_the_wire(received)).unwrap();
        if let ExtensionMessage::Handshake(handshake) = &message {
            self.theirs.update(handshake);
        }
        message
    }
}

fn over_the_wire(sent: Extended) -> Extended {
    let mut buffer = BytesMut::new();
    Message::from(sent).encode(&mut buffer);
    match Decoder::new().decode(&mut buffer) {
        Ok(Some(Message::Extended(extended))) => extended,
        other => panic!("{other:?}"),
    }
}

/// Both ends, after their handshakes. They number the same extensions differently.
fn shaken() -> (End, End) {
    let mut alice = End::new(&[Extension::Metadata, Extension::DontHave, Extension::UploadOnly]);
    let mut bob = End::new(&[Extension::PeerExchange, Extension::Holepunch, Extension::Metadata]);
    let hello = ExtendedHandshake::new(&alice.ours).to_message();
    bob.read(hello);
    let hello = ExtendedHandshake::new(&bob.ours).to_message();
    alice.read(hello);
    (alice, bob)
}

/// sent under their number, received under ours.
#[test]
fn messages_bear_the_receivers_number() {
    let (mut alice, mut bob) = shaken();
    let to_bob = alice.theirs.id(Extension::Metadata).unwrap();
    let to_alice = bob.theirs.id(Extension::Metadata).unwrap();
    assert_eq!((to_bob.get(), to_alice.get()), (3, 1));
    let request = MetadataMessage::Request { block: 5 };
    let sent = ExtensionMessage::request_metadata(to_bob, 5);
    assert_eq!(sent.id, 3);
    assert_eq!(bob.read(sent), ExtensionMessage::Metadata(request));
    let answer = MetadataMessage::Reject { block: 5 };
    let sent = answer.to_message(to_alice);
    assert_eq!(sent.id, 1);
    assert_eq!(alice.read(sent), ExtensionMessage::Metadata(answer));
}

/// our numbers are not zero, unique, and the same for the whole connection.
#[test]
fn our_numbers_are_unique_and_never_zero() {
    let names: Vec<&'static str> = (0..300).map(|n| &*format!("x_{n}").leak()).collect();
    let ours = OurExtensions::new(names.iter().map(|name| Extension::Other(name)));
    let mut numbers: Vec<_> = ours.iter().map(|(id, _)| id.get()).collect();
    assert_eq!(numbers.len(), 255);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((numbers.len(), numbers[0]), (255, 1));
    let twice = OurExtensions::new([Extension::Metadata, Extension::Other("ut_metadata")]);
    assert_eq!(twice.iter().count(), 1);
}

/// a number that we did not announce is ignored.
#[test]
fn number_that_we_did_not_announce_is_not_ours() {
    let (alice, _) = shaken();
    for id in [4, 200, 255] {
        let stray = Extended { id, payload: Bytes::from_static(b"junk") };
        assert_eq!(alice.ours.read(&stray), Ok(ExtensionMessage::NotOurs { id }));
    }
}

/// no message is sent without a number of the peer.
#[test]
fn peer_without_the_extension_cannot_be_sent_to() {
    let (alice, bob) = shaken();
    assert_eq!(alice.theirs.id(Extension::DontHave), None);
    assert_eq!(bob.theirs.id(Extension::PeerExchange), None);
}

/// X-27, BEP 54: the sender need not have announced it.
#[test]
fn dont_have_comes_from_those_who_did_not_announce_it() {
    let (mut alice, bob) = shaken();
    assert!(bob.ours.id(Extension::DontHave).is_none());
    let to_alice = bob.theirs.id(Extension::DontHave).unwrap();
    let sent = ExtensionMessage::dont_have(to_alice, 0x0102_0304);
    assert_eq!(sent.payload, [1, 2, 3, 4][..]);
    assert_eq!(alice.read(sent), ExtensionMessage::DontHave(0x0102_0304));
    let short = Extended { id: to_alice.get(), payload: Bytes::from_static(&[1, 2, 3]) };
    let error = ExtensionError::Truncated { extension: "lt_donthave", found: 3 };
    assert_eq!(alice.ours.read(&short), Err(error));
}

/// X-28, BEP 21: it is a message and a key.
#[test]
fn upload_only_is_a_message_and_a_key() {
    let (mut alice, mut bob) = shaken();
    let to_alice = bob.theirs.id(Extension::UploadOnly).unwrap();
    for value in [true, false] {
        let sent = ExtensionMessage::upload_only(to_alice, value);
        assert_eq!(alice.read(sent), ExtensionMessage::UploadOnly(value));
        let mut handshake = ExtendedHandshake::default();
        handshake.upload_only = Some(value);
        let ExtensionMessage::Handshake(read) = bob.read(handshake.to_message()) else {
            panic!("id 0 is the handshake");
        };
        assert_eq!(read.upload_only, Some(value));
    }
    let long = Extended { id: to_alice.get(), payload: Bytes::from_static(&[0, 0, 0, 1]) };
    assert_eq!(alice.ours.read(&long), Ok(ExtensionMessage::UploadOnly(true)));
    let none = Extended { id: to_alice.get(), payload: Bytes::new() };
    assert!(alice.ours.read(&none).is_err());
}

/// X-29, BEP 55.
#[test]
fn holepunch_travels_between_those_who_announced_it() {
    let (alice, mut bob) = shaken();
    let message = Holepunch::Rendezvous("10.0.0.1:80".parse().unwrap());
    let to_bob = alice.theirs.id(Extension::Holepunch).unwrap();
    let sent = ExtensionMessage::holepunch(to_bob, message);
    assert_eq!(bob.read(sent), ExtensionMessage::Holepunch(message));
}

/// it may come again and take a name away.
#[test]
fn a_second_handshake_changes_the_first() {
    let (mut alice, _) = shaken();
    let mut change = ExtendedHandshake::default();
    change.extensions = vec![(b"ut_metadata".to_vec(), 0), (b"ut_pex".to_vec(), 77)];
    alice.read(change.to_message());
    assert_eq!(alice.theirs.id(Extension::Metadata), None);
    assert_eq!(alice.theirs.id(Extension::PeerExchange).unwrap().get(), 77);
    assert_eq!(alice.theirs.id(Extension::Holepunch).unwrap().get(), 2);
}

/// names are bounded, however many handshakes come.
#[test]
fn names_are_bounded() {
    let mut theirs = TheirExtensions::default();
    for round in 0..10 {
        let mut handshake = ExtendedHandshake::default();
        handshake.extensions = (0..200).map(|n| (format!("{round}_{n}").into_bytes(), 1)).collect();
        theirs.update(&handshake);
    }
    assert_eq!(theirs.iter().count(), 64);
}

/// so is each of them.
#[test]
fn long_names_are_not_kept() {
    let mut theirs = TheirExtensions::default();
    let mut handshake = ExtendedHandshake::default();
    handshake.extensions = [32, 33, 60_000].map(|length| (vec![b'x'; length], 1)).to_vec();
    handshake.extensions.push((b"ut_metadata".to_vec(), 2));
    theirs.update(&handshake);
    let lengths: Vec<_> = theirs.iter().map(|(name, _)| name.len()).collect();
    assert_eq!(lengths, [32, 11]);
}

proptest! {
    /// any payload is parsed or is an error.
    #[test]
    fn any_payload_is_read_or_refused(id in 0..5_u8, payload: Vec<u8>) {
        let (alice, bob) = shaken();
        let received = Extended { id, payload: payload.into() };
        let _ = alice.ours.read(&received);
        let _ = bob.ours.read(&received);
    }

    /// A parsed handshake that is written and parsed again is the same.
    #[test]
    fn handshake_that_was_read_can_be_written(
        keys in proptest::collection::vec(("[a-z]{1,3}", 0..1000_i64), 0..8),
        names in proptest::collection::vec(("[a-z_]{1,6}", 0..256_i64), 0..8),
    ) {
        let mut payload = b"d1:md".to_vec();
        for (name, id) in names {
            payload.extend_from_slice(format!("{}:{name}i{id}e", name.len()).as_bytes());
        }
        payload.push(b'e');
        for (key, value) in keys.into_iter().filter(|(key, _)| key != "m") {
            payload.extend_from_slice(format!("{}:{key}i{value}e", key.len()).as_bytes());
        }
        payload.push(b'e');
        let once = ExtendedHandshake::parse(&payload).unwrap();
        let again = ExtendedHandshake::parse(&once.to_message().payload).unwrap();
        let twice = ExtendedHandshake::parse(&again.to_message().payload).unwrap();
        prop_assert_eq!(&again, &twice);
        prop_assert_eq!(&again.listen_port, &once.listen_port);
        prop_assert_eq!(&again.prefers_encryption, &once.prefers_encryption);
    }

    #[test]
    fn any_pex_is_read_or_refused(payload: Vec<u8>) {
        let _ = PexMessage::parse(&payload);
    }
}
