//! URLs and failures in serde's data model. Feature `serde`.

use serde::ser::{Serialize, Serializer};

use crate::{Failure, TrackerUrl};

/// The URL as it is displayed, without its password. It is not read back, as another URL would come back.
impl Serialize for TrackerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The message for people.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
