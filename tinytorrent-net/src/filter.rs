use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tinytorrent_types::IpRanges;

/// The addresses that the user avoids, which can be changed at any time. Clones are the same filter.
///
/// A question takes a nanosecond as long as nothing is avoided, and a look-up in the ranges then.
#[derive(Clone, Default)]
pub struct IpFilter {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Read first, so that whoever avoids nobody waits for no lock.
    is_set: AtomicBool,
    ranges: RwLock<Option<Arc<IpRanges>>>,
}

impl IpFilter {
    /// A filter that avoids these addresses.
    pub fn new(ranges: Option<Arc<IpRanges>>) -> Self {
        let filter = Self::default();
        filter.set(ranges);
        filter
    }

    /// Avoids these addresses from now on, in place of those of before.
    pub fn set(&self, ranges: Option<Arc<IpRanges>>) {
        let mut current = self.shared.ranges.write().unwrap_or_else(PoisonError::into_inner);
        self.shared.is_set.store(ranges.is_some(), Ordering::Release);
        *current = ranges;
    }

    /// The addresses that are avoided.
    pub fn ranges(&self) -> Option<Arc<IpRanges>> {
        self.shared.ranges.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True if an address is avoided.
    pub fn blocks(&self, address: IpAddr) -> bool {
        if !self.shared.is_set.load(Ordering::Acquire) {
            return false;
        }
        let ranges = self.shared.ranges.read().unwrap_or_else(PoisonError::into_inner);
        ranges.as_ref().is_some_and(|ranges| ranges.contains(address))
    }

    /// Removes the addresses that are avoided.
    ///
    /// # Errors
    /// There were some, and none is left: [`PermissionDenied`](std::io::ErrorKind::PermissionDenied).
    pub fn retain_allowed(&self, addresses: &mut Vec<SocketAddr>) -> std::io::Result<()> {
        let Some(&first) = addresses.first() else { return Ok(()) };
        addresses.retain(|address| !self.blocks(address.ip()));
        if addresses.is_empty() { Err(blocked(first.ip())) } else { Ok(()) }
    }

    /// Refuses an address that is avoided.
    pub(crate) fn check(&self, address: IpAddr) -> std::io::Result<()> {
        if self.blocks(address) { Err(blocked(address)) } else { Ok(()) }
    }
}

fn blocked(address: IpAddr) -> std::io::Error {
    let what = format!("{address} is on the list of blocked addresses");
    std::io::Error::new(std::io::ErrorKind::PermissionDenied, what)
}

impl fmt::Debug for IpFilter {
    /// The number of ranges, of which there may be a million.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.ranges().map_or(0, |ranges| ranges.len());
        f.debug_struct("IpFilter").field("ranges", &ranges).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(first: [u8; 4], last: [u8; 4]) -> Option<Arc<IpRanges>> {
        let mut ranges = IpRanges::builder();
        ranges.add(first.into(), last.into()).unwrap();
        Some(Arc::new(ranges.build()))
    }

    #[test]
    fn a_change_holds_for_all_clones() {
        let filter = IpFilter::default();
        let other = filter.clone();
        let address = IpAddr::from([192, 0, 2, 7]);
        assert!(!other.blocks(address) && other.ranges().is_none());
        filter.set(ranges([192, 0, 2, 0], [192, 0, 2, 9]));
        assert!(other.blocks(address) && other.blocks("::ffff:192.0.2.7".parse().unwrap()));
        filter.set(None);
        assert!(!other.blocks(address));
    }

    #[tokio::test]
    async fn no_name_leads_to_an_address_that_is_avoided() {
        use std::io::ErrorKind::PermissionDenied;

        use tokio::time::{Duration, Instant};

        use crate::{Network, NetworkConfig, Target};

        let mut all = IpRanges::builder();
        for (first, last) in [("0.0.0.0", "255.255.255.255"), ("::", "ffff::")] {
            all.add(first.parse().unwrap(), last.parse().unwrap()).unwrap();
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = NetworkConfig::default();
        config.filter(IpFilter::new(Some(Arc::new(all.build()))));
        let network = Network::new(config);
        let deadline = Instant::now() + Duration::from_secs(60);
        for host in ["localhost", "127.0.0.1"] {
            let target = Target::new(host, address.port()).unwrap();
            let error = network.connect(&target, deadline).await.unwrap_err();
            assert_eq!(error.kind(), PermissionDenied, "{error}");
        }
        let error = network.look_up("localhost", 1, deadline).await.unwrap_err();
        assert_eq!(error.kind(), PermissionDenied);
        network.filter().set(None);
        network.connect(&Target::Address(address), deadline).await.unwrap();
    }

    #[test]
    fn of_several_addresses_those_that_are_left_are_used() {
        let filter = IpFilter::new(ranges([192, 0, 2, 0], [192, 0, 2, 9]));
        let all = ["192.0.2.7:1", "192.0.2.10:1"].map(|text| text.parse::<SocketAddr>().unwrap());
        let mut addresses = all.to_vec();
        filter.retain_allowed(&mut addresses).unwrap();
        assert_eq!(addresses, all[1..]);
        let error = filter.retain_allowed(&mut all[..1].to_vec()).unwrap_err();
        assert!(error.to_string().contains("192.0.2.7"), "{error}");
        filter.retain_allowed(&mut Vec::new()).unwrap();
    }
}
