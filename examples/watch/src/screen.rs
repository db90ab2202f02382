use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row as TableRow, Table, Wrap};
use tinytorrent_examples::{format_duration, format_size};
use tinytorrent_types::{Bitfield, Printable};

use crate::{Detail, Dialog, Pane, Phase, Row, Status, Ui};

/// Everything that is drawn.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    /// The torrents.
    pub(crate) status: &'a Status,
    /// What the user looks at.
    pub(crate) ui: &'a Ui,
    /// Details of the selected torrent.
    pub(crate) detail: &'a Detail,
    /// The last lines of the log, the newest last.
    pub(crate) log: &'a [String],
}

impl Screen<'_> {
    /// Draws the screen: a line of sums, the torrents, the pane, and a line of keys.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>) {
        let [top, torrents, pane, keys] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Fill(3),
            Constraint::Fill(2),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(self.sums(), top);
        frame.render_widget(self.torrents(torrents), torrents);
        self.draw_pane(frame, pane);
        frame.render_widget(keys_line(), keys);
        if let Some(dialog) = self.ui.dialog {
            self.draw_dialog(frame, dialog);
        }
    }

    fn sums(&self) -> Line<'static> {
        let status = self.status;
        let phases = Phase::ALL.into_iter().map(|phase| (status.count(phase), phase.name()));
        let phases = phases.filter(|(count, _)| *count > 0);
        let phases: Vec<_> = phases.map(|(count, name)| format!("{count} {name}")).collect();
        let folder = shown(&status.folder.to_string_lossy());
        let rates = format!(
            "  down {}/s  up {}/s  {} peers  ",
            format_size(status.sum(|stats| stats.download_rate)),
            format_size(status.sum(|stats| stats.upload_rate)),
            status.sum(|stats| stats.peers.into()),
        );
        Line::from(vec![folder.bold(), Span::from(rates), Span::from(phases.join(", "))])
    }

    fn torrents(&self, area: Rect) -> Table<'static> {
        let rows = &self.status.rows;
        let selected = self.ui.position(rows);
        let visible = window(rows.len(), area.height.saturating_sub(3).into(), selected);
        let lines = rows[visible.clone()].iter().zip(visible.clone()).map(|(row, at)| {
            let line = torrent_line(row);
            if at == selected { line.add_modifier(Modifier::REVERSED) } else { line }
        });
        let widths = [
            Constraint::Fill(1),
            Constraint::Length(11),
            Constraint::Length(7),
            Constraint::Length(9),
            Constraint::Length(10),
            Constraint::Length(10),
            Constraint::Length(5),
            Constraint::Length(6),
            Constraint::Length(10),
        ];
        let names = ["name", "state", "done", "size", "down/s", "up/s", "peers", "ratio", "left"];
        let title = match rows.len() {
            0 => " no torrents: put .torrent or .magnet files into the folder ".to_owned(),
            count => format!(" torrent {} of {count} ", selected + 1),
        };
        Table::new(lines, widths)
            .header(TableRow::new(names).bold())
            .block(Block::bordered().title(title))
    }

    fn draw_pane(&self, frame: &mut Frame<'_>, area: Rect) {
        let titles = Pane::ALL.into_iter().flat_map(|pane| {
            let name = Span::from(format!(" {} ", pane.name()));
            [if pane == self.ui.pane { name.reversed() } else { name }]
        });
        let block = Block::bordered().title(Line::from_iter(titles));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        match (self.ui.pane, self.detail) {
            (Pane::Log, _) => frame.render_widget(self.log(inner), inner),
            (_, Detail::Files(files)) => {
                let lines = files.iter().map(|file| {
                    let done =
                        if file.length == 0 { 1.0 } else { file.have as f64 / file.length as f64 };
                    let path = shown(&file.path);
                    let path = if file.is_wanted { path } else { format!("{path} (not wanted)") };
                    [file.index.to_string(), percent(done), format_size(file.length), path]
                });
                let widths = [6, 7, 10].map(Constraint::Length);
                let widths = [&widths[..], &[Constraint::Fill(1)]].concat();
                let names = ["file", "done", "size", "path"];
                frame.render_widget(self.list(inner, lines.collect(), names, widths), inner);
            }
            (_, Detail::Peers(peers)) => {
                let lines = peers.iter().map(|peer| {
                    [
                        peer.address.clone(),
                        peer.flags.clone(),
                        percent(peer.done),
                        format_size(peer.download_rate),
                        format_size(peer.upload_rate),
                        shown(&peer.client),
                    ]
                });
                let widths = [28, 5, 7, 10, 10].map(Constraint::Length);
                let widths = [&widths[..], &[Constraint::Fill(1)]].concat();
                let names = ["peer", "flags", "done", "down/s", "up/s", "client"];
                frame.render_widget(self.list(inner, lines.collect(), names, widths), inner);
            }
            (_, Detail::Trackers(trackers)) => {
                let lines = trackers.iter().map(|tracker| {
                    let count =
                        |count: Option<u32>| count.map_or("?".into(), |count| count.to_string());
                    let next = tracker.next.map(format_duration).unwrap_or_default();
                    let (seeders, leechers) = tracker.swarm;
                    let swarm = format!("{}/{}", count(seeders), count(leechers));
                    [shown(&tracker.url), swarm, next, shown(&tracker.state)]
                });
                let widths = [
                    Constraint::Fill(1),
                    Constraint::Length(11),
                    Constraint::Length(11),
                    Constraint::Fill(1),
                ];
                let names = ["tracker", "seeds/peers", "next in", "state"];
                let table = self.list(inner, lines.collect(), names, widths.to_vec());
                frame.render_widget(table, inner);
            }
            (_, Detail::Pieces(have)) => frame.render_widget(pieces(have, inner), inner),
            (_, Detail::None) => frame.render_widget("there is nothing yet", inner),
        }
    }

    /// The end of the log, or an earlier part.
    fn log(&self, area: Rect) -> Paragraph<'static> {
        let height = usize::from(area.height);
        let hidden = self.log.len().saturating_sub(height).saturating_sub(self.ui.scroll);
        let lines = self.log.iter().skip(hidden).take(height);
        Paragraph::new(lines.map(|line| Line::from(shown(line))).collect::<Vec<_>>())
    }

    fn list<const N: usize>(
        &self,
        area: Rect,
        lines: Vec<[String; N]>,
        names: [&'static str; N],
        widths: Vec<Constraint>,
    ) -> Table<'static> {
        let height = usize::from(area.height.saturating_sub(1));
        let start = self.ui.scroll.min(lines.len().saturating_sub(height));
        let lines = lines.into_iter().skip(start).take(height).map(TableRow::new);
        Table::new(lines, widths).header(TableRow::new(names).bold())
    }

    fn draw_dialog(&self, frame: &mut Frame<'_>, dialog: Dialog) {
        let (title, text) = match dialog {
            Dialog::Help => {
                let lines = Ui::KEYS.map(|(keys, what)| Line::from(format!(" {keys:12} {what}")));
                let flags = Line::from(" peers: D download, U upload, d u choked, S slow");
                let more = Line::from("        E encrypted, I it came to us");
                (" keys ", [&lines[..], &[Line::default(), flags, more]].concat())
            }
            Dialog::Remove(hashes) => {
                let row = self.status.rows.iter().find(|row| row.hashes == hashes);
                let name = row.map_or_else(|| hashes.to_string(), |row| shown(&row.name));
                let lines = [
                    format!(" remove {name}?"),
                    " Its content and its file in the folder stay.".into(),
                    " y: yes, any other key: no".into(),
                ];
                (" remove ", lines.map(Line::from).to_vec())
            }
        };
        let area = frame.area();
        let height = (text.len() as u16 + 2).min(area.height);
        let width = 60.min(area.width);
        let place = Rect {
            x: area.x + (area.width - width) / 2,
            y: area.y + (area.height - height) / 2,
            width,
            height,
        };
        frame.render_widget(Clear, place);
        let text = Paragraph::new(text).wrap(Wrap { trim: false });
        frame.render_widget(text.block(Block::bordered().title(title)), place);
    }
}

fn torrent_line(row: &Row) -> TableRow<'static> {
    let note = match (&row.error, row.remaining()) {
        (Some(error), _) => shown(error),
        (None, Some(time)) => format_duration(time),
        (None, None) => String::new(),
    };
    let cells = [
        shown(&row.name),
        row.phase.name().to_owned(),
        percent(row.done()),
        row.total().map_or_else(|| "?".to_owned(), format_size),
        format_size(row.stats.download_rate),
        format_size(row.stats.upload_rate),
        row.stats.peers.to_string(),
        if row.ratio.is_finite() { format!("{:.2}", row.ratio) } else { "-".into() },
        note,
    ];
    TableRow::new(cells.map(Cell::from)).style(style(row.phase))
}

fn style(phase: Phase) -> Style {
    match phase {
        Phase::Downloading | Phase::Metadata => Style::new().fg(Color::Cyan),
        Phase::Seeding => Style::new().fg(Color::Green),
        Phase::Failed => Style::new().fg(Color::Red),
        Phase::Checking => Style::new().fg(Color::Yellow),
        Phase::Queued | Phase::Paused | Phase::Done | Phase::Stopped => Style::new().dim(),
    }
}

/// The keys that are used most.
fn keys_line() -> Line<'static> {
    let keys = [
        ("p", "pause"),
        ("r", "resume"),
        ("x", "remove"),
        ("c", "check"),
        ("f", "files"),
        ("e", "peers"),
        ("t", "trackers"),
        ("i", "pieces"),
        ("l", "log"),
        ("?", "help"),
        ("q", "quit"),
    ];
    let words = keys
        .into_iter()
        .flat_map(|(key, what)| [Span::from(key).reversed(), Span::from(format!(" {what} "))]);
    Line::from_iter(words)
}

/// The part of a list that fits so many lines, with the selected item in the middle if that can be.
fn window(count: usize, height: usize, selected: usize) -> std::ops::Range<usize> {
    let last_start = count.saturating_sub(height);
    let start = selected.saturating_sub(height / 2).min(last_start);
    start..(start + height).min(count)
}

/// Pieces, many in a cell, the darker the more of them are there.
fn pieces(have: &Bitfield, area: Rect) -> Paragraph<'static> {
    let cells = usize::from(area.width) * usize::from(area.height);
    let count = have.piece_count() as usize;
    let shades = shades(have, cells.min(count));
    let lines = shades.chunks(usize::from(area.width).max(1));
    Paragraph::new(
        lines.map(|line| Line::from(line.iter().collect::<String>())).collect::<Vec<_>>(),
    )
}

fn shades(have: &Bitfield, cells: usize) -> Vec<char> {
    let count = have.piece_count() as usize;
    let shade = |cell: usize| {
        let pieces = cell * count / cells..(cell + 1) * count / cells;
        let total = pieces.len();
        let there = pieces.filter(|&piece| have.get(piece as u32)).count();
        match there * 4 / total.max(1) {
            _ if there == 0 => '·',
            0 | 1 => '░',
            2 => '▒',
            3 => '▓',
            _ => '█',
        }
    };
    (0..cells).map(shade).collect()
}

fn percent(part: f64) -> String {
    // Not before all is there does it say so.
    format!("{:.1} %", (part * 1000.0).floor() / 10.0)
}

/// Text from strangers, which may move no cursor and hide nothing.
fn shown(text: &str) -> String {
    Printable(text).to_string()
}

#[cfg(test)]
mod tests;
