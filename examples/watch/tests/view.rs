//! The view on a terminal, as `script` of util-linux makes one.
#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use support::{Scene, program};

/// A terminal with a program in it.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    output: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    /// Runs the program in a terminal of 100 columns.
    fn watch(scene: &Scene, words: &str) -> Self {
        let line = format!(
            "stty rows 30 cols 100; exec {} in --output out --listen 127.0.0.1:0 --no-trackers \
             --peer {} {words}",
            program().display(),
            scene.seeder(),
        );
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        script.current_dir(scene.path("")).env("TERM", "xterm").env("SHELL", "/bin/sh");
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().expect("util-linux has `script`");
        let (keys, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, output, shown: String::new() }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until these words are drawn, on a line or not. Blanks between words are often left as they are.
    fn wait(&mut self, text: &str) {
        self.wait_until(text, |shown| words(shown).contains(text));
    }

    fn wait_until(&mut self, what: &str, is_there: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_there(&self.shown) {
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(rest) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("no {what:?}: {error}; drawn was {:?}", self.shown),
            }
        }
        self.shown.clear();
    }

    fn code(mut self) -> Option<i32> {
        while self.output.recv_timeout(Duration::from_secs(30)).is_ok() {}
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The program in it ends with its terminal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is drawn, with a blank for each command to the terminal.
fn words(shown: &str) -> String {
    let mut parts = shown.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.trim_start_matches(|c: char| !c.is_ascii_alphabetic()));
    let rest = rest.map(|part| part.get(1..).unwrap_or_default());
    let text = rest.fold(first, |text, part| text + " " + part);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn torrents_are_shown_and_obey_keys() {
    let scene = Scene::new();
    let content = scene.content("the content", 50_000);
    scene.put("a.torrent", &content);
    let mut terminal = Terminal::watch(&scene, "");
    terminal.wait("the content: out/the content: 48.8 KiB verified");
    terminal.press("p");
    terminal.wait("paused");
    terminal.press("f");
    terminal.wait("path");
    terminal.press("x");
    terminal.wait("remove the content?");
    terminal.press("y");
    terminal.wait("put .torrent or .magnet files");
    terminal.press("q");
    assert_eq!(terminal.code(), Some(0));
    content.assert_in(&scene.path("out"));
    assert!(scene.path("in/a.torrent").exists());
}

#[test]
fn the_terminal_is_given_back_at_an_interrupt() {
    let scene = Scene::new();
    let mut terminal = Terminal::watch(&scene, "");
    terminal.wait("no torrents");
    // Ctrl-C, which a raw terminal makes no signal of.
    terminal.press("\x03");
    terminal.wait_until("the screen of before", |shown| shown.contains("\x1b[?1049l"));
    assert_eq!(terminal.code(), Some(130));
}

#[test]
fn plain_lines_are_printed_where_they_are_wanted() {
    let scene = Scene::new();
    let content = scene.content("the content", 50_000);
    scene.put("a.torrent", &content);
    let mut terminal = Terminal::watch(&scene, "--plain");
    terminal.wait("the content: from a.torrent");
    terminal.press("\x03");
    assert_eq!(terminal.code(), Some(130));
}
