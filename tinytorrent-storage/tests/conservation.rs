//! The law of back-pressure: the bytes told of by `BlocksWritten` are those that `store` accepted.

mod common;

use std::fs;

use common::{Session, World};
use proptest::prelude::*;
use tinytorrent_storage::{
    Completion, Counters, Disk, DiskOptions, PieceVerifyOptions, Recovered, StorageOptions,
};
use tinytorrent_types::BlockInfo;

const PIECE: u32 = 65_536;
const FILES: &[common::FileSpec] = &[("t/a", 150_000, false), ("t/b", 200_001, false)];

#[derive(Debug, Clone)]
enum Step {
    Store { at: prop::sample::Index, is_right: bool, is_last: bool },
    Verify(prop::sample::Index),
    Checkpoint,
    Wait,
}

/// The state of the folder that blocks are written to.
#[derive(Debug, Clone, Copy)]
enum Folder {
    Writable,
    /// A folder stands where the second file belongs.
    Obstructed,
    ReadOnly,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    Shutdown,
    Both,
}

fn any_step() -> impl Strategy<Value = Step> {
    let store =
        (any::<prop::sample::Index>(), prop::bool::weighted(0.9), prop::bool::weighted(0.2));
    prop_oneof![
        20 => store.prop_map(|(at, is_right, is_last)| Step::Store { at, is_right, is_last }),
        4 => any::<prop::sample::Index>().prop_map(Step::Verify),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Wait),
    ]
}

fn world(folder: Folder) -> World {
    let world = World::new(PIECE, FILES);
    if matches!(folder, Folder::Obstructed) {
        fs::create_dir_all(world.path().join("t/b")).unwrap();
    }
    world
}

fn all_blocks(world: &World) -> Vec<BlockInfo> {
    world.geometry().pieces().flat_map(|piece| world.blocks(piece)).collect()
}

/// Does one step. Gives the bytes that were accepted.
fn take(step: &Step, session: &Session<'_>, blocks: &[BlockInfo]) -> u64 {
    let options = PieceVerifyOptions::default();
    match step {
        Step::Store { at, is_right, is_last } => {
            let block = *at.get(blocks);
            let mut data = session.world.block_data(block).to_vec();
            data[0] ^= u8::from(!is_right);
            let stored = match is_last {
                true => session.torrent.store_last(block, data.into(), options),
                false => session.torrent.store(block, data.into()),
            };
            return stored.map_or(0, |()| block.length().into());
        }
        Step::Verify(at) => session.torrent.verify(at.get(blocks).piece(), options),
        Step::Checkpoint => session.torrent.checkpoint(Counters::default()),
        Step::Wait => std::thread::sleep(std::time::Duration::from_millis(3)),
    }
    0
}

fn bytes_of(completion: &Completion) -> u64 {
    match completion {
        Completion::BlocksWritten { bytes } => *bytes,
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(96)
    })]

    #[test]
    fn bytes_told_of_as_written_are_those_that_were_accepted(
        steps in prop::collection::vec(any_step(), 0..120),
        folder in prop::sample::select(&[Folder::Writable, Folder::Obstructed, Folder::ReadOnly]),
        end in prop::sample::select(&[End::Close, End::Shutdown, End::Both]),
    ) {
        let world = world(folder);
        let disk = Disk::new(&DiskOptions::default()).unwrap();
        let mut options = StorageOptions::default();
        options.read_only(matches!(folder, Folder::ReadOnly));
        let recovered = Recovered::nothing(world.geometry().piece_count());
        let session = world.join_storage(&disk, world.storage_with(&options), recovered);
        let blocks = all_blocks(&world);
        let (mut accepted, mut told) = (0, 0);
        for step in &steps {
            accepted += take(step, &session, &blocks);
            told += session.completions.try_iter().map(|done| bytes_of(&done)).sum::<u64>();
            prop_assert!(told <= accepted);
        }
        let Session { torrent, completions, .. } = session;
        let mut disk = Some(disk);
        if matches!(end, End::Shutdown) {
            disk.take().unwrap().shutdown();
            prop_assert_eq!(torrent.unstored_bytes(), 0);
        }
        drop(torrent);
        if matches!(end, End::Both) {
            disk.take().unwrap().shutdown();
        }
        // The channel ends with the torrent, while the disk of `End::Close` still runs.
        told += completions.iter().map(|done| bytes_of(&done)).sum::<u64>();
        prop_assert_eq!(told, accepted);
    }
}
