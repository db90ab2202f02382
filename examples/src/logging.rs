//! Logs on stderr, a line each.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::time::Instant;

use tinytorrent_types::Printable;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Sends the events that the directives let through to stderr.
///
/// A second call changes nothing.
pub(crate) fn start(directives: &str) {
    // There is nobody left to tell that stderr is full or closed.
    let write = |line: &str| drop(std::io::stderr().write_all(line.as_bytes()));
    // It fails only when a subscriber is set already, as documented above.
    let _ = tracing::subscriber::set_global_default(Logger::new(directives, write));
}

/// A line for each event: the seconds since the start, the level, the module, the message and fields.
///
/// The libraries log events and no spans. A subscriber that can do more would bring a regular
/// expression engine and a registry of spans into each program.
struct Logger<W> {
    filter: Filter,
    started: Instant,
    write: W,
}

impl<W> Logger<W> {
    fn new(directives: &str, write: W) -> Self {
        Self { filter: Filter::parse(directives), started: Instant::now(), write }
    }
}

impl<W: Fn(&str) + 'static> Subscriber for Logger<W> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.filter.level_of(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.most())
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let seconds = self.started.elapsed().as_secs_f64();
        let mut line =
            Line(format!("{seconds:9.3} {:>5} {}:", metadata.level(), metadata.target()));
        event.record(&mut line);
        line.0.push('\n');
        (self.write)(&line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The text of one event, without its end.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        // Peers and trackers have a say in many of them, and a terminal obeys what it is sent.
        let _ = match field.name() {
            "message" => write!(self.0, " {}", Printable(&text)),
            name => write!(self.0, " {name}={}", Printable(&text)),
        };
    }
}

/// The level that is let through, for each module that was named and for all others.
struct Filter {
    /// By the beginning of a module's path, the longest first; the empty one stands for all.
    levels: Vec<(String, LevelFilter)>,
}

impl Filter {
    /// Reads `RUST_LOG`: a list of `LEVEL`, `MODULE=LEVEL` and `MODULE`, which means all of it, with
    /// commas between. What makes no sense is left out.
    fn parse(directives: &str) -> Self {
        let mut levels: Vec<_> = directives.split(',').filter_map(parse_directive).collect();
        levels.sort_by_key(|(module, _)| std::cmp::Reverse(module.len()));
        Self { levels }
    }

    fn level_of(&self, target: &str) -> LevelFilter {
        let named = self.levels.iter().find(|(module, _)| target.starts_with(module.as_str()));
        named.map_or(LevelFilter::OFF, |(_, level)| *level)
    }

    /// The most that any module may tell.
    fn most(&self) -> LevelFilter {
        self.levels.iter().map(|(_, level)| *level).max().unwrap_or(LevelFilter::OFF)
    }
}

fn parse_directive(directive: &str) -> Option<(String, LevelFilter)> {
    let directive = directive.trim();
    // Nothing would be read as `error`.
    let level = |text: &str| text.parse().ok().filter(|_: &LevelFilter| !text.is_empty());
    match directive.split_once('=') {
        Some((module, text)) => Some((module.trim().to_owned(), level(text.trim())?)),
        None if directive.is_empty() => None,
        None => Some(match level(directive) {
            Some(level) => (String::new(), level),
            None => (directive.to_owned(), LevelFilter::TRACE),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn longest_module_decides() {
        let filter =
            Filter::parse("warn, tinytorrent_client=info,tinytorrent_client::listener=off");
        assert_eq!(filter.level_of("hyper::proto"), LevelFilter::WARN);
        assert_eq!(filter.level_of("tinytorrent_client::driver"), LevelFilter::INFO);
        assert_eq!(filter.level_of("tinytorrent_client::listener"), LevelFilter::OFF);
        assert_eq!(filter.most(), LevelFilter::INFO);
        let filter = Filter::parse("tinytorrent_client::driver");
        assert_eq!(filter.level_of("tinytorrent_client::driver::data"), LevelFilter::TRACE);
        assert_eq!(filter.level_of("tinytorrent_client"), LevelFilter::OFF);
    }

    #[test]
    fn nonsense_in_the_directives_lets_nothing_through() {
        for directives in ["", ",", "=", "loud", "tinytorrent_client=loud"] {
            assert_eq!(Filter::parse(directives).level_of("tinytorrent_client"), LevelFilter::OFF);
        }
    }

    #[test]
    fn logs_of_strangers_words_are_harmless() {
        let log = Arc::new(Mutex::new(String::new()));
        let written = log.clone();
        let write = move |line: &str| written.lock().unwrap().push_str(line);
        tracing::subscriber::with_default(Logger::new("info", write), || {
            let evil = "a\x1b[31m\u{9b}\u{202e}\nb";
            tracing::warn!(name = %evil, url = ?evil, "it says {evil}");
            tracing::debug!("not told");
        });
        let log = log.lock().unwrap();
        let line = log.strip_suffix('\n').unwrap();
        assert!(line.chars().all(tinytorrent_types::is_printable), "{line:?}");
        let shown = "it says a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}b name=a\u{fffd}[31m";
        assert!(line.contains(shown), "{line:?}");
    }
}
