use tinytorrent_bencode::{self as bencode, Raw, encode};
use tinytorrent_hash::sha1;

use crate::NodeId;
use crate::message::{ErrorCode, MAX_SALT, MAX_VALUE, PutMutable};

/// An item of the DHT (BEP 44): any bencoded value of up to 1,000 bytes.
///
/// An immutable item is found by its hash. A mutable one is found by the key of its owner, who changes it by
/// signing a new value.
///
/// ```
/// use tinytorrent_dht::Item;
///
/// let item = Item::from_text("Hello World!")?;
/// assert_eq!(item.target().to_string(), "e5f96f6f38320f0f33959cb4d3d656452117aadb");
/// # Ok::<(), tinytorrent_dht::ItemError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Canonical bencode of up to [`MAX_VALUE`] bytes.
    value: Box<[u8]>,
    mutable: Option<Box<MutablePart>>,
}

/// What a mutable item has beside its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutablePart {
    /// The public key of its owner.
    pub key: [u8; 32],
    /// The signature over salt, sequence number and value.
    pub signature: [u8; 64],
    /// The sequence number, which each change increases.
    pub seq: i64,
    /// The name of the item among those of its owner. Empty if there is none.
    pub salt: Box<[u8]>,
}

/// An item that breaks the rules of BEP 44.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// The value is longer than 1,000 bytes.
    #[error("the value has {length} bytes of bencode, more than {MAX_VALUE}")]
    ValueTooLong {
        /// Its length.
        length: usize,
    },
    /// The value is no canonical bencode, which two nodes would store under different hashes.
    #[error("the value is not canonical bencode: {0}")]
    NotCanonical(bencode::Error),
    /// The salt is longer than 64 bytes.
    #[error("the salt has {length} bytes, more than {MAX_SALT}")]
    SaltTooLong {
        /// Its length.
        length: usize,
    },
    /// The signature is not of this key, salt, sequence number and value, or this build verifies none
    /// because it lacks the feature `mutable`.
    #[error("the signature is wrong, or cannot be verified")]
    InvalidSignature,
}

impl Item {
    /// An immutable item with a bencoded value.
    ///
    /// # Errors
    /// [`ItemError`] if the value is too long or not canonical.
    pub fn immutable(value: &[u8]) -> Result<Self, ItemError> {
        if value.len() > MAX_VALUE {
            return Err(ItemError::ValueTooLong { length: value.len() });
        }
        bencode::decode(value).map_err(ItemError::NotCanonical)?;
        Ok(Self { value: value.into(), mutable: None })
    }

    /// An immutable item whose value is a string.
    ///
    /// # Errors
    /// [`ItemError::ValueTooLong`].
    pub fn from_text(text: impl AsRef<[u8]>) -> Result<Self, ItemError> {
        let mut value = Vec::new();
        encode::bytes(&mut value, text);
        Self::immutable(&value)
    }

    /// A mutable item, as it was received.
    ///
    /// # Errors
    /// [`ItemError`] if the value or the salt is too long, the value is not canonical, or the signature is not
    /// the owner's. Without the feature `mutable` no signature can be verified.
    pub fn mutable(value: &[u8], part: MutablePart) -> Result<Self, ItemError> {
        if part.salt.len() > MAX_SALT {
            return Err(ItemError::SaltTooLong { length: part.salt.len() });
        }
        let item = Self::immutable(value)?;
        if !verify(&part.key, &signed_bytes(&part.salt, part.seq, value), &part.signature) {
            return Err(ItemError::InvalidSignature);
        }
        Ok(Self { mutable: Some(Box::new(part)), ..item })
    }

    /// A mutable item that is signed with the secret key of its owner, of 32 random bytes.
    ///
    /// # Errors
    /// [`ItemError`] if the value or the salt is too long, or the value is not canonical.
    #[cfg(feature = "mutable")]
    pub fn sign(secret: &[u8; 32], salt: &[u8], seq: i64, value: &[u8]) -> Result<Self, ItemError> {
        use ed25519_dalek::{Signer, SigningKey};
        if salt.len() > MAX_SALT {
            return Err(ItemError::SaltTooLong { length: salt.len() });
        }
        let key = SigningKey::from_bytes(secret);
        let signature = key.sign(&signed_bytes(salt, seq, value)).to_bytes();
        let key = key.verifying_key().to_bytes();
        let item = Self::immutable(value)?;
        let part = MutablePart { key, signature, seq, salt: salt.into() };
        Ok(Self { mutable: Some(Box::new(part)), ..item })
    }

    /// The item of a `put`, checked.
    pub(crate) fn from_put(
        value: &[u8],
        mutable: Option<&PutMutable<'_>>,
    ) -> Result<Self, ItemError> {
        let Some(part) = mutable else { return Self::immutable(value) };
        let part = MutablePart {
            key: *part.key,
            signature: *part.signature,
            seq: part.seq,
            salt: part.salt.into(),
        };
        Self::mutable(value, part)
    }

    /// The key under which nodes store it: the SHA-1 of its value, or of its owner's key and its salt.
    pub fn target(&self) -> NodeId {
        match &self.mutable {
            None => NodeId::from_bytes(sha1(&self.value)),
            Some(part) => Self::target_of(&part.key, &part.salt),
        }
    }

    /// The key under which nodes store a mutable item.
    pub fn target_of(key: &[u8; 32], salt: &[u8]) -> NodeId {
        NodeId::from_bytes(sha1(&[&key[..], salt].concat()))
    }

    /// The value, as bencode.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The value, to embed in other bencode.
    pub(crate) fn raw(&self) -> Raw<'_> {
        Raw::new(&self.value).expect("the value was decoded when the item was made")
    }

    /// What it has as a mutable item; `None` if it is immutable.
    pub fn mutable_part(&self) -> Option<&MutablePart> {
        self.mutable.as_deref()
    }

    /// The sequence number of a mutable item.
    pub fn seq(&self) -> Option<i64> {
        self.mutable.as_ref().map(|part| part.seq)
    }
}

impl ItemError {
    /// The code with which a node refuses such an item.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::ValueTooLong { .. } => ErrorCode::ValueTooLong,
            Self::NotCanonical(_) => ErrorCode::Protocol,
            Self::SaltTooLong { .. } => ErrorCode::SaltTooLong,
            Self::InvalidSignature => ErrorCode::InvalidSignature,
        }
    }
}

/// The bytes that the owner of an item signs (BEP 44, "signature verification").
fn signed_bytes(salt: &[u8], seq: i64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + salt.len() + 48);
    if !salt.is_empty() {
        out.extend_from_slice(b"4:salt");
        encode::bytes(&mut out, salt);
    }
    out.extend_from_slice(b"3:seq");
    encode::integer(&mut out, seq);
    out.extend_from_slice(b"1:v");
    out.extend_from_slice(value);
    out
}

#[cfg(feature = "mutable")]
fn verify(key: &[u8; 32], signed: &[u8], signature: &[u8; 64]) -> bool {
    use ed25519_dalek::{Signature, VerifyingKey};
    // The strict rules refuse keys for which anybody can make signatures.
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(signed, &Signature::from_bytes(signature)).is_ok())
}

#[cfg(not(feature = "mutable"))]
fn verify(_: &[u8; 32], _: &[u8], _: &[u8; 64]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_of_an_immutable_item_is_that_of_the_bep() {
        // D-23
        let item = Item::immutable(b"12:Hello World!").unwrap();
        assert_eq!(item.target().to_string(), "e5f96f6f38320f0f33959cb4d3d656452117aadb");
    }

    #[test]
    fn values_are_canonical_and_bounded() {
        // D-22, D-66
        let longest = [b"996:", &[b'x'; 996][..]].concat();
        assert!(Item::immutable(&longest).is_ok());
        let longer = [b"997:", &[b'x'; 997][..]].concat();
        assert_eq!(Item::immutable(&longer), Err(ItemError::ValueTooLong { length: 1_001 }));
        for wrong in [&b"d1:bi1e1:ai1ee"[..], b"i01e", b"", b"4:abc", b"i1ei2e"] {
            assert!(matches!(Item::immutable(wrong), Err(ItemError::NotCanonical(_))));
        }
    }

    #[cfg(feature = "mutable")]
    mod mutable {
        use tinytorrent_types::hex;

        use super::*;

        const KEY: &str = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";

        /// BEP 44, "Test Vectors": salt, target and signature.
        const VECTORS: [(&str, &str, &str); 2] = [
            (
                "",
                "4a533d47ec9c7d95b1ad75f576cffc641853b750",
                "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
            ),
            (
                "foobar",
                "411eba73b6f087ca51a3795d9c8c938d365e32c1",
                "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17ddf9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
            ),
        ];

        fn part(salt: &str, signature: &str) -> MutablePart {
            MutablePart {
                key: hex::decode(KEY).unwrap(),
                signature: hex::decode(signature).unwrap(),
                seq: 1,
                salt: salt.as_bytes().into(),
            }
        }

        #[test]
        fn signatures_of_the_bep_are_right_and_nothing_near_them() {
            // D-22, D-69, D-70
            for (salt, target, signature) in VECTORS {
                let part = part(salt, signature);
                let item = Item::mutable(b"12:Hello World!", part.clone()).unwrap();
                assert_eq!(item.target().to_string(), target);
                let wrong = Err(ItemError::InvalidSignature);
                assert_eq!(Item::mutable(b"12:hello World!", part.clone()), wrong);
                assert_eq!(
                    Item::mutable(b"12:Hello World!", MutablePart { seq: 2, ..part.clone() }),
                    wrong
                );
                let salt = b"other"[..].into();
                assert_eq!(Item::mutable(b"12:Hello World!", MutablePart { salt, ..part }), wrong);
            }
        }

        #[test]
        fn what_is_signed_is_verified() {
            let item = Item::sign(&[7; 32], b"name", 4, b"i5e").unwrap();
            let part = item.mutable_part().unwrap().clone();
            assert_eq!(Item::mutable(b"i5e", part.clone()), Ok(item));
            let salt: Box<[u8]> = vec![0; 65].into();
            let long = Item::mutable(b"i5e", MutablePart { salt, ..part });
            assert_eq!(long, Err(ItemError::SaltTooLong { length: 65 }));
        }

        #[test]
        fn targets_of_bep_46_are_those_of_its_keys() {
            // D-72
            let key =
                hex::decode("8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e")
                    .unwrap();
            assert_eq!(
                Item::target_of(&key, b"").to_string(),
                "cc3f9d90b572172053626f9980ce261a850d050b"
            );
            assert_eq!(
                Item::target_of(&key, b"n").to_string(),
                "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f"
            );
        }
    }
}
