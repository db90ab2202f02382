//! The kernels, and their selection by processor.

use crate::algorithm::{Algorithm, Block, Sha1Algorithm, Sha256Algorithm};

#[cfg(target_arch = "x86_64")]
use crate::kernels::{avx2, avx512, avx512_half, sha_ni};

/// An implementation of the compression of blocks.
///
/// The names of all kernels exist on all processors. [`is_available`](Kernel::is_available) is true
/// for those that this processor can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// One message at a time with the crates `sha1` and `sha2`, which use SHA-NI or similar
    /// instructions if the processor has them.
    Single,
    /// Up to four messages at once with SHA-NI (x86-64).
    ShaNi,
    /// Eight messages in the 256-bit registers of AVX2 (x86-64).
    Avx2,
    /// Eight messages in 256-bit registers with the instructions of AVX-512VL (x86-64).
    Avx512Half,
    /// Sixteen messages in the 512-bit registers of AVX-512F (x86-64).
    Avx512,
}

impl Kernel {
    /// All kernels, those of other processors included.
    pub const ALL: &[Kernel] =
        &[Kernel::Single, Kernel::ShaNi, Kernel::Avx2, Kernel::Avx512Half, Kernel::Avx512];

    /// True if this processor can run the kernel.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        match self {
            Kernel::Single => true,
            Kernel::ShaNi => {
                is_x86_feature_detected!("sha")
                    && is_x86_feature_detected!("sse2")
                    && is_x86_feature_detected!("ssse3")
                    && is_x86_feature_detected!("sse4.1")
            }
            Kernel::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("movbe"),
            Kernel::Avx512Half => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("movbe")
            }
            Kernel::Avx512 => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("movbe")
            }
        }
    }

    /// True if this processor can run the kernel.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == Kernel::Single
    }

    /// The number of messages that the kernel compresses at once.
    pub const fn lanes(self) -> usize {
        match self {
            Kernel::Single => 1,
            Kernel::ShaNi => 4,
            Kernel::Avx2 | Kernel::Avx512Half => 8,
            Kernel::Avx512 => 16,
        }
    }
}

/// The kernels to use, the widest first, each with the least number of messages for which it is
/// faster than the next.
pub(crate) type Plan = &'static [(Kernel, usize)];

/// The fastest plan for SHA-1, as measured in `docs/performance/hash.md`.
pub(crate) fn sha1_plan() -> Plan {
    use Kernel::{Avx2, Avx512, Avx512Half, ShaNi, Single};
    let [sha_ni, avx2, half, full] = [ShaNi, Avx2, Avx512Half, Avx512].map(Kernel::is_available);
    match (sha_ni, avx2, half && full) {
        (true, _, true) => &[(Avx512, 9), (Avx512Half, 6), (ShaNi, 2), (Single, 1)],
        (true, _, false) => &[(ShaNi, 2), (Single, 1)],
        (false, _, true) => &[(Avx512, 9), (Avx512Half, 2), (Single, 1)],
        (false, true, false) => &[(Avx2, 2), (Single, 1)],
        (false, false, false) => &[(Single, 1)],
    }
}

/// The fastest plan for SHA-256, as measured in `docs/performance/hash.md`.
pub(crate) fn sha256_plan() -> Plan {
    use Kernel::{Avx2, Avx512, Avx512Half, ShaNi, Single};
    let [sha_ni, avx2, half, full] = [ShaNi, Avx2, Avx512Half, Avx512].map(Kernel::is_available);
    match (sha_ni, avx2, half && full) {
        (true, _, true) => &[(Avx512, 11), (ShaNi, 2), (Single, 1)],
        (true, _, false) => &[(ShaNi, 2), (Single, 1)],
        (false, _, true) => &[(Avx512, 9), (Avx512Half, 2), (Single, 1)],
        (false, true, false) => &[(Avx2, 3), (Single, 1)],
        (false, false, false) => &[(Single, 1)],
    }
}

/// The plan for pairs of hashes.
pub(crate) fn sha256_pairs_plan() -> Plan {
    // The wide kernels load the next block while they compress one. A pair is a single block, so
    // that SHA-NI is faster.
    match Kernel::ShaNi.is_available() {
        true => &[(Kernel::ShaNi, 2), (Kernel::Single, 1)],
        false => sha256_plan(),
    }
}

macro_rules! dispatch {
    ($name:ident, $algorithm:ty) => {
        impl Kernel {
            /// Compresses as many blocks of each message as the shortest run has.
            ///
            /// # Panics
            ///
            /// If the processor cannot run the kernel, or there are more messages than lanes.
            #[cfg_attr(target_arch = "x86_64", allow(unsafe_code))]
            pub(crate) fn $name(
                self,
                chains: &mut [<$algorithm as Algorithm>::Chain],
                runs: &[&[Block]],
            ) {
                assert!(self.is_available(), "{self:?} needs another processor");
                // SAFETY: the processor has the features, which the line above checks.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    match self {
                        Kernel::Single => {}
                        Kernel::ShaNi => return sha_ni::$name(chains, runs),
                        Kernel::Avx2 => return avx2::$name(chains, runs),
                        Kernel::Avx512Half => return avx512_half::$name(chains, runs),
                        Kernel::Avx512 => return avx512::$name(chains, runs),
                    }
                }
                let count = runs.iter().map(|run| run.len()).min().unwrap_or(0);
                for (chain, run) in chains.iter_mut().zip(runs) {
                    <$algorithm>::compress(chain, &run[..count]);
                }
            }
        }
    };
}

dispatch!(sha1, Sha1Algorithm);
dispatch!(sha256, Sha256Algorithm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_kernels_of_this_processor_widest_first() {
        for plan in [sha1_plan(), sha256_plan(), sha256_pairs_plan()] {
            assert!(plan.iter().all(|(kernel, _)| kernel.is_available()), "{plan:?}");
            assert!(plan.iter().all(|(kernel, least)| *least <= kernel.lanes()), "{plan:?}");
            assert!(plan.is_sorted_by(|a, b| a.0.lanes() > b.0.lanes() && a.1 > b.1), "{plan:?}");
        }
    }

    #[test]
    fn a_plan_knows_what_to_do_with_one_message() {
        for plan in [sha1_plan(), sha256_plan(), sha256_pairs_plan()] {
            assert_eq!(plan.last(), Some(&(Kernel::Single, 1)));
        }
    }
}
