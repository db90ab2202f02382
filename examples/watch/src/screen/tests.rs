use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::detail::{FileLine, PeerLine, TrackerLine};
use crate::testing::{row, status};

/// The lines of a screen of this size, without the blanks at their ends.
fn draw(size: (u16, u16), screen: &Screen<'_>) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    let shown = terminal.backend().to_string();
    // Each line stands in quotes.
    shown.lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect()
}

fn three() -> Status {
    let mut failed = row(3, "broken\u{202e}\x1b[31m", Phase::Failed);
    failed.error = Some("disk full".into());
    status(vec![row(1, "a film", Phase::Downloading), row(2, "song", Phase::Seeding), failed])
}

#[test]
fn a_screen_shows_sums_torrents_a_pane_and_keys() {
    let log = ["a film: from 1.torrent".to_owned(), "song: is\x1bcomplete".to_owned()];
    let (status, ui) = (three(), Ui::default());
    let screen = Screen { status: &status, ui: &ui, detail: &Detail::None, log: &log };
    let expected = "\
in  down 5 B/s  up 6.0 KiB/s  9 peers  1 downloading, 1 seeding, 1 failed
┌ torrent 1 of 3 ───────────────────────────────────────────────────────────────────────┐
│name        state       done    size      down/s     up/s       peers ratio  left      │
│a film      downloading 25.0 %  100 B     5 B        2.0 KiB    3     0.50   15 s      │
│song        seeding     100.0 % 100 B     0 B        2.0 KiB    3     0.50             │
│broken\u{fffd}\u{fffd}[31 failed      25.0 %  100 B     0 B        2.0 KiB    3     0.50   disk full │
│                                                                                       │
└───────────────────────────────────────────────────────────────────────────────────────┘
┌ log  files  peers  trackers  pieces ──────────────────────────────────────────────────┐
│a film: from 1.torrent                                                                 │
│song: is\u{fffd}complete                                                                      │
│                                                                                       │
└───────────────────────────────────────────────────────────────────────────────────────┘
p pause r resume x remove c check f files e peers t trackers i pieces l log ? help q quit";
    assert_eq!(draw((89, 14), &screen), expected.lines().collect::<Vec<_>>());
}

/// The inner lines of the pane.
fn pane(pane: Pane, detail: &Detail) -> Vec<String> {
    let ui = Ui { pane, ..Ui::default() };
    let screen = Screen { status: &three(), ui: &ui, detail, log: &[] };
    let lines = draw((80, 24), &screen);
    let start = lines.iter().position(|line| line.contains(" trackers ")).unwrap();
    let inner = lines[start + 1..].iter().take_while(|line| line.starts_with('│'));
    inner.map(|line| line.trim_matches('│').trim_end().to_owned()).collect()
}

#[test]
fn each_pane_shows_its_details() {
    let file = |index, path: &str, is_wanted| FileLine {
        index,
        path: path.into(),
        length: 4 * u64::from(index),
        have: u64::from(index),
        is_wanted,
    };
    let files = Detail::Files(vec![file(0, "a/b", true), file(1, "c\x07", false)]);
    let files = pane(Pane::Files, &files);
    assert_eq!(files[0], "file   done    size       path");
    assert_eq!(files[1], "0      100.0 % 0 B        a/b");
    assert_eq!(files[2], "1      25.0 %  4 B        c\u{fffd} (not wanted)");

    let peer = PeerLine {
        address: "[2001:db8::1]:6881".into(),
        client: "evil\x1b[2J".into(),
        flags: "DuE".into(),
        done: 0.5,
        download_rate: 1024,
        upload_rate: 0,
    };
    let peers = pane(Pane::Peers, &Detail::Peers(vec![peer]));
    let line = "[2001:db8::1]:6881           DuE   50.0 %  1.0 KiB    0 B        evil\u{fffd}[2J";
    assert_eq!(peers[1], line);

    let tracker = TrackerLine {
        url: "udp://t:1".into(),
        state: "fails: timeout".into(),
        swarm: (Some(3), None),
        next: Some(Duration::from_secs(65)),
    };
    let trackers = pane(Pane::Trackers, &Detail::Trackers(vec![tracker]));
    assert!(trackers[1].starts_with("udp://t:1"), "{}", trackers[1]);
    assert!(trackers[1].contains("3/?         1 min 5 s   fails: timeout"), "{}", trackers[1]);
    assert_eq!(pane(Pane::Files, &Detail::None)[0], "there is nothing yet");
}

#[test]
fn pieces_are_the_darker_the_more_are_there() {
    let have = Bitfield::from_bytes(&[0b1110_1000], 8).unwrap();
    assert_eq!(shades(&have, 8).iter().collect::<String>(), "███·█···");
    assert_eq!(shades(&have, 4), ['█', '▒', '▒', '·']);
    assert_eq!(shades(&have, 1), ['▒']);
    assert_eq!(shades(&Bitfield::new(0), 0), [' '; 0]);
}

#[test]
fn a_question_and_the_help_stand_before_the_rest() {
    let status = three();
    for (dialog, text) in [
        (Dialog::Remove(status.rows[1].hashes), "remove song?"),
        (Dialog::Help, "check the content"),
    ] {
        let ui = Ui { dialog: Some(dialog), ..Ui::default() };
        let screen = Screen { status: &status, ui: &ui, detail: &Detail::None, log: &[] };
        assert!(draw((80, 24), &screen).iter().any(|line| line.contains(text)), "{text}");
    }
}

#[test]
fn no_size_is_too_small_and_the_selected_torrent_is_visible() {
    let rows = (0..200).map(|at| row(at, &format!("torrent {at}"), Phase::Paused));
    let status = status(rows.collect());
    let selected = Some(status.rows[150].hashes);
    let log: Vec<_> = (0..99).map(|at| format!("line {at}")).collect();
    for pane in Pane::ALL {
        for dialog in [None, Some(Dialog::Help)] {
            let ui = Ui { selected, pane, scroll: usize::MAX, dialog };
            let detail = Detail::Pieces(Bitfield::full(1000));
            let screen = Screen { status: &status, ui: &ui, detail: &detail, log: &log };
            for size in [(1, 1), (2, 30), (200, 1), (20, 6), (100, 24)] {
                let lines = draw(size, &screen);
                let is_seen = || lines.iter().any(|line| line.contains("torrent 150"));
                assert!(size.1 != 24 || dialog.is_some() || is_seen(), "{lines:#?}");
            }
        }
    }
}

#[test]
fn the_window_keeps_the_selected_one_in_the_middle() {
    assert_eq!(window(100, 10, 0), 0..10);
    assert_eq!(window(100, 10, 50), 45..55);
    assert_eq!(window(100, 10, 99), 90..100);
    assert_eq!((window(3, 10, 2), window(0, 10, 0), window(5, 0, 3)), (0..3, 0..0, 3..3));
}
