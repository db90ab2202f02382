use super::ClientName;
use super::version::{Version, decimal, digit};

/// Parses an id whose style belongs to one client.
pub(super) fn specific(id: &[u8; 20]) -> Option<ClientName> {
    if let Some(client) = bitcomet(id) {
        return Some(client);
    }
    let matching = |(at, mark, ..): &&(usize, &[u8], &str, Format)| id[*at..].starts_with(mark);
    let &(_, _, name, format) = SPECIFIC.iter().find(matching)?;
    Some(ClientName { name, version: Version::from_writer(|version| format(id, version)) })
}

/// Parses `M5-0-7--`, `M7-10-5-`: a letter, and three numbers, each with a dash behind it.
pub(super) fn mainline(id: &[u8; 20]) -> Option<ClientName> {
    let name = match id[0] {
        b'M' => "Mainline",
        b'Q' => "Queen Bee",
        _ => return None,
    };
    let version = Version::from_writer(|version| dashed(&id[1..], version));
    // A random id can begin with this letter, so the version is required.
    version.as_str()?;
    Some(ClientName { name, version })
}

/// Parses `S58B-----`: a letter, up to five digits, and dashes.
pub(super) fn shadow(id: &[u8; 20]) -> Option<ClientName> {
    let name = match id[0] {
        b'A' => "ABC",
        b'O' => "Osprey Permaseed",
        b'Q' => "BTQueue",
        b'R' => "Tribler",
        b'S' => "Shadow",
        b'T' => "BitTornado",
        b'U' => "UPnP NAT Bit Torrent",
        _ => return None,
    };
    // The number of dashes varies. Without any, a random id could match.
    if id[4..6] != *b"--" && id[6..9] != *b"---" {
        return None;
    }
    let digits = id[1..6].split(|&byte| byte == b'-').next().unwrap_or_default();
    let numbers = digits.iter().map(|&byte| digit(byte));
    Some(ClientName { name, version: Version::from_writer(|version| version.dotted(numbers)) })
}

/// Parses an id with few letters or none, which a random id could resemble.
pub(super) fn unmarked(id: &[u8; 20]) -> Option<ClientName> {
    if let Some((name, format)) = numbered(id) {
        let version = Version::from_writer(|version| format(id, version));
        return Some(ClientName { name, version });
    }
    let zeros = id.iter().take_while(|&&byte| byte == 0).count();
    // Shareaza computes the last four bytes from the others.
    let is_shareaza = id[..16].iter().all(|&byte| byte != 0)
        && (0..4).all(|at| id[16 + at] == id[at] ^ id[15 - at]);
    let name = match zeros {
        9 if id[9..12] == [3, 3, 3] => "I2PSnark",
        12 => "Mainline",
        _ if is_shareaza => "Shareaza",
        _ => return None,
    };
    Some(ClientName { name, version: Version::NONE })
}

/// The client of an id with two letters behind two bytes of version, of which the first is small.
fn numbered(id: &[u8; 20]) -> Option<(&'static str, Format)> {
    match id {
        [0, _, b'B', b'S', ..] => Some(("BitSpirit", bitspirit)),
        [0..=3, _, b'R', b'S', ..] => Some(("Rufus", rufus)),
        _ => None,
    }
}

/// Parses an id of BitComet before 0.59, BitLord, and two modified clients: four letters, and two
/// bytes of version.
fn bitcomet(id: &[u8; 20]) -> Option<ClientName> {
    if !matches!(&id[..4], b"exbc" | b"FUTB" | b"xUTB") {
        return None;
    }
    // BitLord has the mark of BitComet, and this word behind the version.
    let name = if id[6..10] == *b"LORD" { "BitLord" } else { "BitComet" };
    let version = Version::from_writer(|version| {
        version.number(id[4].into())?;
        version.text(".")?;
        version.two_digits(id[5].into())
    });
    Some(ClientName { name, version })
}

/// A function that writes the version in an id.
type Format = fn(&[u8; 20], &mut Version) -> Option<()>;

/// The offset of a mark, the mark, the client and the format of its version. The first match is
/// taken.
const SPECIFIC: &[(usize, &[u8], &str, Format)] = &[
    (0, b"-BOW", "Bits on Wheels", bits_on_wheels),
    (0, b"-G3", "G3 Torrent", none),
    (0, b"-ML", "MLDonkey", mldonkey),
    (0, b"-Qt-", "Qt", none),
    (0, b"-aria2-", "aria2", none),
    (0, b"aria2-", "aria2", none),
    (0, b"10-------", "JVtorrent", none),
    (0, b"271-", "GreedBT", |_, version| version.text("2.7.1")),
    (0, b"346-", "TorrenTopia", none),
    (0, b"A2-", "aria2", |id, version| dashed(&id[3..], version)),
    (0, b"AP0.", "AllPeers", |id, version| up_to_dash(&id[2..], version)),
    (0, b"AZ2500BT", "BitTyrant", none),
    (0, b"Azureus", "Azureus", |_, version| version.text("1")),
    (5, b"Azureus", "Azureus", |_, version| version.text("2.0.3.2")),
    (0, b"BLZ", "Blizzard Downloader", none),
    (0, b"BTDWV-", "Deadman Walking", none),
    (0, b"BTM", "BTuga Revolution", |id, version| chars(&id[3..5], version)),
    (0, b"BitLet", "BitLet", |id, version| chars(&id[6..8], version)),
    (0, b"DNA", "BitTorrent DNA", |id, version| pairs(&id[3..7], version)),
    (0, b"DansClient", "XanTorrent", none),
    (0, b"Deadman Walking-", "Deadman Walking", none),
    (0, b"FD6", "Free Download Manager", |_, version| version.text("6")),
    (0, b"LIME", "LimeWire", none),
    (0, b"MG-3", "MediaGet", |_, version| version.text("3")),
    (0, b"Mbrst", "Burst", burst),
    (0, b"OP", "Opera", |id, version| version.raw(id[2..6].trim_ascii())),
    (0, b"P87.P---", "BitTorrent Plus!", none),
    (0, b"PEERAPP", "PeerApp", none),
    (0, b"PRC.P---", "BitTorrent Plus! II", none),
    (0, b"Pando-", "Pando", none),
    (0, b"Plus", "Plus!", |id, version| chars(&id[4..7], version)),
    (0, b"QVOD", "QVOD", |id, version| version.raw(&id[4..8])),
    (0, b"S3-", "Amazon S3", |id, version| dashed(&id[3..], version)),
    (0, b"S587Plus", "BitTorrent Plus!", none),
    (0, b"T00---0", "Teeweety", none),
    (0, b"TIX", "Tixati", |id, version| pairs(&id[3..7], version)),
    (0, b"XBT", "XBT Client", xbt),
    (0, b"a00---0", "Swarmy", none),
    (0, b"a02---0", "Swarmy", none),
    (0, b"arclight", "Hurricane Electric", none),
    (0, b"btpd", "BT Protocol Daemon", |id, version| version.raw(&id[5..8])),
    (0, b"btuga", "BTugaXP", none),
    (5, b"BTuga", "BTugaXP", none),
    (0, b"eX", "eXeem", none),
    (0, b"martini", "Martini Man", none),
    (0, b"oernu", "BTugaXP", none),
    (0, b"turbobt", "TurboBT", none),
    (4, b"btfans", "SimpleBT", none),
];

fn none(_: &[u8; 20], _: &mut Version) -> Option<()> {
    None
}

/// `1-18-8-` is 1.18.8.
fn dashed(bytes: &[u8], version: &mut Version) -> Option<()> {
    let mut parts = bytes.split(|&byte| byte == b'-');
    for at in 0..3 {
        let part = parts.next().filter(|part| (1..=2).contains(&part.len()))?;
        if at > 0 {
            version.text(".")?;
        }
        version.number(decimal(part)?)?;
    }
    parts.next().map(|_| ())
}

/// `0137` is 1.37; a last pair of zeros is one zero.
fn pairs(bytes: &[u8], version: &mut Version) -> Option<()> {
    version.number(decimal(&bytes[..2])?)?;
    version.text(".")?;
    match decimal(&bytes[2..])? {
        0 => version.text("0"),
        minor => version.two_digits(minor),
    }
}

/// `123` is 1.2.3.
fn chars(bytes: &[u8], version: &mut Version) -> Option<()> {
    version.dotted(bytes.iter().map(|&byte| digit(byte)))
}

fn up_to_dash(bytes: &[u8], version: &mut Version) -> Option<()> {
    let text = bytes.split(|&byte| byte == b'-').next()?;
    for part in text.split_inclusive(|&byte| byte == b'.') {
        match part.split_last() {
            Some((b'.', part)) => {
                version.raw(part)?;
                version.text(".")?;
            }
            _ => version.raw(part)?,
        }
    }
    Some(())
}

/// `-ML2.7.2-` is 2.7.2.
fn mldonkey(id: &[u8; 20], version: &mut Version) -> Option<()> {
    up_to_dash(&id[3..], version)
}

/// `-BOWA0C-` is 1.0.6; two versions are known.
fn bits_on_wheels(id: &[u8; 20], version: &mut Version) -> Option<()> {
    match &id[4..7] {
        b"A0B" => version.text("1.0.5"),
        b"A0C" => version.text("1.0.6"),
        _ => None,
    }
}

/// `XBT054d-` is 0.5.4 debug.
fn xbt(id: &[u8; 20], version: &mut Version) -> Option<()> {
    chars(&id[3..6], version)?;
    version.text(if id[6] == b'd' { " debug" } else { "" })
}

/// `1-1-3` after the name is 1.1.3.
fn burst(id: &[u8; 20], version: &mut Version) -> Option<()> {
    version.dotted([id[5], id[7], id[9]].map(digit))
}

/// The second byte is the version; zero stands for version 1.
fn bitspirit(id: &[u8; 20], version: &mut Version) -> Option<()> {
    version.number(u32::from(id[1].max(1)))
}

/// The bytes 0 and 69 are 0.6.9.
fn rufus(id: &[u8; 20], version: &mut Version) -> Option<()> {
    let minor = u32::from(id[1]);
    version.dotted([Some(u32::from(id[0])), Some(minor / 10), Some(minor % 10)])
}
