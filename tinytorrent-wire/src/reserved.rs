use std::fmt;

/// A capability that a peer announces by a reserved bit of its handshake (BEP 4).
///
/// The list holds the bits which BEPs assign and those which deployed clients are known to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// `[0] & 0x80`: the messaging protocol of Azureus, Vuze and BiglyBT.
    AzureusMessaging,
    /// `[2] & 0x08`: the location-aware protocol of BitTorrent, Inc.
    LocationAware,
    /// `[5] & 0x10`: the extension protocol, BEP 10.
    Extended,
    /// `[5] & 0x08`: hash trees in v1 torrents, BEP 30; old libtorrent set it.
    MerkleTrees,
    /// `[5] & 0x03`: the preference between BEP 10 and Azureus' messaging, two bits.
    AzureusPreference,
    /// `[7] & 0x10`: the peer may be upgraded to BitTorrent v2, BEP 52.
    ///
    /// Only for a torrent that has a v2 info-hash: libtorrent closes the connection otherwise.
    V2,
    /// `[7] & 0x08`: traversal of address translation, an abandoned proposal.
    NatTraversal,
    /// `[7] & 0x04`: the fast extension, BEP 6.
    Fast,
    /// `[7] & 0x02`: the peer exchange of XBT.
    XbtPeerExchange,
    /// `[7] & 0x01`: a DHT node runs beside the peer, BEP 5. The other end waits for a `port`
    /// message then.
    Dht,
}

impl Feature {
    /// Every feature that has a name, in the order of its bits.
    pub const ALL: [Feature; 10] = [
        Feature::AzureusMessaging,
        Feature::LocationAware,
        Feature::Extended,
        Feature::MerkleTrees,
        Feature::AzureusPreference,
        Feature::V2,
        Feature::NatTraversal,
        Feature::Fast,
        Feature::XbtPeerExchange,
        Feature::Dht,
    ];

    /// A short name for display, such as `fast`.
    pub const fn name(self) -> &'static str {
        match self {
            Feature::AzureusMessaging => "azureus-messaging",
            Feature::LocationAware => "location-aware",
            Feature::Extended => "extended",
            Feature::MerkleTrees => "merkle-trees",
            Feature::AzureusPreference => "azureus-preference",
            Feature::V2 => "v2",
            Feature::NatTraversal => "nat-traversal",
            Feature::Fast => "fast",
            Feature::XbtPeerExchange => "xbt-peer-exchange",
            Feature::Dht => "dht",
        }
    }

    /// The bits, with byte 0 of the handshake's field as the most significant byte.
    const fn mask(self) -> u64 {
        let (byte, bits) = match self {
            Feature::AzureusMessaging => (0, 0x80),
            Feature::LocationAware => (2, 0x08),
            Feature::Extended => (5, 0x10),
            Feature::MerkleTrees => (5, 0x08),
            Feature::AzureusPreference => (5, 0x03),
            Feature::V2 => (7, 0x10),
            Feature::NatTraversal => (7, 0x08),
            Feature::Fast => (7, 0x04),
            Feature::XbtPeerExchange => (7, 0x02),
            Feature::Dht => (7, 0x01),
        };
        bits << (8 * (7 - byte))
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The eight reserved bytes of a handshake, as a set of [`Feature`]s.
///
/// Bits without a name are kept, compared and printed, and never a reason to refuse a peer
/// (BEP 4). A feature is in use only if both ends set it: [`intersection`](Self::intersection).
///
/// A bit is a promise, so there is no default set: name the features that your program has.
///
/// ```
/// use tinytorrent_wire::{Feature, Reserved};
///
/// let ours = Reserved::from([Feature::Extended, Feature::Fast]);
/// let theirs = Reserved::from_bytes([0, 0, 0, 0, 0, 0x10, 0x40, 0x01]);
/// assert_eq!(theirs.to_string(), "extended, dht, unknown 0000000000004000");
/// let both = ours.intersection(theirs);
/// assert!(both.contains(Feature::Extended) && !both.contains(Feature::Fast));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reserved(u64);

impl Reserved {
    /// No bit set.
    pub const fn empty() -> Self {
        Self(0)
    }

    /// Takes the bytes as they stand in a handshake.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// The bytes as they stand in a handshake.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The set and this feature.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | feature.mask())
    }

    /// The set without this feature.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !feature.mask())
    }

    /// Returns true if the feature is announced: if any bit of it is set.
    pub const fn contains(self, feature: Feature) -> bool {
        self.0 & feature.mask() != 0
    }

    /// The bits that both have set, whose features the two ends may use (BEP 6, BEP 10).
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The features that have a name.
    pub fn features(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |&feature| self.contains(feature))
    }

    /// The bits that have no name.
    #[must_use]
    pub fn unknown(self) -> Self {
        Feature::ALL.into_iter().fold(self, Self::without)
    }

    /// Returns true if no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The set of these features.
impl FromIterator<Feature> for Reserved {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        features.into_iter().fold(Self::empty(), Self::with)
    }
}

impl<const N: usize> From<[Feature; N]> for Reserved {
    fn from(features: [Feature; N]) -> Self {
        features.into_iter().collect()
    }
}

/// The names, then the bits without a name as sixteen hexadecimal digits; `none` if no bit is set.
impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut separator = "";
        for feature in self.features() {
            write!(f, "{separator}{feature}")?;
            separator = ", ";
        }
        let unknown = self.unknown();
        if !unknown.is_empty() {
            write!(f, "{separator}unknown {:016x}", unknown.0)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserved({:016x}: {self})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digits: &str) -> Reserved {
        Reserved(u64::from_str_radix(digits, 16).unwrap())
    }

    /// W-06; BEP 4, BEP 5, BEP 6, BEP 10, BEP 52.
    #[test]
    fn each_feature_has_its_bit() {
        let table = [
            (Feature::AzureusMessaging, 0, 0x80),
            (Feature::LocationAware, 2, 0x08),
            (Feature::Extended, 5, 0x10),
            (Feature::MerkleTrees, 5, 0x08),
            (Feature::AzureusPreference, 5, 0x03),
            (Feature::V2, 7, 0x10),
            (Feature::NatTraversal, 7, 0x08),
            (Feature::Fast, 7, 0x04),
            (Feature::XbtPeerExchange, 7, 0x02),
            (Feature::Dht, 7, 0x01),
        ];
        assert_eq!(table.map(|(feature, ..)| feature), Feature::ALL);
        for (feature, byte, bits) in table {
            let mut expected = [0; 8];
            expected[byte] = bits;
            assert_eq!(Reserved::empty().with(feature).to_bytes(), expected, "{feature}");
            assert!(Reserved::from_bytes(expected).contains(feature));
            let others: Reserved = Feature::ALL.into_iter().filter(|&f| f != feature).collect();
            assert_eq!(Reserved::from(Feature::ALL).without(feature), others);
            assert!(!others.contains(feature));
        }
    }

    /// W-07: reserved bytes of deployed clients.
    #[test]
    fn reserved_bits_of_the_wild_parse_and_print() {
        let wild = [
            ("0000000000000000", "none"),
            ("0000000000180005", "extended, merkle-trees, fast, dht"),
            ("0000000000100005", "extended, fast, dht"),
            ("0000000000100015", "extended, v2, fast, dht"),
            ("0000000000100001", "extended, dht"),
            ("0000000000100004", "extended, fast"),
            ("0000000000100000", "extended"),
            ("8000000000130004", "azureus-messaging, extended, azureus-preference, fast"),
            ("6578000000000000", "unknown 6578000000000000"),
        ];
        for (digits, printed) in wild {
            assert_eq!(hex(digits).to_string(), printed);
            assert_eq!(Reserved::from_bytes(hex(digits).to_bytes()), hex(digits));
        }
    }

    /// W-05, BEP 4.
    #[test]
    fn unknown_bits_are_kept() {
        let all = Reserved::from_bytes([0xff; 8]);
        assert_eq!(all.features().count(), Feature::ALL.len());
        assert_eq!(all.unknown().features().count(), 0);
        assert_eq!(all.unknown().intersection(all), all.unknown());
        assert_eq!(all.to_bytes(), [0xff; 8]);
    }

    /// W-05: no other bit is set.
    #[test]
    fn a_set_has_the_features_that_were_named_and_no_others() {
        assert_eq!(Reserved::default(), Reserved::empty());
        assert_eq!(Reserved::empty().to_bytes(), [0; 8]);
        let ours = Reserved::from([Feature::Fast, Feature::Extended, Feature::Fast]);
        assert_eq!(ours, Reserved::empty().with(Feature::Extended).with(Feature::Fast));
        assert_eq!(ours.to_bytes(), [0, 0, 0, 0, 0, 0x10, 0, 0x04]);
        assert_eq!(ours.features().collect::<Reserved>(), ours);
    }

    /// W-08, BEP 6, BEP 10.
    #[test]
    fn a_feature_is_on_only_if_both_sides_set_it() {
        let ours = Reserved::from([Feature::Extended, Feature::Fast, Feature::Dht, Feature::V2]);
        let theirs = hex("0000000000100001");
        let both = ours.intersection(theirs);
        assert_eq!(both, theirs.intersection(ours));
        assert!(both.contains(Feature::Extended) && both.contains(Feature::Dht));
        assert!(!both.contains(Feature::Fast) && !both.contains(Feature::V2));
    }
}
