//! The list of the calls that change an engine. A method that is missing here makes a test fail.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use tinytorrent_types::{Bitfield, BlockInfo, IpRanges};
use tinytorrent_wire::PieceHeader;

use super::Recorded;
use super::code::{Code, Malformed, Reader, Writer};
use crate::{
    Action, BlockVerdict, Event, FetchKey, Input, PeerKey, PeerView, ReaderKey, Stats, Swarm,
    WebSeedKey, WebSeedView,
};

/// The type of an argument in a recording: as the method takes it, or the one behind the arrow.
macro_rules! kept {
    ($given:ty) => {
        $given
    };
    ($given:ty, $kept:ty) => {
        $kept
    };
}

/// The first expression, or the second one if there is one.
macro_rules! or {
    ($first:expr) => {
        $first
    };
    ($first:expr, $second:expr) => {
        $second
    };
}

/// Makes, of one list: the methods of [`Recorded`], which write themselves down; [`Call`]; and its replay.
macro_rules! calls {
    (
        timed {$(
            $tag:literal $variant:ident = $method:ident (
                $($argument:ident: $given:ty $(=> $kept:ty { $keep:expr; $pass:expr })?),*
            ) $(-> $answer:ty)?;
        )*}
        polled {$(
            $polled_tag:literal $polled_variant:ident = $polled:ident () -> $polled_answer:ty;
        )*}
    ) => {
        /// A call that changes an engine, by the name of its method.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Call {
            $(
                #[doc = concat!("[`Swarm::", stringify!($method), "`].")]
                $variant {$(
                    #[doc = concat!("The argument `", stringify!($argument), "`.")]
                    $argument: kept!($given $(, $kept)?),
                )*},
            )*
            $(
                #[doc = concat!("[`Swarm::", stringify!($polled), "`].")]
                $polled_variant,
            )*
        }

        impl Recorded {
            $(
                #[doc = concat!("[`Swarm::", stringify!($method), "`], written down.")]
                pub fn $method(
                    &mut self,
                    now: Instant
                    $(, $argument: $given)*
                ) $(-> $answer)? {
                    let Some(recorder) = &mut self.recorder else {
                        return self.swarm.$method(now $(, $argument)*);
                    };
                    $($(let $argument: $kept = $keep;)?)*
                    let out = recorder.begin_at($tag, now);
                    $(Code::encode(&$argument, out);)*
                    let answer = self.swarm.$method(now $(, or!($argument $(, $pass)?))*);
                    answer.encode(out);
                    recorder.end();
                    answer
                }
            )*
            $(
                #[doc = concat!("[`Swarm::", stringify!($polled), "`], written down.")]
                pub fn $polled(&mut self) -> $polled_answer {
                    let Some(recorder) = &mut self.recorder else { return self.swarm.$polled() };
                    let out = recorder.begin($polled_tag);
                    let answer = self.swarm.$polled();
                    answer.encode(out);
                    recorder.end();
                    answer
                }
            )*
        }

        impl Call {
            /// The names of the methods.
            pub const METHODS: &'static [&'static str] =
                &[$(stringify!($method),)* $(stringify!($polled)),*];

            /// Returns true if a call with this tag has an instant.
            pub(super) fn is_timed(tag: u8) -> bool {
                [$($tag),*].contains(&tag)
            }

            /// The number of the method.
            pub(super) fn tag(&self) -> u8 {
                match self {
                    $(Call::$variant { .. } => $tag,)*
                    $(Call::$polled_variant => $polled_tag,)*
                }
            }

            /// Appends the arguments.
            pub(super) fn encode(&self, out: &mut Writer) {
                match self {
                    $(Call::$variant { $($argument),* } => { $(Code::encode($argument, out);)* })*
                    $(Call::$polled_variant => {})*
                }
            }

            /// Reads the arguments of the method with this number.
            pub(super) fn decode(tag: u8, input: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(match tag {
                    $($tag => Call::$variant {
                        $($argument: <kept!($given $(, $kept)?)>::decode(input)?),*
                    },)*
                    $($polled_tag => Call::$polled_variant,)*
                    _ => return Err(input.malformed("the number of a method")),
                })
            }

            /// Makes the call, and writes down the answer.
            pub(super) fn make(self, swarm: &mut Swarm, now: Instant, answer: &mut Writer) {
                match self {
                    $(Call::$variant { $($argument),* } => {
                        swarm.$method(now $(, or!($argument $(, $pass)?))*).encode(answer);
                    })*
                    $(Call::$polled_variant => swarm.$polled().encode(answer),)*
                }
            }

            /// Reads an answer to a call with this tag, for people.
            pub(super) fn show(tag: u8, answer: &mut Reader<'_>) -> Result<String, Malformed> {
                let shown = match tag {
                    $($tag => {
                        type Answer = or_unit!($($answer)?);
                        format!("{:?}", Answer::decode(answer)?)
                    })*
                    $($polled_tag => format!("{:?}", <$polled_answer>::decode(answer)?),)*
                    _ => return Err(answer.malformed("the number of a method")),
                };
                Ok(shown)
            }
        }
    };
}

/// The type of an answer, or none.
macro_rules! or_unit {
    () => {
        ()
    };
    ($answer:ty) => {
        $answer
    };
}

// The numbers are part of the format. The most frequent calls come first.
calls! {
    timed {
        1 HandleInput = handle_input(input: Input);
        2 HandleBlock = handle_block(peer: PeerKey, header: PieceHeader) -> BlockVerdict;
        3 HandleTimeout = handle_timeout();
        4 HandleFetched = handle_fetched(fetch: FetchKey, block: BlockInfo) -> BlockVerdict;
        5 Stats = stats() -> Stats;
        6 Peers = peers() -> Vec<PeerView>;
        7 WebSeeds = web_seeds() -> Vec<WebSeedView>;
        8 Accept = accept(address: SocketAddr) -> Option<PeerKey>;
        9 LeaveOne = leave_one() -> bool;
        10 SetPrivate = set_private();
        11 AddReader = add_reader(bytes: Range<u64>) -> ReaderKey;
        12 MoveReader = move_reader(reader: ReaderKey, bytes: Range<u64>);
        13 AdvanceReader = advance_reader(reader: ReaderKey, count: u64);
        14 RemoveReader = remove_reader(reader: ReaderKey);
        15 SetUrgent = set_urgent(
            pieces: impl IntoIterator<Item = u32> => Vec<u32> { pieces.into_iter().collect(); pieces }
        );
        16 Pause = pause();
        17 Resume = resume();
        18 Stop = stop();
        19 AddTrackers = add_trackers(tiers: Vec<Vec<String>>);
        20 SetTrackers = set_trackers(
            tiers: &[Vec<String>] => Vec<Vec<String>> { tiers.to_vec(); &tiers }
        );
        21 Scrape = scrape();
        22 Reannounce = reannounce();
        23 SetListenPort = set_listen_port(port: Option<u16>);
        24 SetDownloadLimit = set_download_limit(bytes_per_second: Option<u64>);
        25 SetUploadLimit = set_upload_limit(bytes_per_second: Option<u64>);
        26 SetSequential = set_sequential(sequential: bool);
        27 SetPriorities = set_priorities(low: Bitfield, high: Bitfield);
        28 SetWanted = set_wanted(wanted: Bitfield);
        29 BeginCheck = begin_check();
        30 SetMaxPeers = set_max_peers(count: usize);
        31 SetBlocked = set_blocked(ranges: Option<Arc<IpRanges>>);
        32 SetDialCredit = set_dial_credit(credit: Option<u32>);
        33 SetUploadSlots = set_upload_slots(count: usize);
        34 SetStoreBudget = set_store_budget(bytes: u64);
        35 SetMetadataMemory = set_metadata_memory(bytes: u64);
        36 AddWebSeed = add_web_seed() -> Option<WebSeedKey>;
        37 RemoveWebSeed = remove_web_seed(seed: WebSeedKey);
        38 SetSuperSeeding = set_super_seeding(super_seeding: bool);
    }
    polled {
        64 PollAction = poll_action() -> Option<Action>;
        65 PollEvent = poll_event() -> Option<Event>;
    }
}
