use core::fmt;

use crate::PeerId;

/// The name and version of a client, as its peer id tells (BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientName {
    name: &'static str,
    version: [u8; 4],
}

impl ClientName {
    /// Reads an Azureus-style id, `-XX1234-`; `None` if it is of no known client.
    pub fn from_peer_id(id: &PeerId) -> Option<Self> {
        let bytes = id.as_bytes();
        if bytes[0] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let code = [bytes[1], bytes[2]];
        let (_, name) = AZUREUS.iter().find(|(known, _)| **known == code)?;
        Some(Self { name, version: [bytes[3], bytes[4], bytes[5], bytes[6]] })
    }

    /// The client's name, without its version.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (at, &character) in self.version.iter().enumerate() {
            let character = if character.is_ascii_graphic() { character as char } else { '?' };
            write!(f, "{}{character}", if at == 0 { ' ' } else { '.' })?;
        }
        Ok(())
    }
}

/// Two letters of an Azureus-style id, and whose they are.
const AZUREUS: &[(&[u8; 2], &str)] = &[
    (b"AZ", "Azureus"),
    (b"DE", "Deluge"),
    (b"LT", "libtorrent"),
    (b"TR", "Transmission"),
    (b"TT", "tinytorrent"),
    (b"UT", "uTorrent"),
    (b"WW", "WebTorrent"),
    (b"lt", "rTorrent"),
    (b"qB", "qBittorrent"),
    (b"rQ", "rqbit"),
];

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn azureus_style_names_client_and_version() {
        let id = PeerId::from_bytes(*b"-TR4060-............");
        assert_eq!(id.client().unwrap().to_string(), "Transmission 4.0.6.0");
    }

    #[test]
    fn unknown_style_has_no_name() {
        assert_eq!(PeerId::from_bytes([0; 20]).client(), None);
    }
}
