//! The forms of ids, hashes, pieces and blocks in serde's data model. Feature `serde`.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::hex::{self, Hex};
use crate::{
    Bitfield, BlockInfo, ClientName, InfoHashV1, InfoHashV2, InfoHashes, PeerId, PieceIndex,
    WireInfoHash,
};

/// Implements the text form for formats that people read, and the bytes for others.
macro_rules! text_or_bytes {
    ($($name:ident: $expecting:literal)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(self.as_ref())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize(deserializer, $expecting, |bytes| bytes.try_into().ok())
            }
        }
    )*};
}

text_or_bytes! {
    InfoHashV1: "an info-hash of 40 hexadecimal digits, or its 20 bytes"
    InfoHashV2: "an info-hash of 64 hexadecimal digits, or its 32 bytes"
    WireInfoHash: "an info-hash of 40 hexadecimal digits, or its 20 bytes"
    PeerId: "the text of a peer id, or its 20 bytes"
}

/// The text form for formats that people read. For others the bytes: 20 of v1, 32 of v2, or both.
impl Serialize for InfoHashes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let v1 = self.v1();
        let v2 = self.v2();
        let [v1, v2] = [v1.as_ref().map(AsRef::as_ref), v2.as_ref().map(AsRef::as_ref)];
        let bytes: Vec<u8> = [v1, v2].into_iter().flatten().flatten().copied().collect();
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for InfoHashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTING: &str =
            "one or two info-hashes of 40 and 64 hexadecimal digits, or 20, 32 or 52 bytes";
        deserialize(deserializer, EXPECTING, |bytes| {
            if let Ok(v2) = InfoHashV2::try_from(bytes) {
                return Some(v2.into());
            }
            let (v1, v2) = bytes.split_at_checked(20)?;
            let v1 = InfoHashV1::try_from(v1).ok()?;
            if v2.is_empty() {
                return Some(v1.into());
            }
            Some((v1, InfoHashV2::try_from(v2).ok()?).into())
        })
    }
}

/// A number. It is not read back, since only a [`Geometry`](crate::Geometry) makes a piece index.
impl Serialize for PieceIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.get())
    }
}

/// `piece`, `begin` and `length`. It is not read back, since only a [`Geometry`](crate::Geometry)
/// makes a block.
impl Serialize for BlockInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut block = serializer.serialize_struct("BlockInfo", 3)?;
        block.serialize_field("piece", &self.piece())?;
        block.serialize_field("begin", &self.begin())?;
        block.serialize_field("length", &self.length())?;
        block.end()
    }
}

/// The name and version, as they are displayed. It is not read back, since only a peer id has one.
impl Serialize for ClientName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A pair of the number of pieces and the bytes of the `bitfield` message, which are hexadecimal digits
/// in formats that people read.
impl Serialize for Bitfield {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.piece_count(), Bits(self.as_bytes())).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bitfield {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (piece_count, Bits(bytes)) = <(u32, Bits<Vec<u8>>)>::deserialize(deserializer)?;
        Self::from_bytes(&bytes, piece_count).map_err(D::Error::custom)
    }
}

/// The bytes of a bitfield.
struct Bits<B>(B);

impl Serialize for Bits<&[u8]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&Hex(self.0))
        } else {
            serializer.serialize_bytes(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Bits<Vec<u8>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTING: &str = "the hexadecimal digits of a bitfield, or its bytes";
        deserialize(deserializer, EXPECTING, |bytes| Some(Self(bytes.to_vec())))
    }
}

impl FromStr for Bits<Vec<u8>> {
    type Err = hex::HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode_vec(text).map(Self)
    }
}

/// Deserializes the text form from formats that people read, and the bytes from others.
fn deserialize<'de, D, T>(
    deserializer: D,
    expecting: &'static str,
    from_bytes: fn(&[u8]) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let visitor = TextOrBytes { expecting, from_bytes };
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(visitor)
    } else {
        deserializer.deserialize_bytes(visitor)
    }
}

struct TextOrBytes<T> {
    expecting: &'static str,
    from_bytes: fn(&[u8]) -> Option<T>,
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextOrBytes<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        (self.from_bytes)(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
    }
}

/// Ids and hashes as their bytes in every format: `#[serde(with = "tinytorrent_types::as_bytes")]`.
///
/// Messages in bencode have the bytes of an info-hash or a peer id, whereas a format that people read
/// gets the text form by default. For the types with [`AsRef<[u8]>`](AsRef) and
/// [`TryFrom<&[u8]>`](TryFrom): [`InfoHashV1`], [`InfoHashV2`], [`WireInfoHash`] and [`PeerId`].
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tinytorrent_types::{InfoHashV1, PeerId};
///
/// #[derive(Serialize, Deserialize)]
/// struct Announce {
///     // 20 bytes in a message.
///     #[serde(with = "tinytorrent_types::as_bytes")]
///     info_hash: InfoHashV1,
///     // Text in JSON.
///     peer_id: PeerId,
/// }
/// ```
pub mod as_bytes {
    use super::{Deserializer, Error, PhantomData, Serializer, Visitor, fmt};

    /// Serializes the bytes of a value.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: AsRef<[u8]>, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(value.as_ref())
    }

    /// Deserializes a value from its bytes.
    ///
    /// # Errors
    /// Those of the deserializer, and another number of bytes than the type has.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: for<'a> TryFrom<&'a [u8]>,
        D: Deserializer<'de>,
    {
        deserializer.deserialize_bytes(Bytes(PhantomData))
    }

    struct Bytes<T>(PhantomData<T>);

    impl<T: for<'a> TryFrom<&'a [u8]>> Visitor<'_> for Bytes<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "the {} bytes of an id or a hash", size_of::<T>())
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
            T::try_from(bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
        }
    }
}

/// Times as numbers of seconds: `#[serde(with = "tinytorrent_types::as_seconds")]`, for `Duration` and
/// `Option<Duration>`.
///
/// serde's own form of a duration is a pair of seconds and nanoseconds, of which few programs in other
/// languages know. A number has fractions, so that a time of more than a hundred days may come back a few
/// nanoseconds off.
pub mod as_seconds {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer};
    use core::time::{Duration, TryFromFloatSecsError};

    /// A time that is serialized as a number of seconds.
    pub trait Time: Sized + sealed::Sealed {
        /// The number, or none.
        #[doc(hidden)]
        type Number: Serialize + for<'de> Deserialize<'de>;

        #[doc(hidden)]
        fn to_number(&self) -> Self::Number;

        #[doc(hidden)]
        fn from_number(number: Self::Number) -> Result<Self, TryFromFloatSecsError>;
    }

    impl Time for Duration {
        type Number = f64;

        fn to_number(&self) -> f64 {
            self.as_secs_f64()
        }

        fn from_number(seconds: f64) -> Result<Self, TryFromFloatSecsError> {
            Duration::try_from_secs_f64(seconds)
        }
    }

    impl Time for Option<Duration> {
        type Number = Option<f64>;

        fn to_number(&self) -> Option<f64> {
            self.map(|time| time.as_secs_f64())
        }

        fn from_number(seconds: Option<f64>) -> Result<Self, TryFromFloatSecsError> {
            seconds.map(Duration::try_from_secs_f64).transpose()
        }
    }

    /// Serializes a time as a number.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Time, S: Serializer>(time: &T, serializer: S) -> Result<S::Ok, S::Error> {
        time.to_number().serialize(serializer)
    }

    /// Deserializes a time from a number.
    ///
    /// # Errors
    /// Those of the deserializer, and a number that is negative, too large or no number.
    pub fn deserialize<'de, T: Time, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::from_number(T::Number::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    mod sealed {
        use core::time::Duration;

        pub trait Sealed {}

        impl Sealed for Duration {}

        impl Sealed for Option<Duration> {}
    }
}
