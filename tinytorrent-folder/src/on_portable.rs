//! [`Folder`] and [`Trial`](trial::Trial) compiled once more, above the implementation for systems that
//! are not Unix. So their tests are one suite for both implementations.

#![allow(
    clippy::duplicate_mod,
    unreachable_pub,
    reason = "the files are compiled once for each implementation"
)]

#[path = "folder.rs"]
mod folder;
#[path = "trial.rs"]
mod trial;

use folder::Folder;

mod system {
    pub(crate) use crate::system::{
        Refusal,
        portable::{Folder, os_element},
    };
}
