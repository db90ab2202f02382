use super::Metainfo;
use crate::Magnet;

impl From<&Metainfo> for Magnet {
    /// The link to a torrent: hashes, name, length, trackers, web seeds, nodes.
    fn from(metainfo: &Metainfo) -> Self {
        Self {
            name: Some(metainfo.info().name().to_owned()),
            length: Some(metainfo.layout().payload_length_total()),
            trackers: metainfo.trackers().iter().flatten().cloned().collect(),
            web_seeds: metainfo.web_seeds().to_vec(),
            nodes: metainfo.nodes().to_vec(),
            ..Self::new(metainfo.hashes())
        }
    }
}
