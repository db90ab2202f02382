//! What was read of an extension message is written and read the same; nothing else comes of it.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_wire::Extended;
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, OurExtensions, PexMessage, TexMessage,
    TheirExtensions,
};

fuzz_target!(|input: (u8, &[u8])| {
    let (id, payload) = input;
    let ours = OurExtensions::new([
        Extension::Metadata,
        Extension::PeerExchange,
        Extension::Holepunch,
        Extension::DontHave,
        Extension::UploadOnly,
        Extension::TrackerExchange,
    ]);
    let received = Extended { id: id % 7, payload: Bytes::copy_from_slice(payload) };
    // A compact peer is six bytes, and an entry 40; a node of bencode is two bytes, and takes eight.
    let read = within(payload.len(), 64, 16 << 10, || ours.read(&received));
    let Ok(message) = read else { return };
    // The peer's numbers are ours here, so that what goes out can come in.
    let mut theirs = TheirExtensions::default();
    theirs.update(&ExtendedHandshake::new(&ours));
    let id = |extension| theirs.id(extension).unwrap();
    match message {
        ExtensionMessage::Handshake(handshake) => {
            let again = ExtendedHandshake::parse(&handshake.to_message().payload).unwrap();
            let twice = ExtendedHandshake::parse(&again.to_message().payload).unwrap();
            assert_eq!(again, twice);
            theirs.update(&handshake);
            theirs.update(&again);
            assert!(theirs.iter().count() <= 128);
            let name = handshake.client_name().unwrap_or_default();
            assert!(!name.contains(char::is_control));
        }
        ExtensionMessage::Metadata(message) => {
            let sent = message.to_message(id(Extension::Metadata));
            let again = ours.read(&sent);
            assert_eq!(again, Ok(ExtensionMessage::Metadata(message)));
        }
        ExtensionMessage::PeerExchange(message) => {
            assert!(message.added.len() <= 2 * PexMessage::MAX_PEERS);
            // An IPv4 address in the list of IPv6 moves to the other one, so only the set stays.
            let sent = message.to_message(id(Extension::PeerExchange));
            let Ok(ExtensionMessage::PeerExchange(again)) = ours.read(&sent) else {
                panic!("what was written can be read");
            };
            let count = again.added.len() + again.dropped.len();
            assert!(count <= message.added.len() + message.dropped.len());
        }
        ExtensionMessage::TrackerExchange(message) => {
            assert!(message.added.len() <= TexMessage::MAX_TRACKERS);
            let sent = message.to_message(id(Extension::TrackerExchange));
            assert_eq!(ours.read(&sent), Ok(ExtensionMessage::TrackerExchange(message)));
        }
        ExtensionMessage::Holepunch(message) => {
            let sent = ExtensionMessage::holepunch(id(Extension::Holepunch), message);
            let _ = ours.read(&sent);
        }
        ExtensionMessage::DontHave(index) => {
            let sent = ExtensionMessage::dont_have(id(Extension::DontHave), index);
            assert_eq!(ours.read(&sent), Ok(ExtensionMessage::DontHave(index)));
        }
        ExtensionMessage::UploadOnly(value) => {
            let sent = ExtensionMessage::upload_only(id(Extension::UploadOnly), value);
            assert_eq!(ours.read(&sent), Ok(ExtensionMessage::UploadOnly(value)));
        }
        _ => {}
    }
});
