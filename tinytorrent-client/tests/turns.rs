//! What torrents of one client share: places in a queue, and limits of rate.

mod support;

use std::time::{Duration, Instant};

use support::{Scene, address, client, in_time};
use tinytorrent_client::{
    Client, ClientOptions, Event, PauseReason, State, Torrent, TorrentOptions,
};

fn limited(tune: impl FnOnce(&mut ClientOptions)) -> Client {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap());
    tune(&mut options);
    Client::start(options).unwrap()
}

async fn until(is_so: impl Fn() -> bool) {
    in_time(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn states(client: &Client) -> Vec<State> {
    client.torrents().iter().map(Torrent::state).collect()
}

#[tokio::test]
async fn one_at_a_time_in_order() {
    let scenes = [Scene::single(100_000), Scene::single(100_001), Scene::single(100_002)];
    let seeder = client("127.0.0.1:0");
    for scene in &scenes {
        scene.seed(&seeder).await;
    }
    let leecher = limited(|options| _ = options.active_downloads(Some(1)));
    for scene in &scenes {
        // Nobody to download from, so that it stays the first.
        leecher.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    }
    until(|| states(&leecher) == [State::Downloading, State::Queued, State::Queued]).await;
    let torrents = leecher.torrents();
    // One that is paused makes room, and comes back to its place.
    torrents[0].pause();
    until(|| states(&leecher) == [State::Paused, State::Downloading, State::Queued]).await;
    torrents[0].resume();
    until(|| states(&leecher) == [State::Downloading, State::Queued, State::Queued]).await;
    // Each makes room when it is complete.
    for torrent in &torrents {
        torrent.add_peers([address(&seeder).into()]);
    }
    for torrent in &torrents {
        in_time(torrent.finished()).await.unwrap();
    }
    // Seeds have places of their own.
    leecher.set_active_seeds(Some(2));
    until(|| states(&leecher) == [State::Seeding, State::Seeding, State::Queued]).await;
    in_time(torrents[0].stop()).await;
    until(|| states(&leecher) == [State::Seeding, State::Seeding]).await;
    leecher.set_active_seeds(None);
    assert_eq!(leecher.limits().active_downloads, Some(1));
}

#[tokio::test]
async fn the_order_of_the_torrents_says_which_of_them_run() {
    let scenes = [Scene::single(1), Scene::single(2), Scene::single(3)];
    let client = limited(|options| _ = options.active_downloads(Some(1)));
    let add = |scene: &Scene| {
        client.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap()
    };
    let [one, two, three] = scenes.each_ref().map(add);
    let order = || -> Vec<_> { client.torrents().iter().map(Torrent::hashes).collect() };
    let hashes = |torrents: [&Torrent; 3]| torrents.map(Torrent::hashes);
    until(|| states(&client) == [State::Downloading, State::Queued, State::Queued]).await;
    three.set_queue_position(0);
    assert_eq!(order(), hashes([&three, &one, &two]));
    until(|| three.state() == State::Downloading && one.state() == State::Queued).await;
    assert_eq!([&one, &two, &three].map(Torrent::queue_position), [Some(1), Some(2), Some(0)]);
    three.set_queue_position(1);
    assert_eq!(order(), hashes([&one, &three, &two]));
    one.set_queue_position(99);
    assert_eq!(order(), hashes([&three, &two, &one]));
    // More moves than there are numbers between two.
    for _ in 0..60 {
        let [first, second] = &client.torrents()[..2] else { panic!() };
        second.set_queue_position(1);
        first.set_queue_position(1);
        assert_eq!(first.queue_position(), Some(1));
    }
    in_time(two.stop()).await;
    assert_eq!((two.queue_position(), order().len()), (None, 2));
    two.set_queue_position(0);
    assert_eq!(order().len(), 2);
}

#[tokio::test]
async fn a_torrent_that_was_seeded_enough_is_paused() {
    let scene = Scene::single(100_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let seed = scene.seed(&seeder).await;
    seed.set_seed_goals(Some(1.0), None);
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    until(|| seed.state() == State::Paused).await;
    assert_eq!(seed.paused_by(), Some(PauseReason::SeedGoal));
    assert_eq!(seed.limits().unwrap().seed_ratio, Some(1.0));
    // Whoever goes on wants more than the goal, until there is another one.
    seed.resume();
    until(|| seed.state() == State::Seeding).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((seed.state(), seed.paused_by()), (State::Seeding, None));
    seed.pause();
    assert_eq!(seed.paused_by(), Some(PauseReason::User));
    seed.resume();
    until(|| seed.state() == State::Seeding).await;
    seed.set_seed_goals(Some(0.5), None);
    until(|| seed.paused_by() == Some(PauseReason::SeedGoal)).await;
    seed.set_seed_goals(Some(99.0), None);
    until(|| seed.state() == State::Seeding).await;
    let mut events = torrent.events();
    torrent.set_seed_goals(None, Some(Duration::ZERO));
    while !matches!(in_time(events.next()).await, Some(Event::SeededEnough)) {}
    until(|| torrent.state() == State::Paused).await;
    // Whoever resumes it wants more.
    torrent.set_seed_goals(None, None);
    torrent.resume();
    until(|| torrent.state() == State::Seeding).await;
}

#[tokio::test]
async fn a_limit_over_all_holds_for_both_directions() {
    for is_upload in [false, true] {
        let limit = |options: &mut ClientOptions, is_set: bool| {
            if is_set && is_upload {
                options.upload_limit(Some(200_000));
            } else if is_set {
                options.download_limit(Some(200_000));
            }
        };
        let scenes = [Scene::single(300_000), Scene::single(300_001)];
        let seeder = limited(|options| limit(options, is_upload));
        let leecher = limited(|options| limit(options, !is_upload));
        for scene in &scenes {
            scene.seed(&seeder).await;
        }
        let start = Instant::now();
        let torrents =
            scenes.each_ref().map(|scene| leecher.add(&scene.metainfo, scene.leech(&seeder)));
        for torrent in torrents {
            in_time(torrent.unwrap().finished()).await.unwrap();
        }
        // A second's worth may go at once.
        assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    }
}
