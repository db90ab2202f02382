//! What may reach the file system: relative paths that have passed a policy.

mod arena;
mod collision;
mod element;
mod policy;

pub use arena::SafePath;
pub use policy::{PathChange, PathChangeKind, PathPolicy};

pub(crate) use arena::PathArena;
pub(crate) use collision::{Resolved, resolve};
pub(crate) use element::{Kinds, sanitise};
