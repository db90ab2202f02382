use clap::ValueEnum;
use tinytorrent_metainfo::PathPolicy;

/// Names on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Names {
    /// The torrent's own, wherever this system and the disk hold them
    #[default]
    System,
    /// Such as every system can hold
    Portable,
    /// The torrent's own, or an error
    Exact,
}

impl From<Names> for PathPolicy {
    fn from(names: Names) -> Self {
        match names {
            Names::System => PathPolicy::System,
            Names::Portable => PathPolicy::Portable,
            Names::Exact => PathPolicy::Exact,
        }
    }
}
