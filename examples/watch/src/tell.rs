use std::path::Path;

use serde_json::{Value, json};
use tinytorrent_examples::{Mode, Output, Told, Words, hashes_json};
use tinytorrent_types::InfoHashes;

use crate::{Log, News};

/// What is told to the user: lines, events for programs, or the log of the view.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    out: Output,
    /// The log of the view, if there is one.
    log: Option<Log>,
}

impl Teller {
    /// Tells to the output, or to the log if there is one.
    pub(crate) fn new(out: Output, log: Option<Log>) -> Self {
        Self { out, log }
    }

    /// The output.
    pub(crate) fn out(&self) -> &Output {
        &self.out
    }

    /// Tells something of a torrent of this name.
    pub(crate) fn tell_of(&self, hashes: InfoHashes, name: &str, told: &Told) {
        match &told.words {
            Words::Line(line) => self.say(format!("{name}: {line}")),
            Words::Warning(text) => tracing::warn!("{name}: {text}"),
            Words::Detail(text) if text.is_empty() => {}
            Words::Detail(text) => tracing::info!("{name}: {text}"),
        }
        if let (Some(event), Mode::Json) = (&told.event, self.out.mode()) {
            self.out.event(&with_hashes(event, hashes));
        }
    }

    /// Tells something of no torrent.
    pub(crate) fn tell(&self, line: String, event: &Value) {
        self.say(line);
        self.out.event(event);
    }

    /// Tells news of the watched folder.
    pub(crate) fn tell_news(&self, folder: &Path, news: &News) {
        let folder = folder.display();
        let (line, event): (String, Value) = match news {
            News::FolderGone(reason) => (
                format!("{folder} cannot be read ({reason}); its torrents go on"),
                json!({ "event": "folder_gone", "error": reason }),
            ),
            News::FolderBack => {
                (format!("{folder} is there again"), json!({ "event": "folder_back" }))
            }
            News::OtherFolder(count) => (
                format!(
                    "{folder} is another folder than before, and empty: is a disk not mounted? The \
                     torrents of {count} files go on"
                ),
                json!({ "event": "folder_gone", "error": "another folder lies in its place" }),
            ),
            News::Refused(file, reason) => {
                let file = file.to_string_lossy();
                let event = json!({ "event": "refused", "file": file, "error": reason });
                (format!("{file}: {reason}"), event)
            }
        };
        self.tell(line, &event);
    }

    fn say(&self, line: String) {
        match &self.log {
            Some(log) => log.push(line),
            None => self.out.say(line),
        }
    }
}

/// The event, with the identity of the torrent.
fn with_hashes(event: &Value, hashes: InfoHashes) -> Value {
    let mut event = event.clone();
    let [v1, v2] = hashes_json(&hashes);
    event["info_hash_v1"] = v1;
    event["info_hash_v2"] = v2;
    event
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tinytorrent_types::InfoHashV1;

    use super::*;

    #[test]
    fn an_event_of_a_torrent_names_it() {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([0xab; 20]));
        let event = with_hashes(&json!({ "event": "checked", "bytes": 7 }), hashes);
        assert_eq!(event["info_hash_v1"], "ab".repeat(20));
        assert!(event["info_hash_v2"].is_null());
        assert_eq!((&event["event"], &event["bytes"]), (&json!("checked"), &json!(7)));
    }

    #[test]
    fn with_a_view_lines_go_to_its_log() {
        let log = Log::default();
        let teller = Teller::new(Output::new(Mode::Words), Some(log.clone()));
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([0; 20]));
        let told = Told { words: Words::Line("is complete".into()), event: None };
        teller.tell_of(hashes, "film", &told);
        assert_eq!(log.lines(), ["film: is complete"]);
    }
}
