/// The SHA-1 of one block, by which a bad block is told from the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockDigest([u8; 20]);

impl BlockDigest {
    /// Wraps a SHA-1.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}
