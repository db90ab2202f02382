//! The first 68 bytes.

use bytes::BytesMut;
use proptest::prelude::*;
use tinytorrent_types::{PeerId, WireInfoHash};
use tinytorrent_wire::{Feature, Handshake, HandshakeError, HandshakeOpening, Reserved};

fn ours() -> Handshake {
    Handshake {
        reserved: Reserved::from([Feature::Extended, Feature::Fast]),
        info_hash: WireInfoHash::from_bytes([0xaa; 20]),
        peer_id: PeerId::from_bytes(*b"-TY0100-abcdefghijkl"),
    }
}

/// W-01, BEP 3, "peer protocol".
#[test]
fn handshake_has_the_layout_of_bep_3() {
    let mut expected = b"\x13BitTorrent protocol".to_vec();
    expected.extend_from_slice(&[0, 0, 0, 0, 0, 0x10, 0, 0x04]);
    expected.extend_from_slice(&[0xaa; 20]);
    expected.extend_from_slice(b"-TY0100-abcdefghijkl");
    assert_eq!(ours().to_bytes(), expected[..]);
    let mut out = Vec::new();
    ours().encode(&mut out);
    assert_eq!(out, expected);
}

/// W-01, W-03: the hash can be looked up and answered before the id has come.
#[test]
fn hash_is_there_before_the_id() {
    let bytes = ours().to_bytes();
    for length in 0..=bytes.len() {
        let opening = HandshakeOpening::parse(&bytes[..length]).unwrap();
        assert_eq!(opening.is_some(), length >= 48, "{length} bytes");
        let whole = Handshake::parse(&bytes[..length]).unwrap();
        assert_eq!(whole.is_some(), length == 68, "{length} bytes");
        if let Some(opening) = opening {
            assert_eq!(opening.info_hash, ours().info_hash);
            assert_eq!(opening.with_peer_id(ours().peer_id), ours());
        }
    }
}

/// W-02: the first different byte shows another protocol.
#[test]
fn another_protocol_is_refused_at_its_first_byte() {
    for offset in 0..20 {
        let mut bytes = ours().to_bytes();
        bytes[offset] ^= 0x20;
        let error = HandshakeError::Protocol { offset, found: bytes[offset] };
        assert_eq!(HandshakeOpening::parse(&bytes[..=offset]), Err(error));
        assert_eq!(Handshake::parse(&bytes), Err(error));
        assert_eq!(Handshake::parse(&bytes[..offset]), Ok(None), "not yet");
    }
}

/// W-05, BEP 4.
#[test]
fn no_reserved_bit_is_a_reason_to_refuse() {
    for bit in 0..64 {
        let mut bytes = ours().to_bytes();
        bytes[20..28].copy_from_slice(&(1_u64 << bit).to_be_bytes());
        let handshake = Handshake::parse(&bytes).unwrap().unwrap();
        assert_eq!(handshake.reserved.to_bytes(), bytes[20..28]);
        assert_eq!(handshake.to_bytes(), bytes);
    }
}

proptest! {
    #[test]
    fn handshakes_round_trip_and_leave_the_rest(
        reserved: [u8; 8],
        info_hash: [u8; 20],
        peer_id: [u8; 20],
        rest: Vec<u8>,
    ) {
        let handshake = Handshake {
            reserved: Reserved::from_bytes(reserved),
            info_hash: WireInfoHash::from_bytes(info_hash),
            peer_id: PeerId::from_bytes(peer_id),
        };
        let mut buffer = BytesMut::from(&handshake.to_bytes()[..]);
        buffer.extend_from_slice(&rest);
        prop_assert_eq!(Handshake::decode(&mut buffer), Ok(Some(handshake)));
        prop_assert_eq!(&buffer[..], &rest[..]);
    }
}
