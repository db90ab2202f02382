//! Look-ups of names by sockets that are bound. The resolver of the system asks by any device.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::Resolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_resolver::net::runtime::{RuntimeProvider, TokioHandle, TokioTime};
use tinytorrent_types::compact::Family;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use crate::Network;

/// Looks up the addresses of a name at these servers; at those of the system if there are none.
pub(crate) async fn look_up(
    network: &Network,
    servers: &[SocketAddr],
    host: &str,
) -> io::Result<Vec<IpAddr>> {
    let provider = Provider { network: network.clone(), handle: TokioHandle::default() };
    // Made for each name: the servers of the system may be others by then, as after a device has come back.
    let builder = match servers {
        [] => Resolver::builder(provider).map_err(io::Error::other)?,
        servers => {
            let servers = servers.iter().map(|server| {
                let mut config = NameServerConfig::udp_and_tcp(server.ip());
                config.connections.iter_mut().for_each(|way| way.port = server.port());
                config
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            Resolver::builder_with_config(config, provider)
        }
    };
    let resolver = builder.build().map_err(io::Error::other)?;
    let found = resolver.lookup_ip(host).await.map_err(io::Error::other)?;
    Ok(found.iter().collect())
}

/// Opens the sockets of a resolver.
#[derive(Clone)]
struct Provider {
    network: Network,
    handle: TokioHandle,
}

type Opening<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl RuntimeProvider for Provider {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = UdpSocket;
    type Tcp = AsyncIoTokioAsStd<TcpStream>;

    fn create_handle(&self) -> TokioHandle {
        self.handle.clone()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        _: Option<SocketAddr>,
        patience: Option<Duration>,
    ) -> Opening<Self::Tcp> {
        let network = self.network.clone();
        Box::pin(async move {
            let patience = patience.unwrap_or(CONNECT_TIMEOUT);
            let socket = network.tcp_socket(server, Instant::now() + patience).await?;
            let stream = timeout(patience, socket.connect(server)).await??;
            stream.set_nodelay(true)?;
            Ok(AsyncIoTokioAsStd(stream))
        })
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> Opening<UdpSocket> {
        let network = self.network.clone();
        Box::pin(async move {
            let own = network.binding().local(Family::of(server.ip()))?;
            // The port is one that strangers cannot guess.
            UdpSocket::from_std(network.listen_udp((own, local.port()).into())?)
        })
    }
}

/// Time for a connection to a server that sends long answers. A guess: servers are near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
