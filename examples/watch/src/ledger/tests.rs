use tinytorrent_types::InfoHashV1;

use super::*;

/// A ledger and the time, with a file system of names and stamps.
struct Scene {
    ledger: Ledger,
    now: Instant,
    files: BTreeMap<OsString, Stamp>,
    folder: u64,
}

impl Scene {
    fn new() -> Self {
        Self::with(Ledger::default())
    }

    fn with(ledger: Ledger) -> Self {
        Self { ledger, now: Instant::now(), files: BTreeMap::new(), folder: 1 }
    }

    fn put(&mut self, name: &str, version: u64) {
        self.files.insert(name.into(), stamp(version));
    }

    fn take(&mut self, name: &str) {
        self.files.remove(OsStr::new(name)).expect("it is there");
    }

    /// Scans. Returns the names of files to be read, and the news.
    fn scan(&mut self) -> (Vec<String>, Vec<News>) {
        let scan = Scan { folder: Some(self.folder), files: self.files.clone() };
        let (due, news) = self.ledger.observe(self.now, Ok(&scan));
        (due.into_iter().map(|name| name.into_string().unwrap()).collect(), news)
    }

    fn due(&mut self) -> Vec<String> {
        let (due, news) = self.scan();
        assert_eq!(news, []);
        due
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn read(&mut self, name: &str, torrents: &[u8]) -> Option<News> {
        self.finish(name, Ok(torrents.iter().copied().map(named).collect()))
    }

    fn fail(&mut self, name: &str) -> Option<News> {
        self.finish(name, Err("it is cut".into()))
    }

    fn finish(&mut self, name: &str, found: Result<Vec<Named>, String>) -> Option<News> {
        let stamp = self.files.get(OsStr::new(name)).copied();
        self.ledger.on_read(self.now, name.as_ref(), stamp, found)
    }

    /// Puts a torrent in and reads it.
    fn add(&mut self, name: &str, torrents: &[u8]) {
        self.put(name, 1);
        if Kind::of(name.as_ref()) == Some(Kind::Links) {
            self.due();
            self.pass(Ledger::REST);
        }
        assert_eq!(self.due(), [name]);
        assert_eq!(self.read(name, torrents), None);
        assert_eq!(self.due(), [""; 0]);
    }

    /// The torrents to be taken out, of those with these numbers.
    fn taken_out(&self, torrents: &[u8]) -> Vec<InfoHashes> {
        self.ledger.taken_out(torrents.iter().copied().map(hashes))
    }
}

fn stamp(version: u64) -> Stamp {
    Stamp { modified: version, ..Stamp::default() }
}

fn hashes(number: u8) -> InfoHashes {
    InfoHashes::from_v1(InfoHashV1::from_bytes([number; 20]))
}

fn named(number: u8) -> Named {
    Named { hashes: hashes(number), name: None, is_dismissed: false }
}

#[test]
fn a_torrent_is_read_at_once_and_not_again() {
    let mut scene = Scene::new();
    scene.add("a.torrent", &[1]);
    scene.pass(Ledger::GRACE);
    assert_eq!(scene.due(), [""; 0]);
    assert_eq!(scene.taken_out(&[1]), []);
}

#[test]
fn links_are_read_once_the_file_is_at_rest() {
    let mut scene = Scene::new();
    scene.put("a.magnet", 1);
    assert_eq!(scene.due(), [""; 0]);
    scene.pass(Ledger::REST / 2);
    scene.put("a.magnet", 2);
    assert_eq!(scene.due(), [""; 0]);
    scene.pass(Ledger::REST);
    assert_eq!(scene.due(), ["a.magnet"]);
}

#[test]
fn a_file_that_is_being_written_is_refused_once_and_only_at_rest() {
    let mut scene = Scene::new();
    for version in 1..4 {
        scene.put("a.torrent", version);
        assert_eq!(scene.due(), ["a.torrent"]);
        assert_eq!(scene.fail("a.torrent"), None, "it is being written");
        scene.pass(Ledger::REST / 2);
        assert_eq!(scene.due(), [""; 0], "it waits for a change, or for rest");
    }
    scene.pass(Ledger::REST);
    assert_eq!(scene.due(), ["a.torrent"]);
    assert!(matches!(scene.fail("a.torrent"), Some(News::Refused(..))));
    scene.pass(Ledger::GRACE);
    assert_eq!(scene.due(), [""; 0]);
    // It is mended.
    scene.add("a.torrent", &[1]);
}

#[test]
fn a_file_that_cannot_be_opened_is_tried_again_and_told_once() {
    let mut scene = Scene::new();
    scene.put("a.torrent", 1);
    let denied = || Err("permission denied".into());
    let mut told = 0;
    for _ in 0..5 {
        scene.due();
        let news = scene.ledger.on_read(scene.now, "a.torrent".as_ref(), None, denied());
        told += usize::from(news.is_some());
        scene.pass(Ledger::REST);
    }
    assert_eq!((told, scene.due()), (1, vec!["a.torrent".to_owned()]));
    assert_eq!(scene.read("a.torrent", &[1]), None);
    assert_eq!(scene.taken_out(&[1, 2]), [hashes(2)]);
}

#[test]
fn a_torrent_is_taken_out_once_its_last_file_is_gone() {
    let mut scene = Scene::new();
    scene.add("a.torrent", &[1]);
    scene.add("b.magnet", &[1, 2]);
    scene.take("a.torrent");
    scene.due();
    scene.pass(Ledger::GRACE);
    scene.due();
    assert_eq!(scene.taken_out(&[1, 2]), [], "the other file names it");
    scene.take("b.magnet");
    scene.due();
    assert_eq!(scene.taken_out(&[1, 2]), [], "it may come back");
    scene.pass(Ledger::GRACE);
    scene.due();
    assert_eq!(scene.taken_out(&[1, 2]), [1, 2].map(hashes));
}

#[test]
fn a_file_that_is_renamed_takes_nothing_out() {
    let mut scene = Scene::new();
    scene.add("a.magnet", &[1]);
    scene.take("a.magnet");
    scene.put("b.magnet", 1);
    scene.due();
    scene.pass(Ledger::REST);
    assert_eq!(scene.due(), ["b.magnet"]);
    scene.read("b.magnet", &[1]);
    for _ in 0..3 {
        assert_eq!(scene.taken_out(&[1]), []);
        scene.pass(Ledger::GRACE);
        assert_eq!(scene.due(), [""; 0]);
    }
}

#[test]
fn a_file_with_other_torrents_than_before_takes_those_of_before_out() {
    let mut scene = Scene::new();
    scene.add("a.magnet", &[1, 2]);
    scene.put("a.magnet", 2);
    scene.due();
    scene.pass(Ledger::REST);
    assert_eq!(scene.due(), ["a.magnet"]);
    scene.read("a.magnet", &[2, 3]);
    assert_eq!(scene.taken_out(&[1, 2, 3]), [hashes(1)]);
}

#[test]
fn a_folder_that_vanishes_takes_nothing_out_and_is_told_once() {
    let mut scene = Scene::new();
    scene.add("a.torrent", &[1]);
    let gone = |scene: &mut Scene| scene.ledger.observe(scene.now, Err("not there".into())).1;
    assert_eq!(gone(&mut scene), [News::FolderGone("not there".into())]);
    for _ in 0..3 {
        scene.pass(Ledger::GRACE);
        assert_eq!(gone(&mut scene), []);
        assert_eq!(scene.taken_out(&[1]), []);
    }
    assert_eq!(scene.scan(), (vec![], vec![News::FolderBack]));
    assert_eq!(scene.taken_out(&[1]), []);
}

#[test]
fn an_empty_folder_in_the_place_of_the_known_one_takes_nothing_out() {
    let mut scene = Scene::new();
    scene.add("a.torrent", &[1]);
    scene.ledger = Ledger::new(scene.ledger.take_book().unwrap(), |_| true);
    let files = std::mem::take(&mut scene.files);
    scene.folder = 2;
    assert_eq!(scene.scan(), (vec![], vec![News::OtherFolder(1)]));
    scene.pass(Ledger::GRACE);
    assert_eq!(scene.scan(), (vec![], vec![]));
    assert_eq!(scene.taken_out(&[1]), []);
    (scene.files, scene.folder) = (files, 1);
    assert_eq!(scene.scan(), (vec![], vec![News::FolderBack]));
    assert_eq!(scene.taken_out(&[1]), []);
    // The same folder, and empty: that was the user.
    scene.files.clear();
    scene.due();
    scene.pass(Ledger::GRACE);
    scene.due();
    assert_eq!(scene.taken_out(&[1]), [hashes(1)]);
}

#[test]
fn a_new_file_in_another_folder_is_taken_for_a_new_beginning() {
    let mut scene = Scene::new();
    scene.add("a.torrent", &[1]);
    (scene.folder, scene.files) = (2, BTreeMap::new());
    scene.scan();
    scene.put("b.torrent", 1);
    assert_eq!(scene.scan(), (vec!["b.torrent".into()], vec![News::FolderBack]));
    scene.read("b.torrent", &[2]);
    scene.pass(Ledger::GRACE);
    scene.due();
    assert_eq!(scene.taken_out(&[1, 2]), [hashes(1)]);
}

#[test]
fn what_was_taken_out_between_two_runs_is_taken_out_once_all_files_are_read() {
    let mut scene = Scene::new();
    scene.add("a.torrent", &[1]);
    scene.add("b.torrent", &[2]);
    let book = scene.ledger.take_book().unwrap();
    assert_eq!(scene.ledger.take_book(), None);
    scene.ledger = Ledger::new(book, |_| true);
    scene.take("a.torrent");
    // That of the first one, under another name.
    scene.put("c.torrent", 1);
    assert_eq!(scene.due(), ["c.torrent"]);
    scene.pass(Ledger::GRACE);
    assert_eq!(scene.taken_out(&[1, 2]), [], "who knows what is in it");
    scene.read("c.torrent", &[1]);
    scene.take("b.torrent");
    scene.due();
    scene.pass(Ledger::GRACE);
    scene.due();
    assert_eq!(scene.taken_out(&[1, 2]), [hashes(2)]);
}

#[test]
fn a_torrent_that_the_client_has_lost_is_read_again() {
    let mut scene = Scene::new();
    scene.add("a.torrent", &[1]);
    scene.add("b.torrent", &[2]);
    let book = scene.ledger.take_book().unwrap();
    scene.ledger = Ledger::new(book, |it| it == hashes(1));
    assert_eq!(scene.due(), ["b.torrent"]);
}

#[test]
fn a_content_is_never_taken_for_a_torrent() {
    let mut scene = Scene::new();
    scene.put("content.torrent", 1);
    scene.ledger.ignore("content.torrent".into());
    assert_eq!(scene.due(), [""; 0]);
    let book = scene.ledger.take_book().unwrap();
    scene.ledger = Ledger::new(book, |_| true);
    assert_eq!(scene.due(), [""; 0]);
}

#[test]
fn a_torrent_that_the_user_removed_stays_away_until_its_file_comes_anew() {
    let mut scene = Scene::new();
    scene.add("a.torrent", &[1]);
    scene.ledger.dismiss(hashes(1));
    assert_eq!(scene.taken_out(&[1]), [hashes(1)]);
    let book = scene.ledger.take_book().unwrap();
    scene.ledger = Ledger::new(book, |_| false);
    assert_eq!(scene.due(), [""; 0]);
    // A backup touches the file.
    scene.put("a.torrent", 2);
    assert_eq!(scene.due(), ["a.torrent"]);
    assert!(scene.ledger.is_dismissed("a.torrent".as_ref(), hashes(1)));
    scene.read("a.torrent", &[1]);
    assert!(scene.ledger.is_dismissed("a.torrent".as_ref(), hashes(1)));
    // It is taken out, and comes again.
    scene.take("a.torrent");
    scene.due();
    scene.pass(Ledger::GRACE);
    scene.due();
    scene.add("a.torrent", &[1]);
    assert!(!scene.ledger.is_dismissed("a.torrent".as_ref(), hashes(1)));
    assert_eq!(scene.taken_out(&[1]), []);
}
