//! What may reach the file system: relative paths that have passed a policy.

mod builder;
mod collision;
mod element;
mod folders;
mod hasher;
mod paths;
mod policy;
mod safe_path;
mod way;
mod words;

pub use policy::{PathChange, PathChangeKind, PathPolicy};
pub use safe_path::{Elements, SafePath};

pub(crate) use builder::PathBuilder;
pub(crate) use collision::Resolved;
pub(crate) use element::Kinds;
pub(crate) use paths::Paths;

use collision::resolve;
use element::sanitise;
use way::Way;
