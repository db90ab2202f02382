//! The conversions that ids and hashes of a fixed length have in common.

/// Implements the conversions of a type that wraps an array of bytes.
macro_rules! byte_conversions {
    ($name:ident, $length:literal, $what:literal) => {
        impl $name {
            #[doc = concat!($what, " of these bytes.")]
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes as they stand in a message.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl From<[u8; $length]> for $name {
            fn from(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }
        }

        impl From<$name> for [u8; $length] {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = core::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }
    };
}

pub(crate) use byte_conversions;

#[cfg(test)]
mod tests {
    use crate::{InfoHashV1, InfoHashV2, PeerId, WireInfoHash};

    #[test]
    fn bytes_go_in_and_out_of_each_type() {
        let (short, long) = ([7; 20], [8; 32]);
        assert_eq!(<[u8; 20]>::from(InfoHashV1::from(short)), short);
        assert_eq!(<[u8; 20]>::from(WireInfoHash::from(short)), short);
        assert_eq!(<[u8; 20]>::from(PeerId::from(short)), short);
        assert_eq!(<[u8; 32]>::from(InfoHashV2::from(long)), long);
        assert_eq!(InfoHashV2::from(long).as_ref(), long);
        assert!(InfoHashV2::try_from(&short[..]).is_err());
        assert_eq!(PeerId::try_from(&short[..]).unwrap(), PeerId::from_bytes(short));
    }
}
