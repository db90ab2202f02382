use std::io::{self, IsTerminal};

use ratatui::crossterm::event::Event as TerminalEvent;
use tinytorrent_examples::{Failure, Mode};

use crate::fleet::Fleet;
use crate::terminal::Terminal;
use crate::{Detail, Log, Options, Screen, Status, Ui};

/// The live view.
#[derive(Debug)]
pub(crate) struct View {
    terminal: Terminal,
    pub(crate) ui: Ui,
    log: Log,
    pub(crate) status: Status,
}

impl View {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn open(log: Log) -> Result<Self, Failure> {
        let terminal = Terminal::open().map_err(|error| {
            Failure::could_not("cannot use the terminal; --plain does without", &error)
        })?;
        Ok(Self { terminal, ui: Ui::default(), log, status: Status::default() })
    }

    /// Draws the status of before, with the details of now.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, fleet: &Fleet) -> Result<(), Failure> {
        let row = self.status.rows.get(self.ui.position(&self.status.rows));
        let torrent = row.and_then(|row| fleet.get(row.hashes));
        let detail = torrent.map(|it| Detail::of(it, self.ui.pane)).unwrap_or_default();
        let log = self.log.lines();
        let screen = Screen { status: &self.status, ui: &self.ui, detail: &detail, log: &log };
        let drawn = self.terminal.draw(&screen);
        drawn.map_err(|error| Failure::could_not("cannot draw on the terminal", &error))
    }
}

/// `true` if a program of these options shows a view instead of lines.
pub fn has_view(options: &Options) -> bool {
    let is_wanted = !options.plain && options.common.output().mode() == Mode::Words;
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_wanted && !is_dumb && io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// The next event of the terminal; never, if there is no view.
pub(crate) async fn next_key(view: &mut Option<View>) -> Option<TerminalEvent> {
    match view {
        Some(view) => view.terminal.next().await,
        None => std::future::pending().await,
    }
}
