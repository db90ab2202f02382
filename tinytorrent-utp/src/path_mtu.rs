/// The search for the largest packet that the path carries, in bytes of UDP payload.
///
/// A probe is a packet of data with a size between the largest that has arrived and the smallest that has not, sent
/// with the flag that forbids fragments (P-11, P-24).
#[derive(Debug)]
pub(crate) struct PathMtu {
    floor: u16,
    ceiling: u16,
    has_failed: bool,
}

impl PathMtu {
    /// A search up to `most`, the largest packet for the link of this host.
    pub(crate) fn new(most: u16) -> Self {
        Self { floor: most.min(FLOOR), ceiling: most, has_failed: false }
    }

    /// The largest packet that is known to arrive.
    pub(crate) fn size(&self) -> usize {
        self.floor.into()
    }

    /// The size to try next; none if there is little to gain.
    pub(crate) fn probe(&self) -> Option<usize> {
        let gap = self.ceiling - self.floor;
        // The link of this host is right most of the time, so it is tried first, and then the middle.
        let below = if self.has_failed { gap / 2 } else { 0 };
        (gap >= LEAST_GAIN).then(|| usize::from(self.ceiling - below))
    }

    /// A probe of this size has arrived.
    pub(crate) fn on_arrived(&mut self, size: usize) {
        let size = u16::try_from(size).unwrap_or(u16::MAX);
        self.floor = self.floor.max(size.min(self.ceiling));
    }

    /// A probe of this size was lost, or the system refused it.
    pub(crate) fn on_lost(&mut self, size: usize) {
        let below = u16::try_from(size.saturating_sub(1)).unwrap_or(u16::MAX);
        self.ceiling = self.ceiling.min(below).max(self.floor);
        self.has_failed = true;
    }
}

/// The size that nearly all paths carry, and that QUIC asks of a path (RFC 9000, section 14). Packets of this size may be cut
/// by routers, so that they arrive in any case.
const FLOOR: u16 = 1_200;

/// Bytes for which no further probe is worth its delay.
const LEAST_GAIN: u16 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// The size that is found, and the probes that it took.
    fn search(most: u16, carries: usize) -> (usize, usize) {
        let mut mtu = PathMtu::new(most);
        let mut probes = 0;
        while let Some(size) = mtu.probe() {
            probes += 1;
            if size <= carries { mtu.on_arrived(size) } else { mtu.on_lost(size) }
        }
        (mtu.size(), probes)
    }

    /// P-24
    #[test]
    fn the_largest_size_that_arrives_is_found_by_halves() {
        assert_eq!(search(1_472, 1_472), (1_472, 1));
        for carries in 1_200..1_472 {
            let (size, probes) = search(1_472, carries);
            assert!(
                size <= carries && carries - size <= 16 && probes <= 6,
                "{carries}: {size}, {probes}"
            );
        }
        assert_eq!(search(576, 576), (576, 0));
    }

    /// P-24
    #[test]
    fn a_refused_size_is_the_ceiling() {
        let mut mtu = PathMtu::new(1_472);
        mtu.on_lost(1_473);
        assert_eq!(mtu.probe(), Some(1_472 - 136));
        mtu.on_lost(100);
        assert_eq!((mtu.size(), mtu.probe()), (1_200, None));
    }
}
