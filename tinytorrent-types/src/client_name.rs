use core::fmt;

use crate::PeerId;

mod azureus;
mod styles;
mod version;

use version::Version;

/// The name and version of a client, from its peer id (BEP 20).
///
/// Any client can send the id of another, so they are for display and statistics only.
///
/// ```
/// use tinytorrent_types::PeerId;
///
/// let client = PeerId::from_bytes(*b"-qB4650-abcdefghijkl").client().unwrap();
/// assert_eq!(client.name(), "qBittorrent");
/// assert_eq!(client.version(), Some("4.6.5"));
/// assert_eq!(client.to_string(), "qBittorrent 4.6.5");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientName {
    name: &'static str,
    version: Version,
}

impl ClientName {
    /// Parses an id in one of the styles in use: `-XX1234-` of Azureus, `X123--` of Shadow,
    /// `M1-2-3--` of Mainline, and those of single clients. Returns `None` for an unknown client.
    pub fn from_peer_id(id: &PeerId) -> Option<Self> {
        let bytes = id.as_bytes();
        // The most specific style comes first: an id can match several.
        styles::specific(bytes)
            .or_else(|| azureus::read(bytes))
            .or_else(|| styles::mainline(bytes))
            .or_else(|| styles::shadow(bytes))
            .or_else(|| styles::unmarked(bytes))
    }

    /// The client's name, without its version.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The version in printable ASCII, if the id has one.
    pub fn version(&self) -> Option<&str> {
        self.version.as_str()
    }
}

/// Name and version, with a space between them.
impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.version().map_or(Ok(()), |version| write!(f, " {version}"))
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    /// Padded with what no style takes for its own.
    fn client(start: &[u8]) -> Option<ClientName> {
        let mut id = *b"zzzzzzzzzzzzzzzzzzzz";
        id[..start.len()].copy_from_slice(start);
        PeerId::from_bytes(id).client()
    }

    fn printed(start: &[u8]) -> String {
        client(start).map_or_else(String::new, |client| client.to_string())
    }

    /// W-55, BEP 20: two letters, four digits, between dashes.
    #[test]
    fn azureus_style_names_client_and_version() {
        let ids: &[(&[u8], &str)] = &[
            (b"-AZ2060-", "Vuze 2.0.6.0"),
            (b"-TR0006-", "Transmission 0.6"),
            (b"-TR0072-", "Transmission 0.72"),
            (b"-TR111Z-", "Transmission 1.11 dev"),
            (b"-TR2940-", "Transmission 2.94"),
            (b"-TR3000-", "Transmission 3.00"),
            (b"-TR4060-", "Transmission 4.0.6"),
            (b"-TR400B-", "Transmission 4.0.0 beta"),
            (b"-qB4650-", "qBittorrent 4.6.5"),
            (b"-qB4A10-", "qBittorrent 4.10.1"),
            (b"-LT20B0-", "libtorrent 2.0.11"),
            (b"-lt0D80-", "rTorrent 0.13.8"),
            (b"-DE211s-", "Deluge 2.1.1"),
            (b"-BC0241-", "BitComet 2.41"),
            (b"-BI2300-", "BiglyBT 2.3.0.0"),
            (b"-KT33D1-", "KTorrent 3.3 dev 1"),
            (b"-KT11R1-", "KTorrent 1.1 rc 1"),
            (b"-KT5110-", "KTorrent 5.1.1"),
            (b"-UT341\0-", "\u{b5}Torrent 3.4.1"),
            (b"-UT170B-", "\u{b5}Torrent 1.7.0 beta"),
            (b"-UT7a5\0-", "\u{b5}Torrent 7.10.5"),
            (b"-BT791B-", "BitTorrent 7.9.1 beta"),
            (b"-UW110Q-", "\u{b5}Torrent Web 1.1.0"),
            (b"-UW1110Q", "\u{b5}Torrent Web 1.1.10"),
            (b"-FG0180", "FlashGet 1.80"),
            (b"-ST0117-", "SymTorrent 1.17"),
            (b"-PI0120-", "PicoTorrent 0.12.0"),
            (b"-BR0332-", "BitRocket 0.3 (32)"),
            (b"-WW0068-", "WebTorrent 0.0.6.8"),
            (b"-LP0302-", "Lphant 3.02"),
            (b"-BL246326", "BitLord 2.4.6-326"),
            (b"-FD51R\xff-", "Free Download Manager 5.1.27"),
            (b"-FL51FF-", "Folx 5.1"),
            (b"-LW0001-", "LimeWire"),
            (b"-TT210w-", "TuoTu 2.1.0"),
            (b"-AB103S-", "AnyEvent::BitTorrent 1.0.3"),
        ];
        for (id, expected) in ids {
            assert_eq!(printed(id), *expected, "{}", id.escape_ascii());
        }
    }

    /// W-55, BEP 20: one letter, up to five digits of base 64, dashes.
    #[test]
    fn shadow_style_names_client_and_version() {
        let ids: &[(&[u8], &str)] = &[
            (b"S58B-----", "Shadow 5.8.11"),
            (b"A269------", "ABC 2.6.9"),
            (b"A310--001v5Gysr4NxNK", "ABC 3.1.0"),
            (b"T03C-----6tYolxhVUFS", "BitTornado 0.3.12"),
            (b"T03I--008gY6iB6Aq27C", "BitTornado 0.3.18"),
            (b"T0390----5uL5NvjBe2z", "BitTornado 0.3.9.0"),
            (b"R37---003uApHy851-Pq", "Tribler 3.7"),
            (b"A--------YMyoBPXYy2L", "ABC"),
        ];
        for (id, expected) in ids {
            assert_eq!(printed(id), *expected, "{}", id.escape_ascii());
        }
    }

    /// W-55, BEP 20: one letter, three numbers, dashes.
    #[test]
    fn mainline_style_names_client_and_version() {
        let ids: &[(&[u8], &str)] = &[
            (b"M5-0-7--9aa757efd5be", "Mainline 5.0.7"),
            (b"M7-10-5-9aa757efd5be", "Mainline 7.10.5"),
            (b"M4-20-11-aa757efd5be", "Mainline 4.20.11"),
            (b"Q1-0-0--", "Queen Bee 1.0.0"),
            (b"Q1-10-0-", "Queen Bee 1.10.0"),
        ];
        for (id, expected) in ids {
            assert_eq!(printed(id), *expected, "{}", id.escape_ascii());
        }
    }

    /// W-55: the styles of one client only.
    #[test]
    fn odd_styles_are_known() {
        let ids: &[(&[u8], &str)] = &[
            (b"exbc\x00\x38LORD2", "BitLord 0.56"),
            (b"exbc\x00\x38zDc", "BitComet 0.56"),
            (b"FUTB\x00\x38zDc", "BitComet 0.56"),
            (b"\0\x03BS\x07\x24\x88\x96", "BitSpirit 3"),
            (b"XBT054d-", "XBT Client 0.5.4 debug"),
            (b"XBT054--", "XBT Client 0.5.4"),
            (b"OP7685f2c1495b", "Opera 7685"),
            (b"-ML2.7.2-kgjjfkd", "MLDonkey 2.7.2"),
            (b"-BOWA0C-EPICNZOGQPHP", "Bits on Wheels 1.0.6"),
            (b"AZ2500BT", "BitTyrant"),
            (b"346------", "TorrenTopia"),
            (b"\x00\x45RSAnonymous", "Rufus 0.6.9"),
            (b"-G3Anonymous", "G3 Torrent"),
            (b"A2-1-18-8-", "aria2 1.18.8"),
            (b"A2-1-2-0-", "aria2 1.2.0"),
            (b"A2-1-37-0-", "aria2 1.37.0"),
            (b"S3-1-0-0--0123456789", "Amazon S3 1.0.0"),
            (b"TIX0193-", "Tixati 1.93"),
            (b"Mbrst1-1-32e3c394b43", "Burst 1.1.3"),
            (b"DNA01000", "BitTorrent DNA 1.0"),
            (b"LIMEabc", "LimeWire"),
            (b"MG-3abcd", "MediaGet 3"),
            (b"zzzzzBTuga", "BTugaXP"),
            (b"QVOD0054", "QVOD 0054"),
            (b"AP0.70rc30-", "AllPeers 0.70rc30"),
            (b"btpd/131", "BT Protocol Daemon 131"),
            (b"Plus---", "Plus!"),
            (b"eX12345", "eXeem"),
            (b"FD6k4SYy9BOU4U4rk3-J", "Free Download Manager 6"),
            (b"Azureus\0\0\0", "Azureus 1"),
            (b"-----AzureusTiNz*dT\xa7", "Azureus 2.0.3.2"),
            (b"\0\0\0\0\0\0\0\0\0\x03\x03\x03\x01\x02\x03\x04\x05\x06\x07\x08", "I2PSnark"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0LSD\x19\x33\x10\x42\x77", "Mainline"),
        ];
        for (id, expected) in ids {
            assert_eq!(printed(id), *expected, "{}", id.escape_ascii());
        }
    }

    #[test]
    fn unknown_ids_have_no_name() {
        let ids: &[&[u8]] =
            &[&[0; 20], b"-IIO\x10\x2d\x04-", b"-!!1234-", b"zzzz", &[0xff; 20], b"M5070"];
        for id in ids {
            assert_eq!(client(id), None, "{}", id.escape_ascii());
        }
    }

    /// W-55: whatever the bytes, what is printed is text.
    #[test]
    fn version_is_printable_whatever_the_id() {
        for code in
            [&b"-UT"[..], b"-TR", b"-KT", b"-BL", b"-ML", b"AP", b"OP", b"A2-", b"S3-", b"XBT"]
        {
            for byte in 0..=255 {
                let mut id = [byte; 20];
                id[..code.len()].copy_from_slice(code);
                let printed = PeerId::from_bytes(id).client().map(|client| client.to_string());
                let printed = printed.unwrap_or_default();
                assert!(
                    printed.chars().all(|c| c == '\u{b5}' || (' '..='~').contains(&c)),
                    "{id:?}"
                );
            }
        }
    }

    #[test]
    fn ours_is_known() {
        let ours = PeerId::generate(*b"abcdefghijkl").client().unwrap();
        assert_eq!(ours.name(), "tinytorrent");
        assert_eq!(ours.version(), Some(concat!(env!("CARGO_PKG_VERSION"))));
    }
}
