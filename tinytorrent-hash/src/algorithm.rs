//! The two hash functions: a chaining value, and a compression of blocks.

use crate::kernel::{self, Kernel, Plan};

/// The unit of compression of both functions: 64 bytes.
pub(crate) type Block = [u8; 64];

/// One of the two hash functions. All other parts of this crate are generic over it.
pub(crate) trait Algorithm: Copy + 'static {
    /// The chaining value: its words in the order of the standard.
    type Chain: Copy + AsRef<[u32]>;
    /// The finished hash.
    type Digest: Copy;
    /// The chaining value before the first block.
    const INITIAL: Self::Chain;

    /// Compresses blocks of one message, one after the other.
    fn compress(chain: &mut Self::Chain, blocks: &[Block]);

    /// Compresses as many blocks of each message as the shortest run has, in parallel lanes.
    ///
    /// # Panics
    ///
    /// If the processor cannot run `kernel`, or it has fewer lanes than there are messages.
    fn compress_lanes(kernel: Kernel, chains: &mut [Self::Chain], runs: &[&[Block]]);

    /// The kernels that are fastest on this processor.
    fn plan() -> Plan;

    /// The finished hash: the chaining value as big-endian bytes.
    fn digest(chain: &Self::Chain) -> Self::Digest;
}

/// SHA-1 (FIPS 180-4, section 6.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sha1Algorithm;

impl Algorithm for Sha1Algorithm {
    type Chain = [u32; 5];
    type Digest = [u8; 20];
    const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    fn compress(chain: &mut [u32; 5], blocks: &[Block]) {
        sha1::block_api::compress(chain, blocks);
    }

    fn compress_lanes(kernel: Kernel, chains: &mut [[u32; 5]], runs: &[&[Block]]) {
        kernel.sha1(chains, runs);
    }

    fn plan() -> Plan {
        kernel::sha1_plan()
    }

    fn digest(chain: &[u32; 5]) -> [u8; 20] {
        let mut digest = [0; 20];
        write_words(chain, &mut digest);
        digest
    }
}

/// SHA-256 (FIPS 180-4, section 6.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sha256Algorithm;

impl Algorithm for Sha256Algorithm {
    type Chain = [u32; 8];
    type Digest = [u8; 32];
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    fn compress(chain: &mut [u32; 8], blocks: &[Block]) {
        sha2::block_api::compress256(chain, blocks);
    }

    fn compress_lanes(kernel: Kernel, chains: &mut [[u32; 8]], runs: &[&[Block]]) {
        kernel.sha256(chains, runs);
    }

    fn plan() -> Plan {
        kernel::sha256_plan()
    }

    fn digest(chain: &[u32; 8]) -> [u8; 32] {
        let mut digest = [0; 32];
        write_words(chain, &mut digest);
        digest
    }
}

fn write_words(words: &[u32], bytes: &mut [u8]) {
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
}
