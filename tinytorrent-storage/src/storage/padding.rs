use bytes::Bytes;
use tinytorrent_types::BlockInfo;

use super::Storage;

impl Storage {
    /// The data of a block with zeros in the place of padding (BEP 47), whatever a peer sent there. This is
    /// how the block reads after it is written.
    pub(crate) fn blank_padding(&self, block: BlockInfo, data: Bytes) -> Bytes {
        let mut blanked = None;
        let mut at = 0;
        for span in self.layout().block_spans(block) {
            let range = at..at + span.length as usize;
            at = range.end;
            // Peers nearly always send zeros, and then nothing has to be copied.
            if span.is_pad && data[range.clone()].iter().any(|&byte| byte != 0) {
                blanked.get_or_insert_with(|| data.to_vec())[range].fill(0);
            }
        }
        blanked.map_or(data, Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tinytorrent_metainfo::Layout;
    use tinytorrent_types::{InfoHashV1, InfoHashes};

    use super::*;
    use crate::StorageOptions;

    #[test]
    fn padding_is_zeros_wherever_it_lies_in_a_block() {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = Layout::builder(16);
        builder.file(["a"], 3).pad(2).file(["b"], 4).pad(20);
        let layout = Arc::new(builder.build().unwrap());
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([1; 20]));
        let options = StorageOptions::default();
        let storage = Storage::open(layout, identity, folder.path(), &options).unwrap();
        let blank = |piece, data: &[u8]| {
            let block = storage.geometry().block(piece, 0, data.len() as u32).unwrap();
            storage.blank_padding(block, Bytes::copy_from_slice(data)).to_vec()
        };
        assert_eq!(blank(0, &[7; 16]), [7, 7, 7, 0, 0, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(blank(0, &[7; 4]), [7, 7, 7, 0]);
        assert_eq!(blank(1, &[7; 13]), [0; 13]);
    }
}
