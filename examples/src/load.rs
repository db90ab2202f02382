use tinytorrent_client::Source as ClientSource;
use tinytorrent_metainfo::{Magnet, Metainfo};
use tinytorrent_tracker::client::{ClientConfig, TrackerClient};

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
            let bytes = read_torrent_file(path)?;
            let what = format!("{} is no torrent", path.display());
            parse_torrent(&bytes, &what)
        }
        Source::Url(url) => {
            let client = TrackerClient::new(ClientConfig::default());
            let limit = usize::try_from(MAX_TORRENT_BYTES).unwrap_or(usize::MAX);
            let fetched = client.fetch(url.as_str(), limit).await;
            let fetched =
                fetched.map_err(|error| Failure::could_not("cannot fetch the torrent", &error))?;
            parse_torrent(&fetched.body, &format!("{url} is no torrent"))
        }
        Source::Magnet(link) => parse_magnet(link),
        Source::InfoHashV1(_) | Source::InfoHashV2(_) => {
            parse_magnet(&source.bare_magnet().unwrap_or_default())
        }
    }
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
