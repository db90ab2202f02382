use std::ffi::OsStr;
use std::io;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::Event as TerminalEvent;
use serde_json::json;
use tinytorrent_client::{ClientEvents, Event, Missed, Torrent, TorrentEvent};
use tinytorrent_examples::{Failure, Told, Words, client_options, interrupted, start_client_with};
use tinytorrent_types::InfoHashes;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::block_list::follow_block_list;
use crate::fleet::{Fleet, Notice, Refusal};
use crate::folder::name_like_a_torrent;
use crate::links::BadLine;
use crate::round::{Done, Rounds};
use crate::setup::{Asked, apply, check_folder, is_same, serve};
use crate::tell::Teller;
use crate::view::{View, next_key};
use crate::{
    Command, Content, Found, Ledger, Log, Named, News, Options, Stamp, StateFolder, Status,
};

/// The automatic client at work.
struct Watch {
    options: Options,
    ledger: Ledger,
    rounds: Rounds,
    /// Time of the scan of this round.
    scan_time: Duration,
    fleet: Fleet,
    teller: Teller,
    /// Contents lie in the watched folder itself.
    is_inside: bool,
}

/// Watches the folder until it is interrupted. With a log, everything is shown on the terminal, and in the log
/// what would be printed otherwise.
///
/// # Errors
/// It cannot start, the output cannot be written, or it was interrupted.
pub async fn watch(options: Options, log: Option<Log>) -> Result<(), Failure> {
    let mut interrupt = std::pin::pin!(interrupted());
    let teller = Teller::new(options.common.output(), log.clone());
    let state_folder = options.state_folder();
    let state = StateFolder::open(&state_folder)?;
    let book = state.load();
    check_folder(&options.folder, !book.files.is_empty())?;
    let is_inside = is_same(&options.folder, &options.output);
    let mut client = client_options(&options.network)?;
    client
        .state(&state_folder)
        .active_downloads(options.max_active)
        .download_limit(options.network.limit_down)
        .upload_limit(options.network.limit_up);
    if !is_inside {
        client.keep_out(&options.folder);
    }
    let client = start_client_with(client)?;
    for address in client.listen_addresses() {
        let event = json!({ "event": "listening", "addr": address.to_string() });
        teller.tell(format!("listening at {address}"), &event);
    }
    let (ask, mut asked) = mpsc::channel(16);
    let _block_list = follow_block_list(&options, &teller, client.clone())?;
    let _server = serve(&options, &teller, client.clone(), ask).await?;
    let mut events = client.events();

    let now = Instant::now();
    let settings = options.torrent();
    let fleet = Fleet::new(now, client.clone(), settings, options.output.clone());
    fleet.torrents().into_iter().for_each(|torrent| apply(torrent, &options));
    let ledger = Ledger::new(book, |hashes| fleet.get(hashes).is_some());
    let rounds = Rounds::new(now, options.folder.clone(), state);
    let scan_time = Duration::ZERO;
    let mut watch = Watch { options, ledger, rounds, scan_time, fleet, teller, is_inside };
    watch.tell_kept();
    let view = log.map(View::open).transpose()?;
    let ended = tokio::select! {
        ended = watch.run(&mut events, &mut asked, view) => ended,
        _ = &mut interrupt => Err(Failure::Interrupted),
    };
    client.shutdown(SHUTDOWN).await;
    if let Some(book) = watch.ledger.take_book()
        && let Err(error) = watch.rounds.save(&book)
    {
        tracing::warn!(%error, "the list of files is not saved");
    }
    ended
}

/// Time for the ends of all torrents. Each takes 2 s at most, if trackers do not answer.
const SHUTDOWN: Duration = Duration::from_millis(4500);

impl Watch {
    async fn run(
        &mut self,
        events: &mut ClientEvents,
        asked: &mut mpsc::Receiver<Asked>,
        mut view: Option<View>,
    ) -> Result<(), Failure> {
        let mut look = ticks(Duration::from_secs(1));
        let mut draw = ticks(Duration::from_millis(500));
        loop {
            tokio::select! {
                done = self.rounds.next() => self.on_done(Instant::now(), done),
                event = events.next() => match event {
                    Some(event) => self.on_event(Instant::now(), event),
                    None => return Ok(()),
                },
                () = self.fleet.left() => {}
                Some(answer) = asked.recv() => {
                    // Fails if the browser is gone.
                    let _ = answer.send(self.status(Instant::now()));
                }
                _ = look.tick() => {
                    self.look(Instant::now());
                    self.teller.out().check()?;
                }
                _ = draw.tick(), if view.is_some() => {
                    let status = self.status(Instant::now());
                    if let Some(view) = &mut view {
                        view.status = status;
                        view.draw(&self.fleet)?;
                    }
                }
                event = next_key(&mut view) => if self.on_terminal(event, &mut view)? {
                    return Ok(());
                },
            }
        }
    }

    /// Tells of the torrents of earlier runs.
    fn tell_kept(&self) {
        let torrents = self.fleet.torrents();
        for torrent in &torrents {
            self.tell_added(torrent.hashes(), true);
        }
        if !torrents.is_empty() {
            let count = torrents.len();
            let event = json!({ "event": "restored", "torrents": count });
            self.teller.tell(format!("{count} torrents are back"), &event);
        }
    }

    fn tell_added(&self, hashes: InfoHashes, is_kept: bool) {
        let file = self.ledger.origin(hashes).map(|(file, _)| file.to_string_lossy());
        let event = json!({
            "event": "added",
            "name": self.name(hashes),
            "file": file,
            "kept": is_kept,
        });
        let words = match file {
            Some(file) if !is_kept => Words::Line(format!("from {file}")),
            _ => Words::Detail(String::new()),
        };
        self.tell(hashes, &Told { words, event: Some(event) });
    }

    fn on_done(&mut self, now: Instant, done: Done) {
        match done {
            Done::Scanned(scan, time) => {
                self.scan_time = time;
                let scan = scan.as_ref().map_err(ToString::to_string);
                let (due, news) = self.ledger.observe(now, scan);
                news.iter().for_each(|news| self.tell_news(news));
                self.rounds.read(due);
            }
            Done::Read(contents) => {
                for (name, content) in contents {
                    self.on_content(now, &name, content);
                }
            }
            Done::Saved(Ok(())) => return,
            Done::Saved(Err(error)) => {
                tracing::warn!(%error, "the list of files is not saved");
                return;
            }
        }
        if !self.rounds.go_on() {
            self.end_round(now);
        }
    }

    fn end_round(&mut self, now: Instant) {
        let present = self.fleet.torrents().into_iter().map(Torrent::hashes);
        for hashes in self.ledger.taken_out(present) {
            if self.fleet.is_leaving(hashes) {
                continue;
            }
            let event = json!({ "event": "dropped" });
            let words = Words::Line("dropped, as its file was taken out; its content stays".into());
            self.tell(hashes, &Told { words, event: Some(event) });
            self.fleet.remove(hashes);
        }
        self.rounds.end(now, self.scan_time, self.ledger.take_book());
    }

    /// Adds the torrents of a file.
    fn on_content(&mut self, now: Instant, name: &OsStr, content: io::Result<Content>) {
        let content = match content {
            Ok(content) => content,
            // The next scan will not have it either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let reason = Err(format!("it cannot be read: {error}"));
                return self.finish_file(now, name, None, reason);
            }
        };
        let mut refused: Vec<_> = content.bad_lines.iter().map(in_line).collect();
        let found = content.found.and_then(|found| {
            let mut named = Vec::new();
            for found in found {
                match self.add(now, name, &found) {
                    Ok(hashes) => {
                        let name = found.name;
                        named.push(Named { hashes, name, is_dismissed: false });
                    }
                    Err(Some(reason)) => refused.push(reason),
                    // It is read again by a later round.
                    Err(None) => return Ok(None),
                }
            }
            match (named.is_empty(), refused.first()) {
                (true, Some(reason)) => Err(reason.clone()),
                _ => Ok(Some(named)),
            }
        });
        let Some(found) = found.transpose() else { return };
        if found.is_ok() {
            let refusals = refused.into_iter().map(|reason| News::Refused(name.to_owned(), reason));
            refusals.for_each(|news| self.tell_news(&news));
        }
        self.finish_file(now, name, Some(content.stamp), found);
    }

    fn finish_file(
        &mut self,
        now: Instant,
        name: &OsStr,
        stamp: Option<Stamp>,
        found: Result<Vec<Named>, String>,
    ) {
        let new: Vec<_> = found.iter().flatten().map(|named| named.hashes).collect();
        let new = new.into_iter().filter(|hashes| self.ledger.origin(*hashes).is_none());
        let new: Vec<_> = new.filter(|hashes| self.fleet.get(*hashes).is_some()).collect();
        if let Some(news) = self.ledger.on_read(now, name, stamp, found) {
            self.tell_news(&news);
        }
        new.into_iter().for_each(|hashes| self.tell_added(hashes, false));
    }

    /// Adds a torrent of a file. Returns its identity, or why not; without a reason if it is to be tried later.
    fn add(
        &mut self,
        now: Instant,
        file: &OsStr,
        found: &Found,
    ) -> Result<InfoHashes, Option<String>> {
        let hashes = found.source.hashes();
        if self.ledger.is_dismissed(file, hashes) {
            return Ok(hashes);
        }
        if let Some(info) = &found.info
            && self.is_inside
            && let Some(content) = name_like_a_torrent(info)
        {
            return Err(Some(like_a_torrent(&content)));
        }
        match self.fleet.add(now, found) {
            Ok(hashes) => Ok(hashes),
            Err(Refusal::Leaving) => Err(None),
            Err(Refusal::Invalid(error)) => Err(Some(error.to_string())),
        }
    }

    fn on_event(&mut self, now: Instant, event: Result<TorrentEvent, Missed>) {
        let event = match event {
            Ok(event) => event,
            Err(Missed(count)) => {
                let words = format!("{count} events are left out here, as there were too many");
                return self.teller.tell(words, &json!({ "event": "missed", "count": count }));
            }
        };
        let notices = self.fleet.on_event(now, &event);
        self.tell_all(&notices);
        if let Event::MetadataReceived(info) = &event.event
            && self.is_inside
            && let Some(content) = name_like_a_torrent(info)
        {
            let words = like_a_torrent(&content);
            let event_json = json!({ "event": "failed", "error": words });
            let told = Told { words: Words::Warning(words), event: Some(event_json) };
            self.tell(event.hashes, &told);
            self.ledger.ignore(content);
            self.ledger.dismiss(event.hashes);
            self.fleet.remove(event.hashes);
        }
    }

    fn look(&mut self, now: Instant) {
        let looked = self.fleet.look(now);
        self.tell_all(&looked.notices);
        looked.again.into_iter().for_each(|hashes| self.ledger.read_again(hashes));
    }

    /// Does what the user wants by a key. Returns `true` if that is the end.
    fn on_terminal(
        &mut self,
        event: Option<TerminalEvent>,
        view: &mut Option<View>,
    ) -> Result<bool, Failure> {
        let Some(view) = view else { return Ok(false) };
        let key = match event {
            // The terminal is gone.
            None => return Err(Failure::Interrupted),
            Some(TerminalEvent::Key(key)) => key,
            Some(_) => return view.draw(&self.fleet).map(|()| false),
        };
        match view.ui.on_key(key, &view.status.rows) {
            Some(Command::Quit) => return Ok(true),
            Some(Command::Interrupt) => return Err(Failure::Interrupted),
            Some(command) => self.obey(Instant::now(), command),
            None => {}
        }
        view.status = self.status(Instant::now());
        view.draw(&self.fleet)?;
        Ok(false)
    }

    fn obey(&mut self, now: Instant, command: Command) {
        let (hashes, words) = match command {
            Command::Pause(hashes) => {
                self.fleet.pause(hashes);
                (hashes, "paused")
            }
            Command::Resume(hashes) => {
                self.fleet.resume(now, hashes);
                (hashes, "resumed")
            }
            Command::Remove(hashes) => {
                self.ledger.dismiss(hashes);
                self.fleet.remove(hashes);
                (hashes, "removed; its content and its file stay")
            }
            Command::Check(hashes) => {
                self.fleet.check(now, hashes);
                (hashes, "is checked")
            }
            Command::Quit | Command::Interrupt => return,
        };
        self.tell(hashes, &Told { words: Words::Line(words.into()), event: None });
    }

    fn status(&self, now: Instant) -> Status {
        Status {
            folder: self.options.folder.clone(),
            output: self.options.output.clone(),
            rows: self.fleet.rows(&self.ledger.origins()),
            totals: self.fleet.totals(now),
        }
    }

    fn tell_all(&self, notices: &[Notice]) {
        notices.iter().for_each(|notice| self.tell(notice.hashes, &notice.told));
    }

    fn tell(&self, hashes: InfoHashes, told: &Told) {
        self.teller.tell_of(hashes, &self.name(hashes), told);
    }

    /// The name of a torrent, as far as it is known.
    fn name(&self, hashes: InfoHashes) -> String {
        let in_file = || self.ledger.origin(hashes).and_then(|(_, name)| name.map(str::to_owned));
        let known = self.fleet.get(hashes).and_then(Torrent::name);
        known.or_else(in_file).unwrap_or_else(|| hashes.to_string())
    }

    fn tell_news(&self, news: &News) {
        self.teller.tell_news(&self.options.folder, news);
    }
}

fn in_line(line: &BadLine) -> String {
    format!("line {}: {}", line.number, line.reason)
}

fn like_a_torrent(content: &OsStr) -> String {
    let content = content.to_string_lossy();
    format!(
        "its content `{content}` would lie in the watched folder, where it would be taken for a \
         torrent; --output needs another folder for it"
    )
}

/// A clock that does not make up for what it has missed.
fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
