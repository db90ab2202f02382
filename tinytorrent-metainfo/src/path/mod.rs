//! Paths that may reach the file system: relative, and sanitised by a policy.

mod builder;
mod changes;
mod collision;
mod cursor;
mod element;
mod folders;
mod given;
mod hasher;
mod paths;
mod policy;
mod safe_path;
mod taken;
mod with_policy;
mod words;

pub use policy::{PathChange, PathChangeKind, PathPolicy};
pub use safe_path::{Elements, SafePath};

pub(crate) use builder::PathBuilder;
pub(crate) use element::Kinds;
pub(crate) use paths::Paths;
pub(crate) use safe_path::{os_bytes, os_element};
pub(crate) use taken::TakenPaths;
