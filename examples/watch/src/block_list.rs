//! The list of blocked addresses, which is read again when it changes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tinytorrent_client::Client;
use tinytorrent_examples::{Failure, Hangups, read_block_list, tell_block_list};
use tokio::task::spawn_blocking;

use crate::Options;
use crate::setup::AbortOnDrop;
use crate::tell::Teller;

/// Time between two looks at the file.
const LOOK: Duration = Duration::from_secs(2);

/// Marks by which two states of a file differ; `None` if it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// Has the client follow the list, if there is one, until the handle is dropped: at SIGHUP, and when the file has
/// changed and then stayed the same for a look, as it may be written at the moment.
pub(crate) fn follow_block_list(
    options: &Options,
    teller: &Teller,
    client: Client,
) -> Result<Option<AbortOnDrop>, Failure> {
    let Some(path) = options.network.block.clone() else { return Ok(None) };
    let hangups = Hangups::new(true)?;
    let following = Following { path: path.into(), teller: teller.clone(), client };
    Ok(Some(AbortOnDrop::new(tokio::spawn(following.run(hangups)))))
}

struct Following {
    path: Arc<Path>,
    teller: Teller,
    client: Client,
}

impl Following {
    async fn run(self, mut hangups: Hangups) {
        let (mut loaded, mut last) = (self.stamp().await, None);
        loop {
            let is_asked = tokio::select! {
                () = hangups.next() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let stamp = self.stamp().await;
            let is_settled = last == Some(stamp);
            last = Some(stamp);
            if is_asked || (stamp != loaded && is_settled) {
                loaded = stamp;
                self.reload().await;
            }
        }
    }

    async fn stamp(&self) -> Stamp {
        let path = Arc::clone(&self.path);
        let look = move || {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        spawn_blocking(look).await.ok().flatten()
    }

    /// Reads the list. With an error the old one stays.
    async fn reload(&self) {
        let path = Arc::clone(&self.path);
        let list = spawn_blocking(move || read_block_list(&path)).await;
        let list =
            list.unwrap_or_else(|error| Err(Failure::could_not("cannot read a list", &error)));
        let file = self.path.to_string_lossy();
        match list {
            Ok(list) => {
                let told = tell_block_list(&self.path, &list);
                let (ranges, bad) = (list.ranges.len(), list.report.bad);
                self.client.set_filter(Some(Arc::new(list.ranges)));
                let event =
                    json!({ "event": "blocked", "file": file, "ranges": ranges, "bad_lines": bad });
                self.teller.tell(told, &event);
            }
            Err(failure) => {
                let words = format!("the old list of blocked addresses stays: {failure}");
                let event =
                    json!({ "event": "refused", "file": file, "error": failure.to_string() });
                self.teller.tell(words, &event);
            }
        }
    }
}
