use thiserror::Error;

use crate::HashRequest;

impl HashRequest {
    /// The highest number of hashes in one request that BEP 52 recommends.
    pub const CUSTOMARY_LENGTH: u32 = 512;

    /// The highest number of hashes that deployed clients serve at once: the limit of libtorrent, for
    /// pieces of 128 MiB.
    pub const MAX_LENGTH: u32 = 8192;

    /// Checks the request as far as that needs no torrent (BEP 52, "hash request").
    ///
    /// BEP 52 demands a length of 2 at least. A length of 1 passes here: libtorrent asks so for a single
    /// piece behind the last 512 of a file.
    ///
    /// # Errors
    /// A length that is no power of two, or above [`MAX_LENGTH`](Self::MAX_LENGTH); an index that is no
    /// multiple of the length; layers beyond those of any tree.
    pub fn validate(&self) -> Result<(), HashRequestError> {
        let Self { length, index, .. } = *self;
        if length > Self::MAX_LENGTH || !length.is_power_of_two() {
            return Err(HashRequestError::Length { length });
        }
        if !index.is_multiple_of(length) {
            return Err(HashRequestError::Index { index, length });
        }
        // As u64, since the two claims may overflow a u32.
        let layers = u64::from(self.base_layer) + u64::from(self.proof_layers);
        if layers > MAX_LAYERS {
            return Err(HashRequestError::Layers { layers });
        }
        Ok(())
    }

    /// Number of hashes in the answer to a valid request: those asked for, and one for each layer of
    /// proof that cannot be computed from them.
    pub fn hash_count(&self) -> u32 {
        // BEP 52: the lower layers of the proof follow from the hashes themselves. A single hash needs one
        // layer more than a pair: its neighbour.
        let covered = self.length.max(1).ilog2();
        // A valid request cannot overflow. For others any number will do, but no panic.
        let proof = self.proof_layers.saturating_add(1).saturating_sub(covered);
        self.length.saturating_add(proof)
    }
}

/// A fault in a request for hashes, which is the fault of its sender. The answer is a reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HashRequestError {
    /// Not a power of two up to 8192.
    #[error("{length} hashes cannot be requested at once")]
    Length {
        /// Number of hashes asked for.
        length: u32,
    },
    /// Not a multiple of the length.
    #[error("a range of {length} hashes cannot begin at {index}")]
    Index {
        /// The first hash.
        index: u32,
        /// Number of hashes asked for.
        length: u32,
    },
    /// More layers than a tree of any file has.
    #[error("no tree has {layers} layers")]
    Layers {
        /// Base layer and layers of proof.
        layers: u64,
    },
}

/// Layers of the tallest tree: 2^64 bytes are 2^50 blocks of 16 KiB.
const MAX_LAYERS: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(base_layer: u32, index: u32, length: u32, proof_layers: u32) -> HashRequest {
        HashRequest { pieces_root: [0; 32], base_layer, index, length, proof_layers }
    }

    /// W-49, BEP 52: a power of two; the index is a multiple of it, 0 included.
    #[test]
    fn hash_requests_have_a_power_of_two() {
        for length in [1, 2, 4, 512, 1024, 8192] {
            for index in [0, length, 3 * length] {
                assert_eq!(request(0, index, length, 3).validate(), Ok(()));
            }
        }
        for length in [2, 4, 512, 1024, 8192] {
            let index = length / 2;
            let error = HashRequestError::Index { index, length };
            assert_eq!(request(0, index, length, 0).validate(), Err(error));
        }
        for length in [0, 3, 511, 16_384, u32::MAX] {
            let error = HashRequestError::Length { length };
            assert_eq!(request(0, 0, length, 0).validate(), Err(error));
        }
        assert!(request(u32::MAX, 0, 2, u32::MAX).validate().is_err());
    }

    /// W-48, BEP 52: the first log2(length) - 1 layers of proof are covered by the hashes.
    #[test]
    fn hashes_cover_the_lower_layers_of_their_proof() {
        for (length, proof_layers, count) in [
            (1, 0, 2),
            (1, 9, 11),
            (2, 0, 2),
            (2, 1, 3),
            (2, 5, 7),
            (4, 1, 4),
            (4, 2, 5),
            (512, 8, 512),
            (512, 10, 514),
        ] {
            assert_eq!(request(0, 0, length, proof_layers).hash_count(), count);
        }
    }
}
