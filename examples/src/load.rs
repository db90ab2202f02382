use std::path::PathBuf;

use tinytorrent_client::Source as ClientSource;
use tinytorrent_metainfo::{Magnet, Metainfo};
use tinytorrent_tracker::client::{ClientConfig, Error, Fetched, TrackerClient};

use crate::{Failure, MAX_TORRENT_BYTES, Source, read_torrent_file};

/// Reads what a source says about a torrent; fetches it first if it is a URL.
///
/// # Errors
///
/// [`Failure::CouldNot`] when it cannot be read or fetched, [`Failure::InvalidInput`] when it is
/// no torrent and no magnet link.
pub async fn load(source: &Source) -> Result<ClientSource, Failure> {
    match source {
        Source::File(path) => {
            let bytes = read_file(path.clone()).await?;
            parse_torrent(&bytes, &format!("{} is no torrent", path.display()))
        }
        Source::Url(url) => fetch(url.as_str()).await,
        Source::Magnet(link) => parse_magnet(link),
        Source::InfoHashV1(_) | Source::InfoHashV2(_) => {
            parse_magnet(&source.bare_magnet().unwrap_or_default())
        }
    }
}

/// Apart from the sockets, since a pipe may have nothing to read for ever.
async fn read_file(path: PathBuf) -> Result<Vec<u8>, Failure> {
    let read = tokio::task::spawn_blocking(move || read_torrent_file(&path)).await;
    read.map_err(|error| Failure::could_not("cannot read the torrent", &error))?
}

/// Fetches a torrent, or the magnet link that a server redirects to instead.
async fn fetch(url: &str) -> Result<ClientSource, Failure> {
    let client = TrackerClient::new(ClientConfig::default());
    let limit = usize::try_from(MAX_TORRENT_BYTES).unwrap_or(usize::MAX);
    let cannot_fetch = |error: &Error| Failure::could_not("cannot fetch the torrent", error);
    match client.fetch(url, limit).await.map_err(|error| cannot_fetch(&error))? {
        Fetched::Magnet(link) => parse_magnet(&link),
        Fetched::File { body, cut_short, .. } => {
            let body = without_blanks(&body);
            let parsed = parse_torrent(body, &format!("{url} is no torrent"));
            // What is a whole torrent counts, whatever the server had announced.
            parsed.map_err(|failure| cut_short.as_ref().map_or(failure, cannot_fetch))
        }
        _ => Err(Failure::CouldNot(format!("{url} is neither a torrent nor a magnet link"))),
    }
}

/// The file behind a byte order mark and blank lines, which scripts send before their own output
/// without knowing.
fn without_blanks(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii_start()
}

fn parse_torrent(bytes: &[u8], what: &str) -> Result<ClientSource, Failure> {
    let metainfo = Metainfo::from_bytes_lenient(bytes)
        .map_err(|error| Failure::invalid_input(what, &error))?;
    for warning in metainfo.warnings() {
        tracing::info!("{warning}");
    }
    Ok(ClientSource::from(&metainfo))
}

fn parse_magnet(link: &str) -> Result<ClientSource, Failure> {
    let magnet: Magnet =
        link.parse().map_err(|error| Failure::invalid_input("no usable magnet link", &error))?;
    Ok(ClientSource::from(&magnet))
}
