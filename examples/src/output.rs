use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

/// Who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A person: words on stdout, a progress bar on a terminal.
    Words,
    /// A program: one JSON object a line on stdout.
    Json,
    /// Nobody.
    Quiet,
}

/// Where a program puts its results, so that it need not ask who reads them.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    mode: Mode,
}

impl Output {
    /// An output for this reader.
    pub fn new(mode: Mode) -> Self {
        Self { mode }
    }

    /// Who reads it.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// A line for people; nothing with `--json` or `--quiet`.
    pub fn say(&self, line: impl AsRef<str>) {
        if self.mode == Mode::Words {
            write_line(line.as_ref());
        }
    }

    /// A line for programs; nothing without `--json`.
    pub fn event(&self, event: &Value) {
        if self.mode == Mode::Json {
            write_line(&event.to_string());
        }
    }

    /// The same, with a list under one more key. Its items are made and written one by one: a small
    /// torrent can have paths that fill gigabytes.
    pub fn event_with_list(
        &self,
        event: &Value,
        key: &str,
        items: impl IntoIterator<Item = Value>,
    ) {
        if self.mode == Mode::Json {
            let mut stdout = io::BufWriter::new(io::stdout().lock());
            let _ = write_with_list(&mut stdout, event, key, items).and_then(|()| stdout.flush());
        }
    }

    /// A bar over `total` bytes on stderr, drawn only for a person at a terminal.
    ///
    /// Use [`ProgressBar::suspend`] or [`ProgressBar::println`] to print while it stands.
    pub fn progress_bar(&self, total: u64) -> ProgressBar {
        let shown = self.mode == Mode::Words && io::stderr().is_terminal();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template(
            "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        );
        let bar = ProgressBar::with_draw_target(Some(total), target);
        match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        }
    }
}

/// A reader that has gone away is no fault of ours, and no reason to panic as `println!` does.
fn write_line(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Writes an object that has keys, with one more of a list.
fn write_with_list(
    out: &mut impl Write,
    event: &Value,
    key: &str,
    items: impl IntoIterator<Item = Value>,
) -> io::Result<()> {
    let event = event.to_string();
    let open = event.strip_suffix('}').unwrap_or(&event);
    write!(out, "{open},{}:[", Value::from(key))?;
    for (at, item) in items.into_iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        write!(out, "{comma}{item}")?;
    }
    writeln!(out, "]}}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_written_item_by_item_as_if_it_were_there() {
        for items in [vec![], vec![json!(1)], vec![json!({ "a": "}" }), json!("b")]] {
            let mut out = Vec::new();
            let event = json!({ "event": "x", "y": [{}] });
            write_with_list(&mut out, &event, "a \"list\"", items.clone()).unwrap();
            let read: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, json!({ "event": "x", "y": [{}], "a \"list\"": items }));
            assert!(out.ends_with(b"}\n"));
        }
    }

    #[test]
    fn bar_is_hidden_from_programs() {
        for mode in [Mode::Json, Mode::Quiet] {
            assert!(Output::new(mode).progress_bar(1).is_hidden());
        }
    }

    #[test]
    fn style_of_the_bar_is_valid() {
        let bar = Output::new(Mode::Words).progress_bar(100);
        bar.set_position(50);
        assert_eq!(bar.length(), Some(100));
        assert!(
            ProgressStyle::with_template(
                "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}"
            )
            .is_ok()
        );
    }
}
