//! An HTTP server for the files of a torrent, which are read while they come.

mod answer;
mod body;
mod files;
mod page;
mod range;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tinytorrent_client::Torrent;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

use self::files::ServedFile;

/// Connections at a time. A browser makes six, and each may hold some hundred KiB of a file.
const MAX_CONNECTIONS: usize = 100;

/// Time for the header of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause when a connection cannot be accepted, for lack of descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket for an HTTP server.
#[derive(Debug)]
pub struct StreamServer {
    listener: TcpListener,
    base: Url,
    /// The file to be played; `None` for the one that seems to be the main one.
    file: Option<u32>,
}

impl StreamServer {
    /// Opens a socket at this address.
    ///
    /// # Errors
    ///
    /// The address is in use, or is not one of this machine.
    pub async fn bind(address: SocketAddr, file: Option<u32>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let mut reached_at = listener.local_addr()?;
        if reached_at.ip().is_unspecified() {
            reached_at.set_ip(match reached_at.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let base = format!("http://{reached_at}/").parse().map_err(io::Error::other)?;
        Ok(Self { listener, base, file })
    }

    /// The address of the page with the list of files.
    pub fn page(&self) -> &Url {
        &self.base
    }

    /// The address of the file to be played; that of the page as long as no file is known, or if there is none.
    ///
    /// # Errors
    ///
    /// The torrent has no file with the index that was given.
    pub fn url(&self, torrent: &Torrent) -> Result<Url, NoSuchFile> {
        let Some(info) = torrent.info() else { return Ok(self.base.clone()) };
        let file = match self.file {
            Some(index) => {
                let count = info.layout().file_count();
                Some(ServedFile::find(info.layout(), index).ok_or(NoSuchFile { index, count })?)
            }
            None => ServedFile::main(info.layout()),
        };
        Ok(file.map_or_else(|| self.base.clone(), |file| file.url(&self.base)))
    }

    /// Serves until this future is dropped.
    pub async fn run(&self, torrent: Torrent) -> Infallible {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let context = Arc::new((torrent, self.base.clone(), self.file));
        let mut connections = JoinSet::new();
        loop {
            // Never closed.
            let place = Arc::clone(&places).acquire_owned().await;
            let accepted = self.listener.accept().await;
            while connections.try_join_next().is_some() {}
            let Ok((socket, _)) = accepted.inspect_err(|error| tracing::warn!(%error)) else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let context = Arc::clone(&context);
            connections.spawn(async move {
                if let Err(error) = serve(socket, &context).await {
                    // Players hang up in the middle of a response whenever they seek.
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(place);
            });
        }
    }
}

/// The file that the user named is not in the torrent.
#[derive(Debug)]
pub struct NoSuchFile {
    index: u32,
    count: u32,
}

impl std::fmt::Display for NoSuchFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "there is no file {} to be played: `inspect` lists the {}",
            self.index, self.count
        )
    }
}

impl std::error::Error for NoSuchFile {}

async fn serve(
    socket: TcpStream,
    (torrent, base, file): &(Torrent, Url, Option<u32>),
) -> hyper::Result<()> {
    // What is read next should leave at once.
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| async move {
        Ok::<_, Infallible>(answer::answer(torrent, base, *file, &request).await)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(socket), service)
        .await
}
