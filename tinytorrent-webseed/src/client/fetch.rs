use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tinytorrent_types::BlockInfo;

use super::{Credit, Fetch, Report, Reports};
use crate::Assembler;

/// A fetch that a connection works at.
#[derive(Debug)]
pub(super) struct Running {
    id: u64,
    assembler: Assembler,
    credit: Arc<Credit>,
    pub(super) max_skip: u64,
}

/// The end of a fetch before its blocks are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It was cancelled.
    Cancelled,
    /// Nobody takes reports any more.
    Abandoned,
}

impl Running {
    pub(super) fn new(fetch: Fetch) -> Self {
        let Fetch { id, blocks, credit, max_skip } = fetch;
        Self { id, assembler: Assembler::new(blocks), credit, max_skip }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.credit.is_cancelled()
    }

    /// A handle to wait for the end of it.
    pub(super) fn credit(&self) -> Arc<Credit> {
        Arc::clone(&self.credit)
    }

    pub(super) fn is_done(&self) -> bool {
        self.assembler.is_done()
    }

    /// Takes in bytes that follow those before, and reports the blocks that are complete. Waits for credit.
    pub(super) async fn take(
        &mut self,
        mut data: Bytes,
        reports: &impl Reports,
    ) -> Result<(), Stopped> {
        let mut blocks: Vec<(BlockInfo, Bytes)> = Vec::new();
        while let Some(block) = self.assembler.next_block(&mut data) {
            if !self.credit.try_take() {
                self.report(&mut blocks, reports).await?;
                if !self.credit.take().await {
                    return Err(Stopped::Cancelled);
                }
            }
            blocks.push(block);
        }
        self.report(&mut blocks, reports).await
    }

    /// The same for zeros.
    pub(super) async fn pad(
        &mut self,
        mut length: u64,
        reports: &impl Reports,
    ) -> Result<(), Stopped> {
        while length > 0 {
            let part = length.min(PAD);
            self.take(BytesMut::zeroed(part as usize).freeze(), reports).await?;
            length -= part;
        }
        Ok(())
    }

    async fn report(
        &self,
        blocks: &mut Vec<(BlockInfo, Bytes)>,
        reports: &impl Reports,
    ) -> Result<(), Stopped> {
        if blocks.is_empty() {
            return Ok(());
        }
        if self.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        let report = Report::Blocks { fetch: self.id, blocks: std::mem::take(blocks) };
        if reports.report(report).await { Ok(()) } else { Err(Stopped::Abandoned) }
    }
}

/// Zeros that are made at once. The padding inside blocks is shorter than a block.
const PAD: u64 = 16 * 1024;
