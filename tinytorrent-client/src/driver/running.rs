use bytes::Bytes;
use tinytorrent_metainfo::Info;
use tinytorrent_storage::{Completion, Disk, Recovered};
use tinytorrent_swarm::Content;
use tinytorrent_types::Bitfield;

use super::content::Opened;
use super::data::DataPlane;
use super::inbox::Inbox;
use super::last_look::LastLook;
use super::layers::LayerAnswers;
use crate::TorrentOptions;

/// An open content, and the parts that exist as long as it is open.
pub(super) struct Running {
    pub(super) plane: DataPlane,
    pub(super) layers: LayerAnswers,
    pub(super) last_look: LastLook,
}

impl Running {
    /// Passes an open content to the disk's threads. Returns its description for the engine, too.
    pub(super) fn start(
        opened: Opened,
        disk: &Disk,
        options: &TorrentOptions,
        completions: Inbox<Completion>,
    ) -> (Self, Content) {
        let Opened { metainfo, storage, hashes, mut recovered, chosen, .. } = opened;
        let longer = std::mem::take(&mut recovered.longer);
        // Files are cut only if they may be written to.
        let longer = if options.read_only { Vec::new() } else { longer };
        let content = describe(metainfo.info(), &recovered, chosen.wanted);
        let keeps_record = options.resume && !options.read_only;
        let running = Self {
            plane: DataPlane::new(disk, storage, hashes, recovered, keeps_record, completions),
            layers: LayerAnswers::new(&metainfo),
            last_look: LastLook::after_check(&longer),
        };
        (running, content)
    }
}

/// Describes a content for the engine.
pub(super) fn describe(info: &Info, recovered: &Recovered, wanted: Bitfield) -> Content {
    let geometry = info.geometry();
    let partial = recovered.partial.iter().flat_map(|partial| {
        partial.blocks.iter().filter_map(|&number| geometry.nth_block(partial.piece, number))
    });
    Content {
        geometry: geometry.clone(),
        have: recovered.have.clone(),
        wanted,
        partial: partial.collect(),
        info: Bytes::copy_from_slice(info.bytes()),
        is_private: info.is_private(),
    }
}
