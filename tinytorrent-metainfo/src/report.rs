use tinytorrent_bencode::{Deviation, Node};

use crate::error::{Error, ErrorKind};
use crate::warning::{Warning, WarningKind};

/// The faults that reading has found so far. Lenient reading collects them; strict reading ends at the
/// first that is not harmless.
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

    /// Reports a fault that strict reading refuses.
    pub(crate) fn deviate(&mut self, node: &Node<'_, '_>, kind: WarningKind) -> Result<(), Error> {
        debug_assert!(!kind.is_harmless(), "{kind}");
        if !self.lenient {
            return Err(Error::at(node, ErrorKind::Strict(kind)));
        }
        self.keep(node, kind);
        Ok(())
    }

    /// Reports a harmless fault.
    pub(crate) fn note(&mut self, node: &Node<'_, '_>, kind: WarningKind) {
        debug_assert!(kind.is_harmless(), "{kind}");
        self.keep(node, kind);
    }

    fn keep(&mut self, node: &Node<'_, '_>, kind: WarningKind) {
        self.count += 1;
        // Finding a key path takes time, so only faults that are kept get one.
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

    /// The number of faults that can still be kept.
    pub(crate) fn remaining(&self) -> usize {
        self.limit - self.warnings.len()
    }

    /// Counts faults that are not kept.
    pub(crate) fn count_only(&mut self, count: usize) {
        self.count += count;
    }

    pub(crate) fn finish(mut self) -> Warnings {
        // The deviations of bencode were reported before all others.
        self.warnings.sort_by_key(|warning| warning.offset);
        Warnings { list: self.warnings, count: self.count }
    }
}

/// The faults of a torrent: the first of them, and the number of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Warnings {
    pub(crate) list: Vec<Warning>,
    pub(crate) count: usize,
}
