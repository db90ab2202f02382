use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tinytorrent_client::{Client, Torrent};
use tinytorrent_examples::{Failure, HttpServer};
use tinytorrent_tracker::TrackerUrl;
use tokio::sync::{mpsc, oneshot};

use crate::tell::Teller;
use crate::{Options, Status, respond};

/// A request for the status.
pub(crate) type Asked = oneshot::Sender<Status>;

/// Serves the status, if that is wanted, until the handle is dropped.
pub(crate) async fn serve(
    options: &Options,
    teller: &Teller,
    client: Client,
    ask: mpsc::Sender<Asked>,
) -> Result<Option<AbortOnDrop>, Failure> {
    let Some(address) = options.http else { return Ok(None) };
    let server = HttpServer::bind(address).await?;
    let url = server.url();
    teller.tell(format!("serving {url}"), &json!({ "event": "serving", "url": url }));
    let serving = server.serve(move |request| {
        let (ask, client, path) = (ask.clone(), client.clone(), request.uri().path().to_owned());
        async move {
            let (answer, status) = oneshot::channel();
            // Both fail only at the end of the program.
            let _ = ask.send(answer).await;
            respond(&path, &status.await.unwrap_or_default(), &client)
        }
    });
    Ok(Some(AbortOnDrop::new(tokio::spawn(serving))))
}

/// A task that ends with its owner.
pub(crate) struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl AbortOnDrop {
    pub(crate) fn new(task: tokio::task::JoinHandle<()>) -> Self {
        Self(task)
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Applies the options of this run to a torrent of an earlier one.
pub(crate) fn apply(torrent: &Torrent, options: &Options) {
    let network = &options.network;
    torrent.set_seed_goals(options.ratio, options.seed_time);
    if let Some(count) = network.max_peers {
        torrent.set_max_peers(count);
    }
    torrent.set_sequential(options.sequential);
    torrent.add_peers(options.peers.clone());
    if !network.no_trackers {
        // Shown as the client shows them, without a password.
        let shown = |url: &str| url.parse::<TrackerUrl>().map(|url| url.to_string()).ok();
        let known: Vec<_> =
            torrent.trackers().into_iter().map(|tracker| Some(tracker.url)).collect();
        let new = network.trackers.iter().filter(|url| !known.contains(&shown(url)));
        torrent.add_trackers(new.map(|url| vec![url.clone()]).collect());
    }
}

/// The folder has to be there at the first start, since its name may be a slip. Later its disk may be away.
pub(crate) fn check_folder(folder: &Path, is_known: bool) -> Result<(), Failure> {
    let shown = folder.display();
    match fs::metadata(folder) {
        Ok(metadata) if !metadata.is_dir() => {
            Err(Failure::InvalidInput(format!("{shown} is no folder")))
        }
        Err(error) if !is_known => Err(Failure::could_not(format!("cannot watch {shown}"), &error)),
        _ => Ok(()),
    }
}

pub(crate) fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| -> Option<PathBuf> { fs::canonicalize(path).ok() };
    a == b || real(a).is_some_and(|a| Some(a) == real(b))
}
