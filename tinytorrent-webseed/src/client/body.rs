use bytes::Bytes;

use super::FetchError;

/// The use of the body of a response.
#[derive(Debug)]
pub(super) enum Body {
    /// Throw so many bytes away, and take so many. The server closes the connection behind it, or not.
    Take { skip: u64, take: u64, closes: bool },
    /// Throw it away, or the connection if it is more than this.
    Drain { left: u64 },
    /// Throw it away, whose length is known to be small. The fetch fails with this.
    Fail { error: FetchError },
    /// Read the seconds to wait (BEP 17).
    Pause { status: u16 },
}

/// Bytes of a body that are read and thrown away rather than to connect anew: what is under way in a round trip.
pub(super) const DRAIN: u64 = 128 * 1024;

/// Takes what is wanted out of bytes of a body, of which the first `skip` and all behind `take` are not.
pub(super) fn portion(data: &mut Bytes, skip: &mut u64, take: &mut u64) -> Bytes {
    let skipped = at_most(*skip, data.len());
    let _ = data.split_to(skipped);
    *skip -= skipped as u64;
    let taken = at_most(*take, data.len());
    *take -= taken as u64;
    data.split_to(taken)
}

fn at_most(most: u64, length: usize) -> usize {
    usize::try_from(most).map_or(length, |most| most.min(length))
}
