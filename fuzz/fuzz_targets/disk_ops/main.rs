//! Whatever is stored, in any order, and however often a run ends: each accepted byte is told of as
//! written once, only right pieces are verified, reads give the content, and recovery claims what is
//! on disk and forgets nothing of it.
#![no_main]

mod model;
mod session;
mod torrents;

use std::ops::ControlFlow;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tinytorrent_storage::{RecoverOptions, Recovered, recover};

use model::Restart;
use session::{Payload, Session};
use torrents::{Scratch, Torrent};

/// Operations of one run at most: more find nothing new and take longer.
const MAX_OPERATIONS: usize = 96;

/// Runs of the disk at most, of which each starts threads.
const MAX_SESSIONS: usize = 4;

// Two bytes of setup, then two bytes an operation.
fuzz_target!(|input: &[u8]| {
    let [torrent, setup, operations @ ..] = input else { return };
    let torrent = torrents::nth(*torrent);
    let folder = Scratch::new("disk-ops");
    let mut sessions = 1;
    let (storage, first) = (Arc::new(folder.open(torrent)), Restart::default());
    let mut session = Session::start(torrent, storage, nothing(torrent), first, *setup);
    for operation in operations.as_chunks().0.iter().take(MAX_OPERATIONS) {
        let [code, argument] = *operation;
        let argument = usize::from(argument);
        match code % 16 {
            0..=4 => session.store(argument, Payload::Right, false),
            5 => session.store(argument, Payload::Wrong, false),
            6 => session.store(argument, Payload::RightWithNoiseAsPadding, false),
            7 => session.store(argument, Payload::Right, true),
            8 => session.store_piece(argument),
            9 => session.verify(argument),
            10..=12 => session.read(argument),
            13 => session.cancel(argument),
            14 => session.settle(),
            _ if sessions < MAX_SESSIONS => {
                sessions += 1;
                session = restart(session, torrent, &folder, *setup, argument);
            }
            _ => break,
        }
    }
    session.end().assert_on_disk(torrent, &folder.0);
});

/// Ends a run, damages the content perhaps, recovers and begins the next run.
fn restart(
    session: Session<'static>,
    torrent: &'static Torrent,
    folder: &Scratch,
    setup: u8,
    argument: usize,
) -> Session<'static> {
    let mut model = session.end();
    model.assert_on_disk(torrent, &folder.0);
    let restart = Restart { is_damaging: argument % 4 == 3, is_thorough: argument & 4 != 0 };
    if restart.is_damaging {
        model.cut_file(torrent, &folder.0, argument / 8);
    }
    let storage = Arc::new(folder.open(torrent));
    let mut options = RecoverOptions::default();
    options.threads(1).ignore_record(restart.is_thorough).seed(argument as u64);
    let recovered = recover(&storage, &torrent.hashes, &options, |_| ControlFlow::Continue(()));
    let recovered = recovered.expect("files can be read").expect("nobody ends it");
    model.assert_recovered(torrent, &recovered, restart);
    Session::start(torrent, storage, recovered, restart, setup)
}

fn nothing(torrent: &Torrent) -> Recovered {
    Recovered::nothing(torrent.layout.geometry().piece_count())
}
