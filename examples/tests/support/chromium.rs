//! A headless Chromium, driven over its pipe (Chrome DevTools Protocol).

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::need::chromium;
use super::process::Process;
use super::scene::Scene;

/// Time for one answer; a page that plays something has to load it first.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser with one page.
pub struct Chromium {
    _process: Process,
    commands: File,
    messages: Receiver<Value>,
    session: Option<String>,
    count: u64,
}

impl Chromium {
    /// Starts a browser, whose page is empty.
    pub fn start(scene: &Scene) -> Self {
        let folder = scene.room("chromium");
        for pipe in ["commands", "messages"] {
            let made = Command::new("mkfifo").arg(folder.join(pipe)).status();
            assert!(made.is_ok_and(|status| status.success()), "cannot make a pipe");
        }
        // For reading and writing, so that neither end waits for the other.
        let open = |pipe: &str| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).open(folder.join(pipe)).expect("it was made")
        };
        let (commands, answers) = (open("commands"), open("messages"));
        let process = Process::spawn("chromium", &command(&folder), scene.path());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in split(answers) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { _process: process, commands, messages, session: None, count: 0 };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let target = page["targetId"].clone();
        let session =
            browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        browser
    }

    /// Opens a page and waits until it is loaded, but for what it plays.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        let loaded = format!("document.URL == {} && document.readyState != 'loading'", json!(url));
        let deadline = Instant::now() + PATIENCE;
        while self.evaluate(&loaded) != json!(true) {
            assert!(Instant::now() < deadline, "{url} does not load");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The value of an expression in the page; of a promise, its result.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let words = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
        });
        let result = self.call("Runtime.evaluate", words);
        assert!(result["exceptionDetails"].is_null(), "{}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    fn call(&mut self, method: &str, words: Value) -> Value {
        self.count += 1;
        let mut command = json!({ "id": self.count, "method": method, "params": words });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).expect("the pipe is open");
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let mut message =
                message.unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            if message["id"] == json!(self.count) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
        }
    }
}

fn command(folder: &Path) -> Command {
    let program = chromium().expect("it is needed");
    let mut command = Command::new("sh");
    // The pipe is at these two descriptors.
    command.arg("-c").arg("exec \"$0\" \"$@\" 3<commands 4>messages").arg(program);
    command.args([
        "--headless",
        "--remote-debugging-pipe",
        "--no-sandbox",
        "--disable-gpu",
        "--mute-audio",
        "--autoplay-policy=no-user-gesture-required",
        // Nothing but this machine is asked for anything.
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-proxy-server",
    ]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    command.current_dir(folder);
    command
}

/// The messages on the pipe, each of which ends with a zero.
fn split(mut pipe: File) -> impl Iterator<Item = Value> {
    let mut pending = Vec::new();
    std::iter::from_fn(move || {
        loop {
            if let Some(end) = pending.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = pending.drain(..=end).collect();
                return serde_json::from_slice(&message[..end]).ok();
            }
            let mut buffer = [0; 4096];
            let count = pipe.read(&mut buffer).ok().filter(|count| *count > 0)?;
            pending.extend(&buffer[..count]);
        }
    })
}
