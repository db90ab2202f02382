use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tinytorrent_types::InfoHashes;

use crate::Row;

/// What the user looks at, and how keys change it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ui {
    /// The torrent that keys act on.
    pub(crate) selected: Option<InfoHashes>,
    /// The lower half of the screen.
    pub(crate) pane: Pane,
    /// Lines of the pane that are scrolled away.
    pub(crate) scroll: usize,
    /// The question on the screen.
    pub(crate) dialog: Option<Dialog>,
}

/// A part of the screen with the details of the selected torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pane {
    /// The log of all torrents.
    #[default]
    Log,
    /// Its files.
    Files,
    /// Its peers.
    Peers,
    /// Its trackers.
    Trackers,
    /// Its pieces.
    Pieces,
}

/// Something in front of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialog {
    /// The keys and what they do.
    Help,
    /// Whether the torrent is to be removed.
    Remove(InfoHashes),
}

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Pause a torrent.
    Pause(InfoHashes),
    /// Resume a torrent.
    Resume(InfoHashes),
    /// Remove a torrent; its content and its file in the watched folder stay.
    Remove(InfoHashes),
    /// Check the content of a torrent.
    Check(InfoHashes),
    /// End the program.
    Quit,
    /// End the program, as by a signal.
    Interrupt,
}

impl Pane {
    /// All of them, in the order of the Tab key.
    pub(crate) const ALL: [Self; 5] =
        [Pane::Log, Pane::Files, Pane::Peers, Pane::Trackers, Pane::Pieces];

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Pane::Log => "log",
            Pane::Files => "files",
            Pane::Peers => "peers",
            Pane::Trackers => "trackers",
            Pane::Pieces => "pieces",
        }
    }
}

impl Ui {
    /// The keys and what they do.
    pub(crate) const KEYS: [(&'static str, &'static str); 13] = [
        ("up down j k", "select a torrent"),
        ("home end", "the first, the last torrent"),
        ("p", "pause"),
        ("r", "resume"),
        ("x", "remove; its content stays"),
        ("c", "check the content"),
        ("f", "its files"),
        ("e", "its peers"),
        ("t", "its trackers"),
        ("i", "its pieces"),
        ("l", "log of all"),
        ("pgup pgdn", "scroll these"),
        ("q", "quit; all comes back at the next start"),
    ];

    /// The position of the selected torrent; the first one if it is gone.
    pub(crate) fn position(&self, rows: &[Row]) -> usize {
        let selected = |row: &Row| Some(row.hashes) == self.selected;
        rows.iter().position(selected).unwrap_or_default()
    }

    /// Takes a key. Returns what the user wants by it.
    pub(crate) fn on_key(&mut self, key: KeyEvent, rows: &[Row]) -> Option<Command> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Command::Interrupt);
        }
        if let Some(dialog) = self.dialog.take() {
            return match (dialog, key.code) {
                (Dialog::Remove(hashes), KeyCode::Char('y')) => Some(Command::Remove(hashes)),
                _ => None,
            };
        }
        let position = self.position(rows);
        let selected = rows.get(position).map(|row| row.hashes);
        match key.code {
            KeyCode::Char('q') => return Some(Command::Quit),
            KeyCode::Char('p') => return selected.map(Command::Pause),
            KeyCode::Char('r') => return selected.map(Command::Resume),
            KeyCode::Char('c') => return selected.map(Command::Check),
            KeyCode::Char('x') | KeyCode::Delete => self.dialog = selected.map(Dialog::Remove),
            KeyCode::Char('?' | 'h') => self.dialog = Some(Dialog::Help),
            KeyCode::Char('l') => self.show(Pane::Log),
            KeyCode::Char('f') => self.show(Pane::Files),
            KeyCode::Char('e') => self.show(Pane::Peers),
            KeyCode::Char('t') => self.show(Pane::Trackers),
            KeyCode::Char('i') => self.show(Pane::Pieces),
            KeyCode::Tab => self.show_next(1),
            KeyCode::BackTab => self.show_next(Pane::ALL.len() - 1),
            KeyCode::Up | KeyCode::Char('k') => self.select(rows, position.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(rows, position + 1),
            KeyCode::Home => self.select(rows, 0),
            KeyCode::End => self.select(rows, usize::MAX),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(PAGE),
            _ => {}
        }
        None
    }

    fn select(&mut self, rows: &[Row], position: usize) {
        let last = rows.len().saturating_sub(1);
        self.selected = rows.get(position.min(last)).map(|row| row.hashes);
        if self.pane != Pane::Log {
            self.scroll = 0;
        }
    }

    fn show(&mut self, pane: Pane) {
        (self.pane, self.scroll) = (pane, 0);
    }

    fn show_next(&mut self, step: usize) {
        let at = Pane::ALL.iter().position(|pane| *pane == self.pane).unwrap_or_default();
        self.show(Pane::ALL[(at + step) % Pane::ALL.len()]);
    }
}

/// Lines that a key for a page scrolls.
const PAGE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phase;
    use crate::testing::row;

    fn rows() -> Vec<Row> {
        (1..=3).map(|number| row(number, "x", Phase::Seeding)).collect()
    }

    fn press(ui: &mut Ui, code: KeyCode) -> Option<Command> {
        ui.on_key(KeyEvent::from(code), &rows())
    }

    #[test]
    fn keys_act_on_the_selected_torrent_wherever_it_is_listed() {
        let mut ui = Ui::default();
        let rows = rows();
        assert_eq!(press(&mut ui, KeyCode::Char('p')), Some(Command::Pause(rows[0].hashes)));
        press(&mut ui, KeyCode::Down);
        assert_eq!(press(&mut ui, KeyCode::Char('r')), Some(Command::Resume(rows[1].hashes)));
        // The first one is gone, and the selected one has moved up.
        assert_eq!(ui.position(&rows[1..]), 0);
        let check = ui.on_key(KeyEvent::from(KeyCode::Char('c')), &rows[1..]);
        assert_eq!(check, Some(Command::Check(rows[1].hashes)));
        press(&mut ui, KeyCode::End);
        press(&mut ui, KeyCode::Down);
        assert_eq!(ui.position(&rows), 2);
        assert_eq!(ui.on_key(KeyEvent::from(KeyCode::Char('p')), &[]), None, "there is none");
    }

    #[test]
    fn a_torrent_is_removed_only_after_a_yes() {
        let mut ui = Ui::default();
        for (answer, command) in
            [('n', None), ('x', None), ('y', Some(Command::Remove(rows()[0].hashes)))]
        {
            assert_eq!(press(&mut ui, KeyCode::Char('x')), None);
            assert_eq!(ui.dialog, Some(Dialog::Remove(rows()[0].hashes)));
            assert_eq!(press(&mut ui, KeyCode::Char(answer)), command);
            assert_eq!(ui.dialog, None);
        }
    }

    #[test]
    fn panes_are_shown_by_their_keys_and_in_turn() {
        let mut ui = Ui::default();
        for (key, pane) in
            [('f', Pane::Files), ('e', Pane::Peers), ('t', Pane::Trackers), ('i', Pane::Pieces)]
        {
            ui.scroll = 7;
            press(&mut ui, KeyCode::Char(key));
            assert_eq!((ui.pane, ui.scroll), (pane, 0));
        }
        press(&mut ui, KeyCode::Tab);
        assert_eq!(ui.pane, Pane::Log);
        press(&mut ui, KeyCode::BackTab);
        assert_eq!(ui.pane, Pane::Pieces);
    }

    #[test]
    fn ctrl_c_interrupts_and_q_quits() {
        let mut ui = Ui { dialog: Some(Dialog::Help), ..Ui::default() };
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(ui.on_key(interrupt, &rows()), Some(Command::Interrupt));
        assert_eq!(press(&mut ui, KeyCode::Char('q')), None, "it closes the help");
        assert_eq!(press(&mut ui, KeyCode::Char('q')), Some(Command::Quit));
    }
}
