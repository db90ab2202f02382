//! Bugs that are planted on purpose, so that somebody can see whether laws or tests catch them.
//!
//! They exist in builds with `--cfg tinytorrent_planted` alone, one at a time, for all engines of the process. In other
//! builds each question about them is a constant.

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[cfg_attr(
    not(tinytorrent_planted),
    expect(unreachable_pub, reason = "public where bugs can be planted")
)]
pub enum Bug {
    /// Picker: a block that a peer will not send is not given to others.
    KeepsReleased,
    /// Picker: a download counts as finished when a piece is missing.
    FinishesEarly,
    /// Picker: blocks that could not be stored are not fetched anew.
    ForgetsUnstored,
    /// Picker: the blocks of a piece that failed stay as they are.
    KeepsFailed,
    /// Choker: nobody gets a slot in a round.
    KeepsAllChoked,
    /// Choker: requests that wait are not rejected with a choke.
    ForgetsWaiting,
    /// Choker: an unchoke is said twice.
    UnchokesTwice,
    /// Serving: a block that was sent is rejected as well.
    AnswersTwice,
    /// Serving: a request that is withdrawn gets no answer.
    IgnoresCancels,
    /// Serving: the peer waits when a block could not be read.
    ForgetsUnread,
    /// Blame: all who had a part in a wrong piece are banned.
    BansSharers,
    /// Blame: it is the sender of the next block who is banned.
    BansNeighbour,
    /// Verifier: a piece that failed counts as right.
    TrustsFailed,
    /// Verifier: others are told of a piece when its last block has come.
    TellsEarly,
    /// Rulebook: a piece is told of again.
    TellsTwice,
    /// Rulebook: a peer is asked without word of interest.
    SaysNoInterest,
    /// Resume: pieces of which all blocks were recorded are not looked at.
    TrustsRecord,
    /// Resume: blocks that were recorded are taken for those of a peer.
    BlamesForRecord,
    /// Schedule: trackers are not told of the end.
    StopsSilently,
    /// Schedule: the first announce says nothing of a start.
    StartsSilently,
    /// Schedule: `completed` is said again with each announce.
    CompletesAgain,
    /// Budget: blocks are asked for however many wait for the disk.
    IgnoresBudget,
    /// Budget: what the disk has written goes on to count.
    LeaksBudget,
    /// Roster: there is always a place for one more.
    TakesAll,
    /// Roster: an address that failed is forgotten.
    NeverRetries,
    /// Roster: seeds are forgotten while nothing is wanted.
    ForgetsSeeds,
    /// Timers: a round of choking is always due.
    WakesAlways,
    /// Super seeding: peers are told of all pieces, by and by.
    TellsAll,
    /// Web seeds: the blocks of a fetch that failed are not given to others.
    KeepsFetch,
    /// End game: whoever is asked first is never relieved.
    StealsNothing,
    /// Life: a torrent that is resumed stays as it is.
    StaysPaused,
    /// Life: peers are not left when the torrent stops.
    StaysConnected,
    /// Hashes: a request that a peer rejects is not made to others.
    KeepsHashRequest,
    /// Hashes: wrong ones count as right.
    TrustsHashes,
    /// Hashes: whoever asks gets no answer.
    IgnoresHashRequests,
    /// Look-ups: the first one is the last.
    LooksUpOnce,
}

impl Bug {
    /// All of them.
    #[cfg(tinytorrent_planted)]
    pub const ALL: [Self; 36] = [
        Self::KeepsReleased,
        Self::FinishesEarly,
        Self::ForgetsUnstored,
        Self::KeepsFailed,
        Self::KeepsAllChoked,
        Self::ForgetsWaiting,
        Self::UnchokesTwice,
        Self::AnswersTwice,
        Self::IgnoresCancels,
        Self::ForgetsUnread,
        Self::BansSharers,
        Self::BansNeighbour,
        Self::TrustsFailed,
        Self::TellsEarly,
        Self::TellsTwice,
        Self::SaysNoInterest,
        Self::TrustsRecord,
        Self::BlamesForRecord,
        Self::StopsSilently,
        Self::StartsSilently,
        Self::CompletesAgain,
        Self::IgnoresBudget,
        Self::LeaksBudget,
        Self::TakesAll,
        Self::NeverRetries,
        Self::ForgetsSeeds,
        Self::WakesAlways,
        Self::TellsAll,
        Self::KeepsFetch,
        Self::StealsNothing,
        Self::StaysPaused,
        Self::StaysConnected,
        Self::KeepsHashRequest,
        Self::TrustsHashes,
        Self::IgnoresHashRequests,
        Self::LooksUpOnce,
    ];
}

/// The number of the bug that is planted, plus one; zero for none.
#[cfg(tinytorrent_planted)]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a bug in all engines, in place of the one that is there.
#[cfg(tinytorrent_planted)]
pub fn plant(bug: Option<Bug>) {
    let number = bug.map_or(0, |bug| bug as u8 + 1);
    PLANTED.store(number, std::sync::atomic::Ordering::Relaxed);
}

/// Returns true if this bug is planted.
#[cfg(tinytorrent_planted)]
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::Relaxed) == bug as u8 + 1
}

/// No bug is planted.
#[cfg(not(tinytorrent_planted))]
pub(crate) const fn is_planted(_: Bug) -> bool {
    false
}
