//! Types from the wire: no panic, and what each of them holds is what it was made of.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_types::compact::{self, Family};
use tinytorrent_types::{
    AddressFilter, AddressScope, BLOCK_LENGTH, Bitfield, ClientName, Crowd, Geometry, Host,
    InfoHashV1, InfoHashV2, Network, PeerId, Printable, is_printable,
};

fuzz_target!(|input: (u8, u64, u32, &[u8])| {
    let (kind, total, piece_length, bytes) = input;
    match kind % 5 {
        0 => peers(bytes),
        1 => bitfield(bytes, piece_length),
        2 => geometry(total, piece_length, bytes),
        3 => client_names(bytes),
        _ => texts(bytes),
    }
});

fn peers(bytes: &[u8]) {
    for family in [Family::V4, Family::V6] {
        let peers = compact::peers(bytes, family);
        let rest = peers.remainder().to_vec();
        let mut filter = AddressFilter::new();
        filter.refuse_bogons(true);
        let mut written = Vec::new();
        let mut crowd = Crowd::new();
        let mut count = 0;
        for address in peers {
            let _ = filter.judge(address);
            crowd.add(address.ip());
            let (host, scope) = (Host::of(address.ip()), AddressScope::of(address.ip()));
            assert_eq!(Network::of(address.ip()), host.network());
            assert!(!(scope.is_local() && scope.is_public()));
            count += 1;
            // An address of one family within the other is written as what it is.
            if Family::of(address.ip()) == family {
                compact::write(address, &mut written);
            }
        }
        assert_eq!(count, bytes.len() / family.stride());
        assert_eq!((crowd.len(), crowd.greediest().is_empty()), (count, count == 0));
        compact::peers(bytes, family).for_each(|address| crowd.remove(address.ip()));
        assert_eq!(crowd, Crowd::new());
        assert_eq!(rest.len(), bytes.len() % family.stride());
        if written.len() + rest.len() == bytes.len() {
            written.extend(rest);
            assert_eq!(written, bytes);
        }
    }
}

fn bitfield(bytes: &[u8], count: u32) {
    // Most claims do not fit, and cost nothing.
    let claimed =
        within(bytes.len(), 1, 1024, || Bitfield::from_bytes_lenient(bytes, count).is_ok());
    assert_eq!(claimed, Bitfield::byte_length(count) == bytes.len());
    let count = (bytes.len() as u32 * 8).saturating_sub(count % 8);
    let Ok(field) = Bitfield::from_bytes_lenient(bytes, count) else { return };
    assert_eq!(Bitfield::from_bytes(bytes, count).is_ok(), field.as_bytes() == bytes);
    assert_eq!(field.iter().count() as u32, field.count());
    assert!(field.iter().all(|index| index < count && field.get(index)));
    assert_eq!(field.is_full(), field.count() == count);
    assert_eq!(field.has_any_beyond(&Bitfield::new(count)), !field.is_empty());
    let Ok(geometry) = Geometry::new(count.into(), 1) else { return };
    let mut again = Bitfield::new(count);
    for piece in field.iter().filter_map(|index| geometry.piece(index)) {
        assert!(again.insert(piece));
    }
    assert_eq!(again, field);
}

fn geometry(total: u64, piece_length: u32, bytes: &[u8]) {
    let pairs = || bytes.as_chunks::<8>().0.iter().map(|pair| u64::from_le_bytes(*pair));
    let padding = pairs().map(|pair| ((pair >> 32) as u32, pair as u32));
    let sorted = padding.is_sorted();
    let plain = Geometry::new(total, piece_length);
    let padded = plain.clone().map(|plain| match sorted {
        true => plain.padded(pairs().map(|pair| ((pair >> 32) as u32, pair as u32))),
        false => plain,
    });
    let aligned = Geometry::aligned(pairs().map(|length| length >> 24), piece_length);
    for geometry in [plain, padded, aligned].into_iter().flatten() {
        let count = geometry.piece_count();
        assert!(geometry.total_payload() <= geometry.total_length());
        for index in [0, 1, count / 2, count.saturating_sub(2), count.saturating_sub(1), u32::MAX] {
            assert_eq!(geometry.piece(index).is_some(), index < count);
            let Some(piece) = geometry.piece(index) else { continue };
            let length = geometry.piece_length(piece);
            assert!(geometry.payload_length(piece) <= length && length <= piece_length);
            assert!(geometry.blocks_length(piece) <= length && length > 0);
            assert_eq!(geometry.piece_at(geometry.piece_offset(piece)), Some(piece));
            let mut end = 0;
            for block in geometry.blocks(piece).take(64) {
                assert_eq!(
                    (block.begin(), geometry.nth_block(piece, block.number())),
                    (end, Some(block))
                );
                assert!(block.length() <= BLOCK_LENGTH);
                end = block.end();
            }
            assert!(
                geometry.block(index, length, 1).is_none()
                    || length < geometry.padded_length(piece)
            );
            for pair in pairs().take(64) {
                let (begin, length) = ((pair >> 32) as u32, pair as u32);
                let Some(block) = geometry.block(index, begin, length) else { continue };
                assert!(block.end() <= geometry.padded_length(piece) && block.length() > 0);
            }
        }
    }
}

fn client_names(bytes: &[u8]) {
    for id in bytes.as_chunks::<20>().0 {
        let id = PeerId::from_bytes(*id);
        let name = within(20, 0, 4096, || ClientName::from_peer_id(&id));
        assert_eq!(name, id.client());
        let Some(name) = name else { continue };
        assert!(name.to_string().chars().all(is_printable), "{name}");
    }
}

fn texts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = Printable(&text).to_string();
    assert!(shown.chars().all(is_printable));
    assert_eq!(shown.chars().count(), text.chars().count());
    if let Ok(hash) = text.parse::<InfoHashV1>() {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    if let Ok(hash) = text.parse::<InfoHashV2>() {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
}
