use std::ops::Add;

/// Figures of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Stats {
    /// Bytes of blocks accepted from peers since the start.
    pub downloaded: u64,
    /// Bytes of blocks sent to peers since the start.
    pub uploaded: u64,
    /// Bytes of blocks that were received and not needed, or failed.
    pub wasted: u64,
    /// Bytes a second now.
    pub download_rate: u64,
    /// Bytes a second now.
    pub upload_rate: u64,
    /// Peers whose handshakes are through.
    pub peers: u32,
    /// Those of them that have everything.
    pub seeds: u32,
    /// Addresses known to us.
    pub known_peers: u32,
    /// Pieces that failed their hash.
    pub hash_failures: u32,
    /// Bytes of verified pieces.
    pub have_bytes: u64,
    /// Bytes still missing of the whole torrent.
    pub left: u64,
    /// Bytes still missing of the wanted pieces: `have_bytes` grows by so much until all is there.
    pub wanted_left: u64,
}

/// The figures of two torrents together.
impl Add for Stats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            downloaded: self.downloaded + other.downloaded,
            uploaded: self.uploaded + other.uploaded,
            wasted: self.wasted + other.wasted,
            download_rate: self.download_rate + other.download_rate,
            upload_rate: self.upload_rate + other.upload_rate,
            peers: self.peers + other.peers,
            seeds: self.seeds + other.seeds,
            known_peers: self.known_peers + other.known_peers,
            hash_failures: self.hash_failures + other.hash_failures,
            have_bytes: self.have_bytes + other.have_bytes,
            left: self.left + other.left,
            wanted_left: self.wanted_left + other.wanted_left,
        }
    }
}

/// Introductions between peers that cannot reach each other, since the start (BEP 55).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Introductions {
    /// Introductions that we asked others for.
    pub asked: u32,
    /// Those of them that were refused.
    pub refused: u32,
    /// Introductions that we made for others.
    pub relayed: u32,
    /// Peers that we connected to at the word of another, asked for or not.
    pub connected: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(step: u32) -> Stats {
        let figure = |n: u32| u64::from(n * step);
        Stats {
            downloaded: figure(1),
            uploaded: figure(2),
            wasted: figure(3),
            download_rate: figure(4),
            upload_rate: figure(5),
            peers: 6 * step,
            seeds: 7 * step,
            known_peers: 8 * step,
            hash_failures: 9 * step,
            have_bytes: figure(10),
            left: figure(11),
            wanted_left: figure(12),
        }
    }

    #[test]
    fn each_figure_of_two_torrents_is_summed() {
        assert_eq!(figures(3) + figures(40), figures(43));
        assert_eq!(figures(1) + Stats::default(), figures(1));
    }
}
