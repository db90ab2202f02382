use tinytorrent_bencode::{Deviation, Node};

use crate::error::{Error, ErrorKind};
use crate::warning::{Warning, WarningKind};

/// Takes what reading gets over: lenient reading keeps it, strict reading ends.
#[derive(Debug)]
pub(crate) struct Report {
    lenient: bool,
    limit: usize,
    warnings: Vec<Warning>,
    count: usize,
}

impl Report {
    pub(crate) fn new(lenient: bool, limit: usize) -> Self {
        Self { lenient, limit, warnings: Vec::new(), count: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// Strict reading cannot accept this.
    pub(crate) fn deviate(&mut self, node: &Node<'_, '_>, kind: WarningKind) -> Result<(), Error> {
        if !self.lenient {
            return Err(Error::at(node, ErrorKind::Strict(kind)));
        }
        self.note(node, kind);
        Ok(())
    }

    /// Either reading can live with this.
    pub(crate) fn note(&mut self, node: &Node<'_, '_>, kind: WarningKind) {
        self.count += 1;
        // Finding the key path takes time, so only those that are kept get one.
        if self.warnings.len() < self.limit {
            self.warnings.push(Warning { kind, offset: node.offset(), path: node.path() });
        }
    }

    pub(crate) fn deviation(&mut self, deviation: Deviation) {
        self.count += 1;
        if self.warnings.len() < self.limit {
            let Deviation { kind, offset, path, .. } = deviation;
            self.warnings.push(Warning { kind: WarningKind::Bencode(kind), offset, path });
        }
    }

    /// How many more are kept.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.warnings.len()
    }

    /// Counts some that are not kept.
    pub(crate) fn skip(&mut self, count: usize) {
        self.count += count;
    }

    pub(crate) fn finish(mut self) -> Warnings {
        self.warnings.sort_by_key(|warning| warning.offset);
        Warnings { list: self.warnings, count: self.count }
    }
}

/// All that reading got over, as far as it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Warnings {
    pub(crate) list: Vec<Warning>,
    pub(crate) count: usize,
}
