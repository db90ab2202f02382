//! What may reach the file system: relative paths that have passed a policy.

mod arena;
mod builder;
mod collision;
mod element;
mod folder;
mod names;
mod policy;
mod words;

pub use arena::SafePath;
pub use policy::{PathChange, PathChangeKind, PathPolicy};

pub(crate) use arena::PathArena;
pub(crate) use builder::PathBuilder;
pub(crate) use collision::Resolved;
pub(crate) use element::Kinds;

use collision::Claims;
use element::sanitise;
use folder::Folder;
