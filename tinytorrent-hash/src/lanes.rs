//! The hashing of many messages at once.

use std::iter;

use crate::{
    algorithm::{Algorithm, Block, Sha1Algorithm, Sha256Algorithm},
    engine::{self, MAX_LANES},
    hasher::{Sha1, Sha256},
    kernel::{self, Kernel},
    message::{AsCore, Core, Feed},
};

/// A choice of kernels for many messages at once.
///
/// The free functions of this crate use [`Lanes::new`], which takes the kernel that was measured to
/// be fastest for the number of messages. [`Lanes::with_kernel`] takes one kernel only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lanes {
    kernel: Option<Kernel>,
}

macro_rules! many {
    ($algorithm:ty, $hasher:ident, $size:literal,
     $many:ident, $scattered:ident, $update:ident, $finalize:ident) => {
        /// Hashes each message; see the free function of the same name.
        ///
        /// # Panics
        ///
        /// If `hashes` is not as long as `messages`.
        pub fn $many<M: AsRef<[u8]>>(self, messages: &[M], hashes: &mut [[u8; $size]]) {
            assert_eq!(messages.len(), hashes.len(), "one hash for each message");
            let feeds = messages
                .iter()
                .map(|message| Feed::last(Core::new(), iter::once(message.as_ref())));
            self.run(feeds, |place, core: Core<$algorithm>| {
                hashes[place] = <$algorithm>::digest(&core.chain);
            });
        }

        /// Hashes each message, a list of slices; see the free function of the same name.
        ///
        /// # Panics
        ///
        /// If `hashes` is not as long as `messages`.
        pub fn $scattered<M, S>(self, messages: &[M], hashes: &mut [[u8; $size]])
        where
            M: AsRef<[S]>,
            S: AsRef<[u8]>,
        {
            assert_eq!(messages.len(), hashes.len(), "one hash for each message");
            let feeds = messages
                .iter()
                .map(|message| Feed::last(Core::new(), message.as_ref().iter().map(S::as_ref)));
            self.run(feeds, |place, core: Core<$algorithm>| {
                hashes[place] = <$algorithm>::digest(&core.chain);
            });
        }

        /// Adds one slice to each of many messages; see the hasher's `update_many`.
        pub fn $update<'a>(self, feeds: impl IntoIterator<Item = (&'a mut $hasher, &'a [u8])>) {
            let feeds = feeds
                .into_iter()
                .map(|(hasher, slice)| Feed::open(&mut hasher.core, iter::once(slice)));
            self.run(feeds, |_, _| ());
        }

        /// Ends many messages, and returns their hashes; see the hasher's `finalize_many`.
        pub fn $finalize(self, hashers: impl IntoIterator<Item = $hasher>) -> Vec<[u8; $size]> {
            let mut hashes = Vec::new();
            let feeds = hashers.into_iter().map(|hasher| Feed::last(hasher.core, iter::empty()));
            self.run(feeds, |place, core: Core<$algorithm>| {
                // Short messages can finish before those in front of them.
                if hashes.len() <= place {
                    hashes.resize(place + 1, [0; $size]);
                }
                hashes[place] = <$algorithm>::digest(&core.chain);
            });
            hashes
        }
    };
}

impl Lanes {
    /// The fastest kernel for each step, depending on the number of messages.
    pub const fn new() -> Self {
        Self { kernel: None }
    }

    /// One kernel for any number of messages, for tests and benchmarks. Returns `None` if this
    /// processor cannot run it.
    pub fn with_kernel(kernel: Kernel) -> Option<Self> {
        kernel.is_available().then_some(Self { kernel: Some(kernel) })
    }

    many!(Sha1Algorithm, Sha1, 20, sha1_many, sha1_scattered, sha1_update, sha1_finalize);
    many!(
        Sha256Algorithm,
        Sha256,
        32,
        sha256_many,
        sha256_scattered,
        sha256_update,
        sha256_finalize
    );

    /// Hashes each pair of 32-byte hashes; see the free function of the same name.
    ///
    /// # Panics
    ///
    /// If `parents` is not half as long as `children`.
    pub fn sha256_pairs(self, children: &[[u8; 32]], parents: &mut [[u8; 32]]) {
        let (pairs, odd) = children.as_chunks::<2>();
        assert!(odd.is_empty() && pairs.len() == parents.len(), "one parent for each two children");
        let forced = self.kernel.map(|kernel| [(kernel, 1)]);
        let plan = forced.as_ref().map_or(kernel::sha256_pairs_plan(), |plan| plan.as_slice());
        let pairs = pairs.chunks(MAX_LANES).zip(parents.chunks_mut(MAX_LANES));
        for (pairs, parents) in pairs {
            let mut chains = [Sha256Algorithm::INITIAL; MAX_LANES];
            let chains = &mut chains[..pairs.len()];
            let mut runs: [&[Block]; MAX_LANES] = [&[]; MAX_LANES];
            for (run, pair) in runs.iter_mut().zip(pairs) {
                *run = pair.as_flattened().as_chunks().0;
            }
            engine::compress::<Sha256Algorithm>(plan, chains, &runs[..pairs.len()]);
            // A pair fills one block, so that its padding is a second block, the same for all.
            let runs: [&[Block]; MAX_LANES] = [&[PAIR_PADDING]; MAX_LANES];
            engine::compress::<Sha256Algorithm>(plan, chains, &runs[..pairs.len()]);
            for (parent, chain) in parents.iter_mut().zip(chains) {
                *parent = Sha256Algorithm::digest(chain);
            }
        }
    }

    fn run<'a, A, C, I>(
        self,
        feeds: impl IntoIterator<Item = Feed<'a, C, I>>,
        finished: impl FnMut(usize, C),
    ) where
        A: Algorithm,
        C: AsCore<Algorithm = A>,
        I: Iterator<Item = &'a [u8]>,
    {
        let forced = self.kernel.map(|kernel| [(kernel, 1)]);
        let plan = forced.as_ref().map_or(A::plan(), |plan| plan.as_slice());
        engine::run(plan, feeds, finished);
    }
}

/// The padding of a message of 64 bytes: a one bit, zeros, and 512, its length in bits.
const PAIR_PADDING: Block = {
    let mut block = [0; 64];
    block[0] = 0x80;
    block[62] = 2;
    block
};
