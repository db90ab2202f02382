//! Keys and errors in serde's data model. Feature `serde`.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::{ConnectionError, DiskError, LeaveReason, PeerKey};

/// The number of [`PeerKey::to_bits`].
impl Serialize for PeerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bits().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PeerKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(PeerKey::from_bits)
    }
}

/// Implements the message for people. Errors are not read back.
macro_rules! message {
    ($($error:ident)*) => {$(
        /// The message for people.
        impl Serialize for $error {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

message! { ConnectionError DiskError LeaveReason }
