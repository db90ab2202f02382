use super::ClientName;
use super::version::{Version, decimal, digit};

/// A function that writes the version in an id.
type Format = fn(&[u8; 20], &mut Version) -> Option<()>;

/// Parses `-XX1234-`.
pub(super) fn read(id: &[u8; 20]) -> Option<ClientName> {
    // Some clients leave out the last dash, so it is not required.
    let &[b'-', first, second, ..] = id else { return None };
    let code = [first, second];
    let at = CLIENTS.binary_search_by(|(known, ..)| (*known).cmp(&code)).ok()?;
    let (_, name, format) = CLIENTS[at];
    Some(ClientName { name, version: Version::from_writer(|version| format(id, version)) })
}

/// The two letters of an Azureus-style id, the client and the format of its version, sorted by
/// letters.
///
/// The sources are BEP 20, the tables of libtorrent, Transmission and BiglyBT, and the clients
/// themselves. Where they disagree, the letters are those of the client that is still in use.
const CLIENTS: &[(&[u8; 2], &str, Format)] = &[
    (b"7T", "aTorrent", four),
    (b"AB", "AnyEvent::BitTorrent", three),
    (b"AD", "Advanced Download Manager", three),
    (b"AG", "Ares", four),
    (b"AN", "Ares", four),
    (b"AR", "Arctic Torrent", four),
    (b"AT", "Artemis", four),
    (b"AV", "Avicora", four),
    (b"AX", "BitPump", two_and_two),
    (b"AZ", "Vuze", four),
    (b"A~", "Ares", three),
    (b"BB", "BitBuddy", one_and_three),
    (b"BC", "BitComet", two_and_two),
    (b"BE", "BitTorrent SDK", four),
    (b"BF", "Bitflu", none),
    (b"BG", "BTG", four),
    (b"BH", "BitZilla", four),
    (b"BI", "BiglyBT", four),
    (b"BL", "BitLord", bitlord),
    (b"BM", "BitMagnet", four),
    (b"BN", "Baidu Netdisk", none),
    (b"BP", "BitTorrent Pro", four),
    (b"BR", "BitRocket", bitrocket),
    (b"BS", "BTSlave", four),
    (b"BT", "BitTorrent", utorrent),
    (b"BU", "BigUp", four),
    (b"BW", "BitTorrent Web", utorrent),
    (b"BX", "BittorrentX", four),
    (b"CB", "Shareaza Plus", four),
    (b"CD", "Enhanced CTorrent", two_and_two),
    (b"CT", "CTorrent", ctorrent),
    (b"DE", "Deluge", three),
    (b"DP", "Propagate Data Client", four),
    (b"EB", "EBit", four),
    (b"ES", "Electric Sheep", three),
    (b"FC", "FileCroc", four),
    (b"FD", "Free Download Manager", three),
    (b"FG", "FlashGet", two_and_two),
    (b"FL", "Folx", two),
    (b"FT", "FoxTorrent", four),
    (b"FW", "FrostWire", three),
    (b"FX", "Freebox", four),
    (b"GR", "GetRight", two),
    (b"GS", "GSTorrent", four),
    (b"HK", "Hekate", four),
    (b"HL", "Halite", three),
    (b"HN", "Hydranode", four),
    (b"IL", "iLivid", three),
    (b"KC", "Koinonein", four),
    (b"KG", "KGet", four),
    (b"KT", "KTorrent", ktorrent),
    (b"LC", "LeechCraft", four),
    (b"LH", "LH-ABC", four),
    (b"LK", "Linkage", three),
    (b"LP", "Lphant", two_and_two),
    (b"LR", "LibreTorrent", three),
    (b"LT", "libtorrent", three),
    (b"LW", "LimeWire", none),
    (b"Lr", "LibreTorrent", three),
    (b"MG", "MediaGet", two),
    (b"MK", "Meerkat", four),
    (b"MO", "MonoTorrent", four),
    (b"MP", "MooPolice", three),
    (b"MR", "Miro", four),
    (b"MT", "MoonlightTorrent", four),
    (b"NE", "BT Next Evolution", three),
    (b"NX", "Net Transport", four),
    (b"OS", "OneSwarm", four),
    (b"OT", "OmegaTorrent", four),
    (b"PD", "Pando", four),
    (b"PE", "PeerProject", four),
    (b"PI", "PicoTorrent", one_two_one),
    (b"QD", "QQDownload", four),
    (b"QT", "Qt 4 Torrent example", four),
    (b"RS", "Rufus", four),
    (b"RT", "Retriever", four),
    (b"RZ", "RezTorrent", four),
    (b"SB", "SwiftBit", four),
    (b"SD", "Xunlei", four),
    (b"SG", "GS Torrent", four),
    (b"SK", "Spark", four),
    (b"SM", "SoMud", four),
    (b"SN", "ShareNET", four),
    (b"SP", "BitSpirit", three),
    (b"SS", "SwarmScope", four),
    (b"ST", "SymTorrent", two_and_two),
    (b"SZ", "Shareaza", four),
    (b"S~", "Shareaza", four),
    (b"TB", "Torch", none),
    (b"TL", "Tribler", four),
    (b"TN", "Torrent.NET", four),
    (b"TR", "Transmission", transmission),
    (b"TS", "TorrentStorm", four),
    (b"TT", "TuoTu", three),
    (b"TX", "Tixati", four),
    (b"TY", "tinytorrent", three),
    (b"UE", "\u{b5}Torrent Embedded", utorrent),
    (b"UL", "uLeecher", four),
    (b"UM", "\u{b5}Torrent Mac", utorrent),
    (b"UT", "\u{b5}Torrent", utorrent),
    (b"UW", "\u{b5}Torrent Web", utorrent),
    (b"VG", "Vagaa", four),
    (b"WD", "WebTorrent Desktop", four),
    (b"WS", "HTTP seed", none),
    (b"WT", "BitLet", four),
    (b"WW", "WebTorrent", four),
    (b"WY", "FireTorrent", four),
    (b"XC", "Xtorrent", ctorrent),
    (b"XF", "Xfplay", four),
    (b"XL", "Xunlei", four),
    (b"XS", "XSwifter", four),
    (b"XT", "XanTorrent", four),
    (b"XX", "Xtorrent", ctorrent),
    (b"ZO", "Zona", four),
    (b"ZT", "ZipTorrent", four),
    (b"bk", "BitKitten", four),
    (b"eM", "eMule", none),
    (b"lt", "rTorrent", three),
    (b"pX", "pHoeniX", four),
    (b"pb", "pbTorrent", three),
    (b"qB", "qBittorrent", three),
    (b"rQ", "rqbit", three),
    (b"st", "SharkTorrent", four),
    (b"tT", "tTorrent", four),
];

fn none(_: &[u8; 20], _: &mut Version) -> Option<()> {
    None
}

/// `1234` is 1.2.3.4.
fn four(id: &[u8; 20], version: &mut Version) -> Option<()> {
    version.dotted(id[3..7].iter().map(|&byte| digit(byte)))
}

/// `123x` is 1.2.3.
fn three(id: &[u8; 20], version: &mut Version) -> Option<()> {
    version.dotted(id[3..6].iter().map(|&byte| digit(byte)))
}

/// `12xx` is 1.2.
fn two(id: &[u8; 20], version: &mut Version) -> Option<()> {
    version.dotted(id[3..5].iter().map(|&byte| digit(byte)))
}

/// `0123` is 1.23.
fn two_and_two(id: &[u8; 20], version: &mut Version) -> Option<()> {
    version.number(decimal(&id[3..5])?)?;
    version.text(".")?;
    version.two_digits(decimal(&id[5..7])?)
}

/// `1234` is 1.234.
fn one_and_three(id: &[u8; 20], version: &mut Version) -> Option<()> {
    version.raw(&id[3..4])?;
    version.text(".")?;
    version.raw(&id[4..7])
}

/// `1234` is 1.23.4.
fn one_two_one(id: &[u8; 20], version: &mut Version) -> Option<()> {
    version.dotted([digit(id[3])])?;
    version.text(".")?;
    version.number(decimal(&id[4..6])?)?;
    version.text(".")?;
    version.dotted([digit(id[6])])
}

/// `1234` is 1.2.34.
fn ctorrent(id: &[u8; 20], version: &mut Version) -> Option<()> {
    two(id, version)?;
    version.text(".")?;
    version.raw(&id[5..7])
}

/// `1234` is 1.2 (34).
fn bitrocket(id: &[u8; 20], version: &mut Version) -> Option<()> {
    two(id, version)?;
    version.text(" (")?;
    version.raw(&id[5..7])?;
    version.text(")")
}

/// `123456`, without a dash, is 1.2.3-456.
fn bitlord(id: &[u8; 20], version: &mut Version) -> Option<()> {
    three(id, version)?;
    version.text("-")?;
    version.raw(&id[6..9])
}

/// `12D3` is 1.2 dev 3, `12R3` is 1.2 rc 3, else 1.2.3.
fn ktorrent(id: &[u8; 20], version: &mut Version) -> Option<()> {
    let stage = match id[5] {
        b'D' => " dev ",
        b'R' => " rc ",
        _ => return three(id, version),
    };
    two(id, version)?;
    version.text(stage)?;
    version.number(digit(id[6])?)
}

/// `0006` is 0.6, `0072` is 0.72, `2940` is 2.94, and `4060` is 4.0.6.
fn transmission(id: &[u8; 20], version: &mut Version) -> Option<()> {
    // The first versions had one digit behind the point, and later ones two.
    if id[3..6] == *b"000" {
        version.text("0.")?;
        return version.number(digit(id[6])?);
    }
    if id[3..5] == *b"00" {
        version.text("0.")?;
        return version.two_digits(decimal(&id[5..7])?);
    }
    // From 4.0 on each digit is a number of its own.
    if id[3] <= b'3' {
        version.number(digit(id[3])?)?;
        version.text(".")?;
        version.two_digits(decimal(&id[4..6])?)?;
    } else {
        three(id, version)?;
    }
    version.text(stage(id[6]))
}

/// `123B` is 1.2.3 beta; `1110Q`, without a dash, is 1.1.10.
fn utorrent(id: &[u8; 20], version: &mut Version) -> Option<()> {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    version.dotted([hex(id[3]), hex(id[4])])?;
    version.text(".")?;
    // A fifth character in the place of the dash means a third number of two digits.
    match decimal(&id[5..7]) {
        Some(wide) if id[7] != b'-' && id[6] != 0 => {
            version.number(wide)?;
            version.text(stage(id[7]))
        }
        _ => {
            version.number(hex(id[5])?)?;
            version.text(stage(id[6]))
        }
    }
}

/// The stage that the letter behind a version stands for; empty for a release.
fn stage(byte: u8) -> &'static str {
    match byte {
        b'b' | b'B' => " beta",
        b'd' | b'D' => " debug",
        b'x' | b'X' | b'Z' => " dev",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::CLIENTS;

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(CLIENTS.is_sorted_by(|(a, ..), (b, ..)| a < b));
    }
}
