use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use tinytorrent_types::BlockInfo;

/// Cuts a stream of bytes into blocks.
///
/// A block that lies in one piece of the stream is a slice of it, and is not copied. What is there of a block when
/// the stream breaks off is kept, and the next byte goes behind it.
#[derive(Debug)]
pub struct Assembler {
    /// The blocks that are not complete, in the order of the stream.
    blocks: VecDeque<BlockInfo>,
    /// The beginning of the first of them.
    partial: BytesMut,
}

impl Assembler {
    /// An assembler for these blocks, in this order.
    pub fn new(blocks: impl IntoIterator<Item = BlockInfo>) -> Self {
        Self { blocks: blocks.into_iter().collect(), partial: BytesMut::new() }
    }

    /// The next block, once all of it has come. What is taken is gone from `data`, and what is left once this is
    /// `None` belongs to no block.
    pub fn next_block(&mut self, data: &mut Bytes) -> Option<(BlockInfo, Bytes)> {
        let block = *self.blocks.front()?;
        let length = block.length() as usize;
        let whole = if self.partial.is_empty() && data.len() >= length {
            data.split_to(length)
        } else {
            let missing = length - self.partial.len();
            if self.partial.capacity() == 0 && !data.is_empty() {
                self.partial.reserve(length);
            }
            self.partial.extend_from_slice(&data[..missing.min(data.len())]);
            data.advance(missing.min(data.len()));
            if self.partial.len() < length {
                return None;
            }
            self.partial.split().freeze()
        };
        self.blocks.pop_front();
        Some((block, whole))
    }

    /// True if all blocks are complete.
    pub fn is_done(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Number of blocks that are not complete.
    pub fn left(&self) -> usize {
        self.blocks.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tinytorrent_types::Geometry;

    use super::*;

    proptest! {
        #[test]
        fn any_split_of_the_stream_gives_the_blocks(
            total in 1_u64..150_000,
            cuts in prop::collection::vec(1_usize..40_000, 1..40),
        ) {
            let geometry = Geometry::new(total, 32_768).unwrap();
            let stream: Vec<u8> = (0..total).map(|at| (at / 7 % 251) as u8).collect();
            let blocks: Vec<_> = geometry.pieces().flat_map(|p| geometry.blocks(p)).collect();
            let mut assembler = Assembler::new(blocks.clone());
            let (mut rest, mut found, mut cuts) = (&stream[..], Vec::new(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                let mut data = Bytes::copy_from_slice(now);
                while let Some(block) = assembler.next_block(&mut data) {
                    found.push(block);
                }
                prop_assert!(data.is_empty());
                rest = later;
            }
            prop_assert!(assembler.is_done());
            prop_assert_eq!(found.iter().map(|(block, _)| *block).collect::<Vec<_>>(), blocks);
            prop_assert_eq!(found.iter().flat_map(|(_, b)| b.to_vec()).collect::<Vec<_>>(), stream);
        }
    }
}
