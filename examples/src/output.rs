use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use tinytorrent_types::{Printable, is_printable};

use crate::Failure;

/// The kind of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Lines for people on stdout, and a progress bar on a terminal.
    Words,
    /// Lines for programs on stdout, each with a JSON object.
    Json,
    /// No output.
    Quiet,
}

/// The output of a program, which prints the lines that belong to its mode.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    mode: Mode,
}

impl Output {
    /// Makes an output of this kind.
    pub fn new(mode: Mode) -> Self {
        Self { mode }
    }

    /// The kind of output.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Prints a line for people; nothing with `--json` or `--quiet`.
    ///
    /// Names in the line may come from peers and trackers. Control characters are replaced here, so
    /// that no caller has to do it.
    pub fn say(&self, line: impl AsRef<str>) {
        if self.mode == Mode::Words {
            write_out(|out| writeln!(out, "{}", Printable(line.as_ref())));
        }
    }

    /// Prints a line for programs, with all text as it is, if escaped; nothing without `--json`.
    pub fn event(&self, event: &Value) {
        if self.mode == Mode::Json {
            write_out(|out| writeln!(out, "{}", to_json(event)));
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
            write_out(|out| write_with_list(out, event, key, items));
        }
    }

    /// `true` if all output so far could be written.
    ///
    /// A reader that wanted no more, as `head` does, is no error: nothing else is written, and the
    /// program goes on.
    ///
    /// # Errors
    ///
    /// [`Failure::CouldNot`] when a disk is full, say.
    pub fn check(&self) -> Result<(), Failure> {
        match TROUBLE.get() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::could_not("cannot write the output", error))
            }
            _ => Ok(()),
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

/// The first error of writing to stdout, after which nothing is written there any more. There is one
/// stdout, whoever holds an [`Output`].
static TROUBLE: OnceLock<io::Error> = OnceLock::new();

/// Writes to stdout at once, and keeps an error for [`Output::check`].
fn write_out(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
    if TROUBLE.get().is_some() {
        return;
    }
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    if let Err(error) = write(&mut stdout).and_then(|()| stdout.flush()) {
        // What is left in the buffer would be tried again.
        let _ = stdout.into_parts();
        let _ = TROUBLE.set(error);
    }
}

/// Writes an object that has keys, with one more of a list.
fn write_with_list(
    out: &mut dyn Write,
    event: &Value,
    key: &str,
    items: impl IntoIterator<Item = Value>,
) -> io::Result<()> {
    let event = to_json(event);
    let open = event.strip_suffix('}').unwrap_or(&event);
    write!(out, "{open},{}:[", Value::from(key))?;
    for (at, item) in items.into_iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        write!(out, "{comma}{}", to_json(&item))?;
    }
    writeln!(out, "]}}")
}

/// JSON that is harmless to a terminal: what one would obey is within strings only, and escaped there.
fn to_json(value: &Value) -> String {
    let json = value.to_string();
    if json.chars().all(is_printable) {
        return json;
    }
    let mut escaped = String::new();
    for character in json.chars() {
        if is_printable(character) {
            escaped.push(character);
        } else {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            escaped.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    escaped
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
    fn json_is_harmless_and_means_the_same() {
        let evil = json!({ "\u{9b}": ["\u{7f}\u{202e}a\n\\", "\u{e0041}\u{200b}👍"] });
        let text = to_json(&evil);
        assert!(text.chars().all(is_printable), "{text}");
        assert!(text.contains("\\udb40\\udc41") && text.contains('👍'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), evil);
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
