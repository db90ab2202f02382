//! Content on disk: reading it piece by piece and hashing it, for creation and verification.

mod files;
mod hash;

pub(crate) use files::{Fault, FaultKind, Open};
pub(crate) use hash::{Digest, Hashing};

use core::ops::ControlFlow;

/// How far a long task has come. It is told from time to time, from any of the task's threads;
/// answering [`ControlFlow::Break`] ends the task soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the content that are dealt with.
    pub done: u64,
    /// Bytes of the whole content.
    pub total: u64,
}

/// Who is told of [`Progress`].
pub type Observer<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);
