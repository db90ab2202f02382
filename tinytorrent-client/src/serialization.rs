//! Paths, times, metadata and errors in serde's data model. Feature `serde`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use tinytorrent_metainfo::{Info, Metainfo};

use crate::{AddError, ClientError, FilesError, ReadError, RemoveError, SourceError, TorrentError};

/// A path as text. Names on disk need not be UTF-8, and one that is not costs no other value its form.
pub(crate) fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    path.to_string_lossy().serialize(serializer)
}

pub(crate) fn optional_path<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// The figures by which a user knows a torrent.
pub(crate) fn info<S: Serializer>(info: &Info, serializer: S) -> Result<S::Ok, S::Error> {
    let geometry = info.geometry();
    let mut summary = serializer.serialize_struct("Info", 3)?;
    summary.serialize_field("name", info.name())?;
    summary.serialize_field("total_length", &geometry.total_payload())?;
    summary.serialize_field("piece_count", &geometry.piece_count())?;
    summary.end()
}

pub(crate) fn metainfo<S: Serializer>(
    metainfo: &Option<Arc<Metainfo>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    metainfo.as_ref().map(|metainfo| Summary(metainfo.info())).serialize(serializer)
}

struct Summary<'a>(&'a Info);

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        info(self.0, serializer)
    }
}

/// A time as a number of seconds since 1970.
pub(crate) mod unix_time {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        // Earlier than 1970 is a clock that was not set.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        serializer.serialize_f64(since.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let since = Duration::try_from_secs_f64(f64::deserialize(deserializer)?);
        let time = UNIX_EPOCH.checked_add(since.map_err(D::Error::custom)?);
        time.ok_or_else(|| D::Error::custom("a time that this system cannot have"))
    }
}

/// Implements the message for people. Errors are not read back.
macro_rules! message {
    ($($error:ident)*) => {$(
        /// The message for people.
        impl Serialize for $error {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

message! { AddError ClientError FilesError ReadError RemoveError SourceError TorrentError }
