//! The attackers, by name.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tinytorrent_sim::Behaviour;

use crate::speech::Says;

/// The largest metadata that our engine accepts: few sizes fit into its budget.
pub(crate) const LARGEST_METADATA: u32 = 1 << 20;

/// A way to keep others from what is theirs, or to make them work or hold much.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attack {
    /// Says that it has everything, and behaves so. Beside a seed it has nothing.
    Behaves(Behaviour),
    /// Says that it has everything, and lets nobody ask for it.
    Chokes,
    /// Has the id of the honest peer.
    TakesName,
    /// Has the id of the honest peer, beside it behind the same router, and says that it listens where that
    /// does.
    TakesNameAndAddress,
    /// Says that the metadata has this length, as others of its kind do, and sends so much of something.
    NamesSize(u32),
    /// The same, of a length near to this one that nobody else names.
    NamesOwnSize(u32),
    /// Connects so often, and does not shake hands.
    Knocks(Duration),
    /// Connects so often, says that it has everything, and stays.
    FillsPlaces(Duration),
    /// Says this again after each pause, over one connection.
    Speaks(Says, Duration),
    /// Says this over one connection after the other, with such pauses between its words.
    Returns(Says, Duration),
    /// A tracker that comes before the one that knows the honest peer. It knows nobody, and wants to be asked
    /// once a day.
    TracksNobody,
    /// The same, which tells of two hundred addresses at which nobody is.
    TracksMany,
}

/// The addresses that attackers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    OneHost,
    TwoHosts,
    /// A /24 of IPv4.
    OneNetwork,
    /// A /64 of IPv6, one for each connection.
    OneSixtyFour,
    /// One host each, in networks of their own.
    Anywhere,
}

impl Attack {
    /// An attack on somebody who downloads.
    pub(crate) fn on_leech(random: &mut StdRng) -> Self {
        match random.random_range(0..16) {
            0 => Attack::Chokes,
            1 => Attack::TakesName,
            2 => Attack::TakesNameAndAddress,
            3 if random.random() => Attack::NamesSize(random.random_range(1..LARGEST_METADATA)),
            3 => Attack::NamesOwnSize(random.random_range(1..LARGEST_METADATA)),
            4 => Attack::Behaves(Behaviour::LiesAboutMetadata),
            5 => Attack::TracksNobody,
            6 => Attack::TracksMany,
            7 => Attack::FillsPlaces(Duration::from_millis(4 << random.random_range(0..6))),
            8..12 => Self::of_stranger(random),
            _ => Attack::Behaves(*Behaviour::ATTACKS.choose(random).expect("there are some")),
        }
    }

    /// An attack on somebody who downloads one of very many pieces: what is walked over shows.
    pub(crate) fn on_many_pieces(random: &mut StdRng) -> Self {
        use Says::{AllowedFast, ComesAndGoes, Half, Haves, Promises, Suggests, Unchokes};
        let pause = Duration::from_millis(random.random_range(1..40));
        let says = [AllowedFast, ComesAndGoes, Half, Haves, Promises, Suggests, Unchokes];
        let says = *says.choose(random).expect("there are some");
        match random.random_range(0..5) {
            0 => Attack::Behaves(Behaviour::Flaps),
            1 => Attack::Behaves(Behaviour::Leaves),
            2 => Attack::Returns(says, 20 * pause),
            3 => Attack::Speaks(says, pause),
            _ => Self::on_leech(random),
        }
    }

    /// An attack on somebody who seeds.
    pub(crate) fn on_seed(random: &mut StdRng) -> Self {
        match random.random_range(0..8) {
            0 => Attack::Behaves(Behaviour::Silent),
            1 => Attack::Behaves(Behaviour::NeverGreets),
            2 | 3 => Attack::Behaves(Behaviour::AsksNothing),
            _ => Self::of_stranger(random),
        }
    }

    /// An attack of those who only speak, or not even that.
    fn of_stranger(random: &mut StdRng) -> Self {
        let says = *Says::ALL.choose(random).expect("there are some");
        let pause = Duration::from_millis(random.random_range(1..40));
        match random.random_range(0..4) {
            0 => Attack::Knocks(Duration::from_micros(500 << random.random_range(0..12))),
            1 => Attack::Returns(says, 20 * pause),
            _ => Attack::Speaks(says, pause),
        }
    }

    /// Returns true for a tracker.
    pub(crate) fn is_tracker(self) -> bool {
        matches!(self, Attack::TracksNobody | Attack::TracksMany)
    }

    /// Returns true for an attacker that says what it says without an engine.
    pub(crate) fn is_stranger(self) -> bool {
        use Attack::{FillsPlaces, Knocks, Returns, Speaks};
        matches!(self, Knocks(_) | FillsPlaces(_) | Speaks(..) | Returns(..))
    }
}

impl From {
    pub(crate) const ALL: [Self; 5] =
        [Self::OneHost, Self::TwoHosts, Self::OneNetwork, Self::OneSixtyFour, Self::Anywhere];

    /// The n-th address.
    pub(crate) fn address(self, n: u16) -> SocketAddr {
        let [high, low] = n.to_be_bytes();
        match self {
            From::OneHost => SocketAddr::from(([40, 0, 0, 1], 7_000 + n)),
            From::TwoHosts => SocketAddr::from(([40, 0, low % 2, 1], 7_000 + n)),
            From::OneNetwork => SocketAddr::from(([40, 0, 1, low], 7_000 + n)),
            From::OneSixtyFour => SocketAddr::from(([0x2606, 0x4700, 0, 0, 0, 0, 0, n + 1], 7_000)),
            From::Anywhere => SocketAddr::from(([41 + low % 100, high, low, 1], 7_000)),
        }
    }

    /// The addresses of the n-th attacker, if it has many.
    pub(crate) fn addresses(self, n: u16) -> Vec<SocketAddr> {
        let many = 0..200;
        match self {
            From::Anywhere => {
                let host = self.address(n).ip();
                many.map(|port| SocketAddr::new(host, 1_000 + port)).collect()
            }
            _ => many.map(|at| self.address(1_000 + 200 * n + at)).collect(),
        }
    }
}
