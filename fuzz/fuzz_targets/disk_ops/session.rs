//! A torrent on a disk, with the model of it beside.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tinytorrent_storage::{
    Completion, Counters, Disk, DiskOptions, NotStored, PieceVerifyOptions, Recovered, Storage,
    TorrentDisk, TorrentDiskOptions,
};
use tinytorrent_types::{BLOCK_LENGTH, BlockInfo, Geometry, PieceIndex};

use crate::model::{Model, Reads, Restart};
use crate::torrents::Torrent;

/// The data that comes as a block.
#[derive(Clone, Copy)]
pub(crate) enum Payload {
    Right,
    Wrong,
    RightWithNoiseAsPadding,
}

/// A torrent on a disk, beside the model of it.
pub(crate) struct Session<'a> {
    torrent: &'a Torrent,
    disk: Disk,
    plane: TorrentDisk,
    completions: Receiver<Completion>,
    model: Model,
}

impl<'a> Session<'a> {
    pub(crate) fn start(
        torrent: &'a Torrent,
        storage: Arc<Storage>,
        recovered: Recovered,
        restart: Restart,
        setup: u8,
    ) -> Self {
        let mut options = DiskOptions::default();
        options.threads(usize::from(setup & 1) + 1).read_cache(u64::from(setup & 2) << 17);
        let disk = Disk::new(&options).expect("threads start");
        let mut model = Model::new(torrent, &storage, &recovered);
        if restart.is_thorough {
            model.unrecorded = model.have.clone();
        }
        let (sender, completions) = mpsc::channel();
        let hashes = torrent.hashes.clone();
        let options = TorrentDiskOptions::default();
        let plane = disk.add(storage, hashes, recovered, &options, move |completion| {
            let _ = sender.send(completion);
        });
        Self { torrent, disk, plane, completions, model }
    }

    pub(crate) fn store(&mut self, argument: usize, payload: Payload, is_last: bool) {
        let block = self.torrent.blocks[argument % self.torrent.blocks.len()];
        self.store_block(block, payload, is_last);
    }

    /// All blocks of a piece, from its end, and the request to verify it.
    pub(crate) fn store_piece(&mut self, argument: usize) {
        let piece = self.piece(argument);
        let blocks: Vec<_> = self.geometry().blocks(piece).collect();
        for block in blocks.into_iter().rev() {
            self.store_block(block, Payload::Right, false);
        }
        self.verify(argument);
    }

    fn store_block(&mut self, block: BlockInfo, payload: Payload, is_last: bool) {
        let piece = block.piece();
        if self.model.verifying.contains(&piece) {
            return; // It is accepted or not by how far the verification is.
        }
        let data = self.data(block, payload);
        let written = data.clone();
        let stored = match is_last {
            true => self.plane.store_last(block, data.into(), PieceVerifyOptions::default()),
            false => self.plane.store(block, data.into()),
        };
        let is_new = self.model.is_missing(block);
        assert_eq!(stored, if is_new { Ok(()) } else { Err(NotStored::Duplicate) });
        if is_new {
            self.model.write(self.torrent, block, &written);
            self.model.stored.entry(piece).or_default().insert(block.number());
            self.model.accepted += u64::from(block.length());
        }
        if is_new && is_last {
            self.expect_verification(piece);
        }
    }

    fn data(&self, block: BlockInfo, payload: Payload) -> Vec<u8> {
        let range = self.torrent.range(block);
        let mut data = self.torrent.content[range.clone()].to_vec();
        let mut bytes = data.iter_mut().zip(&self.torrent.is_padding[range]);
        match payload {
            Payload::Right => {}
            Payload::Wrong => {
                let wrong = bytes.find(|(_, is_padding)| !**is_padding);
                wrong.into_iter().for_each(|(byte, _)| *byte ^= 1);
            }
            Payload::RightWithNoiseAsPadding => {
                let padding = bytes.filter(|(_, is_padding)| **is_padding);
                padding.for_each(|(byte, _)| *byte = 7);
            }
        }
        data
    }

    pub(crate) fn verify(&mut self, argument: usize) {
        let piece = self.piece(argument);
        if !self.model.verifying.contains(&piece) {
            self.plane.verify(piece, PieceVerifyOptions::with_digests());
            self.expect_verification(piece);
        }
    }

    fn expect_verification(&mut self, piece: PieceIndex) {
        if self.model.have.contains(&piece) {
            return;
        }
        self.model.verifying.insert(piece);
        // The answer comes at once, and more blocks are accepted.
        if !self.model.is_full(self.geometry(), piece) {
            self.wait(|model| !model.verifying.contains(&piece));
        }
    }

    pub(crate) fn read(&mut self, argument: usize) {
        let Some(block) = self.block_to_read(argument) else { return };
        let tag = argument as u64 % 3;
        self.plane.read(block, tag);
        self.model.reads.entry((tag, block)).or_default().asked += 1;
    }

    /// A range of a verified piece, at any alignment.
    fn block_to_read(&self, argument: usize) -> Option<BlockInfo> {
        let pieces: Vec<_> = self.model.have.iter().collect();
        let &piece = *pieces.get(argument % pieces.len().max(1))?;
        let length = self.geometry().piece_length(piece);
        let begin = (argument as u32 / 16 * 5_003) % length;
        let longest = if argument & 1 == 0 { BLOCK_LENGTH } else { 1_000 };
        self.geometry().block(piece.get(), begin, longest.min(length - begin))
    }

    pub(crate) fn cancel(&mut self, argument: usize) {
        let cancelled = argument as u64 % 3;
        self.plane.cancel_reads(|_, tag| tag == cancelled);
        for ((tag, _), reads) in &mut self.model.reads {
            if *tag == cancelled {
                reads.cancelled = reads.asked;
            }
        }
    }

    /// Waits until all is done that was asked for.
    pub(crate) fn settle(&mut self) {
        self.plane.checkpoint(Counters::default());
        loop {
            match self.next() {
                Completion::Checkpointed => break,
                other => self.model.take(self.torrent, other),
            }
        }
        self.model.unrecorded.clear();
        assert_eq!(self.model.told, self.model.accepted);
        assert_eq!(self.plane.unstored_bytes(), 0);
        self.wait(|model| model.verifying.is_empty() && model.reads.values().all(Reads::is_over));
    }

    /// Ends the run. What was cancelled may still have been answered.
    pub(crate) fn end(mut self) -> Model {
        self.disk.shutdown();
        for completion in self.completions.try_iter() {
            self.model.take(self.torrent, completion);
        }
        assert_eq!(self.plane.unstored_bytes(), 0);
        assert_eq!(self.model.told, self.model.accepted);
        assert!(self.model.verifying.is_empty(), "each verification ends");
        assert!(self.model.reads.values().all(Reads::is_over), "each read ends");
        self.model
    }

    fn wait(&mut self, is_over: impl Fn(&Model) -> bool) {
        while !is_over(&self.model) {
            let completion = self.next();
            self.model.take(self.torrent, completion);
        }
    }

    fn next(&self) -> Completion {
        self.completions.recv_timeout(Duration::from_secs(5)).expect("a completion is due")
    }

    fn piece(&self, argument: usize) -> PieceIndex {
        let count = self.geometry().piece_count();
        self.geometry().piece(argument as u32 % count).expect("it is within the count")
    }

    fn geometry(&self) -> &'a Geometry {
        self.torrent.layout.geometry()
    }
}
