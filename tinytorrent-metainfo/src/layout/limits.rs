/// Elements of a path at most, the same limit as in libtorrent.
pub const MAX_DEPTH: u32 = 100;

/// Files of a layout at most: all indices of 31 bits. A torrent file of so many would be 60 GiB long.
pub(super) const MAX_FILES: u32 = 1 << 31;

/// Bytes of the content at most: the largest offset of file systems and of `off_t`.
pub(super) const MAX_TOTAL: u64 = i64::MAX as u64;
