use std::fmt;
use std::net::IpAddr;

use tinytorrent_types::WireInfoHash;

use crate::{AnnounceRequest, Refusal};

/// A request to a [`Tracker`](super::Tracker), as its hook for admission sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The torrent. A scrape of several is judged one by one.
    pub info_hash: WireInfoHash,
    /// The announce; `None` for a scrape.
    pub announce: Option<&'a AnnounceRequest>,
    /// Path and query of the URL, in which private trackers have a passkey. Over HTTP it is the
    /// whole request target. Over UDP it is what the client has sent of the announce URL (BEP 41):
    /// nothing with a scrape, and nothing from clients that do not know of it.
    pub url: &'a [u8],
}

/// The hook that decides who is served, and what.
#[derive(Default)]
pub(super) struct Admission(Option<Box<Hook>>);

type Hook = dyn Fn(IpAddr, &Request<'_>) -> Result<(), Refusal> + Send + Sync;

impl Admission {
    pub(super) fn new(
        hook: impl Fn(IpAddr, &Request<'_>) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Box::new(hook)))
    }

    /// True if everybody is served.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn check(&self, from: IpAddr, request: &Request<'_>) -> Result<(), Refusal> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(from.to_canonical(), request))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "Admission(all)" } else { "Admission(hook)" })
    }
}
