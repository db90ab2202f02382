//! Content on disk, read and hashed piece by piece for creation and verification.

mod files;
mod hash;
mod survey;
mod zeros;

pub(crate) use files::{Fault, FaultKind, Open};
pub(crate) use hash::{Digest, Hashing};

use core::ops::ControlFlow;

/// The progress of a long task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the content that are done.
    pub done: u64,
    /// Bytes of the whole content.
    pub total: u64,
}

/// A callback for [`Progress`]. It is called from time to time, from any of the task's threads. After
/// it has returned [`ControlFlow::Break`] the task ends soon.
///
/// Methods with `unobserved` in their names do without one.
pub type Observer<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);

/// Lets a task go on whatever its progress.
pub(crate) fn unobserved(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
