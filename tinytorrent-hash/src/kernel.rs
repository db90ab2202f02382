//! The kernels, and which of them this processor can run.

/// A way to compress blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// One message at a time, as the `sha1` and `sha2` crates do: with SHA-NI or the like where
    /// the processor has it, in plain code elsewhere.
    Single,
}

impl Kernel {
    /// All kernels, those of other processors included.
    pub const ALL: &[Kernel] = &[Kernel::Single];

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        match self {
            Kernel::Single => true,
        }
    }

    /// How many messages it compresses at once.
    pub const fn lanes(self) -> usize {
        match self {
            Kernel::Single => 1,
        }
    }
}
