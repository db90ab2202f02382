//! Items that name a torrent (BEP 46).

use tinytorrent_bencode::{self as bencode};
use tinytorrent_types::WireInfoHash;

use crate::Item;

impl Item {
    /// The torrent that a mutable item names (BEP 46, "Publishing content"); `None` if it names none.
    ///
    /// Of a v2 torrent it is the cut info-hash, of which nobody can tell that it is not one of v1.
    pub fn torrent(&self) -> Option<WireInfoHash> {
        self.mutable_part()?;
        let value = bencode::decode(self.value()).ok()?;
        let info_hash: [u8; 20] = *value.root().get(b"ih")?.as_array()?;
        Some(WireInfoHash::from_bytes(info_hash))
    }

    /// A mutable item that names a torrent, signed with the secret key of its owner.
    ///
    /// # Errors
    /// [`ItemError`](crate::ItemError) if the salt is too long.
    ///
    /// ```
    /// use tinytorrent_dht::{Item, WireInfoHash};
    ///
    /// let torrent = WireInfoHash::from_bytes([1; 20]);
    /// let item = Item::sign_torrent(&[7; 32], b"nightly", 4, torrent)?;
    /// assert_eq!((item.torrent(), item.seq()), (Some(torrent), Some(4)));
    /// # Ok::<(), tinytorrent_dht::ItemError>(())
    /// ```
    #[cfg(feature = "mutable")]
    pub fn sign_torrent(
        secret: &[u8; 32],
        salt: &[u8],
        seq: i64,
        torrent: WireInfoHash,
    ) -> Result<Self, crate::ItemError> {
        Self::sign(secret, salt, seq, &Self::torrent_value(torrent))
    }

    /// The value of an item that names a torrent, as bencode.
    pub fn torrent_value(torrent: WireInfoHash) -> Vec<u8> {
        let mut value = b"d2:ih".to_vec();
        bencode::encode::bytes(&mut value, torrent.as_bytes());
        value.push(b'e');
        value
    }
}

#[cfg(all(test, feature = "mutable"))]
mod tests {
    use super::*;

    #[test]
    fn an_item_names_a_torrent_by_20_bytes_of_a_signed_dictionary() {
        // D-72
        let torrent = |value: &[u8]| Item::sign(&[1; 32], b"", 1, value).unwrap().torrent();
        let hash = WireInfoHash::from_bytes(*b"aaaaaaaaaaaaaaaaaaaa");
        assert_eq!(torrent(b"d2:ih20:aaaaaaaaaaaaaaaaaaaae"), Some(hash));
        assert_eq!(torrent(b"d1:ai1e2:ih20:aaaaaaaaaaaaaaaaaaaa1:zlee"), Some(hash));
        for other in [
            &b"d2:ih19:aaaaaaaaaaaaaaaaaaae"[..],
            b"d2:ih21:aaaaaaaaaaaaaaaaaaaaae",
            b"d2:ihi1ee",
            b"de",
            b"20:aaaaaaaaaaaaaaaaaaaa",
            b"le",
        ] {
            assert_eq!(torrent(other), None);
        }
        // Nobody has signed what an immutable item holds.
        let immutable = Item::immutable(b"d2:ih20:aaaaaaaaaaaaaaaaaaaae").unwrap();
        assert_eq!(immutable.torrent(), None);
    }
}
