use std::path::PathBuf;

use tinytorrent_client::{Client, Source as ClientSource};
use tinytorrent_metainfo::{ErrorKind, Magnet, MagnetLink, Metainfo};
use tinytorrent_net::Network;
use tinytorrent_tracker::client::{ClientConfig, Error, Fetched, TrackerClient};

use crate::{Failure, MAX_TORRENT_BYTES, Source, read_torrent_file};

/// Reads what a source says about a torrent; fetches it first, by this network, if it is a URL.
///
/// # Errors
///
/// [`Failure::CouldNot`] when it cannot be read or fetched, [`Failure::InvalidInput`] when it is
/// no torrent and no magnet link.
pub async fn load(source: &Source, network: &Network) -> Result<ClientSource, Failure> {
    match source {
        Source::File(path) => {
            let bytes = read_file(path.clone()).await?;
            parse_torrent(&bytes, &format!("{} is no torrent", path.display()))
        }
        Source::Url(url) => fetch(url.as_str(), network).await,
        Source::Magnet(link) => parse_magnet(link),
        Source::InfoHashV1(_) | Source::InfoHashV2(_) => {
            parse_magnet(&source.bare_magnet().unwrap_or_default())
        }
    }
}

/// As [`load`], by the network of the client, and finds the torrent of a key in the DHT of the client (BEP 46), as long as that takes.
///
/// # Errors
///
/// Those of [`load`], and [`Failure::CouldNot`] if the client has no DHT.
pub async fn load_in(client: &Client, source: &Source) -> Result<ClientSource, Failure> {
    let link = match source {
        Source::Magnet(link) => link.parse(),
        _ => return load(source, client.network()).await,
    };
    let Ok(MagnetLink::Key(link)) = link else { return load(source, client.network()).await };
    let why_not = || Failure::CouldNot("only the DHT knows the torrent of a key".to_owned());
    let mut updates = client.follow(&link, None).ok_or_else(why_not)?;
    Ok(updates.next().await.ok_or_else(why_not)?.magnet.into())
}

/// Apart from the sockets, since a pipe may have nothing to read for ever.
async fn read_file(path: PathBuf) -> Result<Vec<u8>, Failure> {
    let read = tokio::task::spawn_blocking(move || read_torrent_file(&path)).await;
    read.map_err(|error| Failure::could_not("cannot read the torrent", &error))?
}

/// Fetches a torrent, or the magnet link that a server redirects to instead.
async fn fetch(url: &str, network: &Network) -> Result<ClientSource, Failure> {
    let mut config = ClientConfig::default();
    config.network(network.clone());
    let client = TrackerClient::new(config);
    let limit = usize::try_from(MAX_TORRENT_BYTES).unwrap_or(usize::MAX);
    let cannot_fetch = |error: &Error| Failure::could_not("cannot fetch the torrent", error);
    match client.fetch(url, limit).await.map_err(|error| cannot_fetch(&error))? {
        Fetched::Magnet(link) => parse_magnet(&link),
        Fetched::File { body, url, cut_short, .. } => {
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
    let metainfo = match Metainfo::from_bytes_lenient(bytes) {
        Ok(metainfo) => metainfo,
        Err(error) => match error.kind() {
            ErrorKind::IsMagnet(link) => return parse_magnet(link),
            _ => return Err(Failure::invalid_input(what, &error)),
        },
    };
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    const TORRENT: &[u8] = b"d4:infod6:lengthi3e4:name1:a12:piece lengthi16384e\
        6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

    /// Loads from a server that gives this answer once.
    async fn load_from(head: &str, body: &[u8]) -> Result<ClientSource, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let url = format!("http://{}/x.torrent", listener.local_addr().expect("it is bound"));
        let answer = [head.as_bytes(), b"\r\n\r\n", body].concat();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            // The request fits one segment, and what it says does not matter.
            _ = stream.read(&mut [0; 4096])?;
            stream.write_all(&answer)
        });
        let source = url.parse().unwrap_or_else(|never| match never {});
        let loaded = load(&source, &Network::default()).await;
        server.join().expect("no panic").expect("the client reads the answer");
        loaded
    }

    fn code(loaded: Result<ClientSource, Failure>) -> u8 {
        loaded.err().map_or(0, |failure| failure.code())
    }

    #[tokio::test]
    async fn torrent_is_taken_as_servers_send_it() {
        assert_eq!(code(load_from("HTTP/1.0 200 OK", TORRENT).await), 0);
        let with_mark = ["\u{feff}\n".as_bytes(), TORRENT].concat();
        assert_eq!(code(load_from("HTTP/1.1 200 OK", &with_mark).await), 0);
        let too_long = "HTTP/1.1 200 OK\r\nContent-Length: 9999";
        assert_eq!(code(load_from(too_long, TORRENT).await), 0);
    }

    #[tokio::test]
    async fn fault_is_that_of_the_server_or_of_the_input() {
        let cut = load_from("HTTP/1.1 200 OK\r\nContent-Length: 9999", &TORRENT[..30]).await;
        assert_eq!(code(cut), 1);
        assert_eq!(code(load_from("HTTP/1.1 200 OK", b"<html>log in</html>").await), 2);
        assert_eq!(code(load_from("HTTP/1.1 404 Not Found", TORRENT).await), 1);
    }

    #[tokio::test]
    async fn redirect_to_a_magnet_link_is_followed() {
        let location = |link: &str| format!("HTTP/1.1 302 Found\r\nLocation: {link}");
        let link = format!("magnet:?xt=urn:btih:{}&dn=\u{e4}", "ab".repeat(20));
        let expected = ClientSource::from(&link.parse::<Magnet>().expect("a link"));
        let loaded = load_from(&location(&link), b"").await.expect("a link");
        assert_eq!(format!("{loaded:?}"), format!("{expected:?}"));
        assert_eq!(code(load_from(&location("magnet:?xt=urn:btih:short"), b"").await), 2);
        assert_eq!(code(load_from(&location("ftp://127.0.0.1/x"), b"").await), 1);
    }
}
