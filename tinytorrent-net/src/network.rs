use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tinytorrent_types::compact::Family;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use crate::tls::Tls;
use crate::{Binding, IpFilter, NetworkConfig, Proxy, Relay, Target};

/// The one place that opens sockets, within the settings of the user.
///
/// No function sends anything past a [`Binding`] or a [`Proxy`]: what they cannot carry is an error. Each waits for a
/// file descriptor until its deadline, and no longer. Dropping a future cancels what it does. A clone is cheap,
/// and has the same settings.
#[derive(Debug, Clone, Default)]
pub struct Network {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    config: NetworkConfig,
    tls: Tls,
}

impl Network {
    /// A network with these settings. Nothing is opened before it is asked for.
    pub fn new(config: NetworkConfig) -> Self {
        let tls = Tls::new(config.verifies_certificates);
        Self { shared: Arc::new(Shared { config, tls }) }
    }

    /// The proxy, if there is one.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.shared.config.proxy.as_ref()
    }

    /// The address or the device by which all sockets leave.
    pub fn binding(&self) -> &Binding {
        &self.shared.config.binding
    }

    /// The addresses that the user avoids.
    pub fn filter(&self) -> &IpFilter {
        &self.shared.config.filter
    }

    /// Connects to a target: through the proxy, which resolves a name; or to its address; or to the first of
    /// its name's addresses that accepts.
    ///
    /// # Errors
    /// That of the last address, of the proxy, or [`TimedOut`](io::ErrorKind::TimedOut) after the deadline.
    pub async fn connect(&self, target: &Target, deadline: Instant) -> io::Result<TcpStream> {
        if self.proxy().is_some() {
            return self.connect_through_proxy(target, deadline).await;
        }
        match target {
            Target::Address(address) => self.connect_to(*address, deadline).await,
            Target::Name(host, port) => {
                let addresses = self.look_up(host, *port, deadline).await?;
                self.connect_to_any(&addresses, deadline).await
            }
        }
    }

    /// Connects to a target through the proxy.
    ///
    /// # Errors
    /// There is no proxy, it cannot be reached or refuses, the address is avoided, or the deadline has passed.
    pub async fn connect_through_proxy(
        &self,
        target: &Target,
        deadline: Instant,
    ) -> io::Result<TcpStream> {
        let proxy = self.proxy().ok_or(io::ErrorKind::NotConnected)?;
        if let Target::Address(address) = target {
            self.filter().check(address.ip())?;
        }
        within(deadline, async {
            let mut stream = self.open_proxy(proxy, deadline).await?;
            proxy.connect(&mut stream, target).await?;
            Ok(stream)
        })
        .await
    }

    /// Asks the proxy to relay datagrams.
    ///
    /// # Errors
    /// There is no proxy ([`NotConnected`](io::ErrorKind::NotConnected)), its protocol has no datagrams
    /// ([`Unsupported`](io::ErrorKind::Unsupported)), it cannot be reached or refuses, or the deadline has passed.
    pub async fn relay(&self, deadline: Instant) -> io::Result<Relay> {
        let proxy = self.proxy().ok_or(io::ErrorKind::NotConnected)?;
        if !proxy.may_relay() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        within(deadline, async {
            let mut control = self.open_proxy(proxy, deadline).await?;
            let relay = proxy.associate(&mut control).await?;
            let socket = self.open_udp(Family::of(relay.ip()), deadline).await?;
            // A connected socket takes datagrams from the relay only.
            socket.connect(relay).await?;
            Ok(Relay::new(control, socket))
        })
        .await
    }

    /// Looks up the addresses of a name, each once, in the order of the resolver, without those that the user avoids.
    ///
    /// # Errors
    /// There is a proxy, which resolves names by itself; the resolver fails; the user avoids all of the addresses; or
    /// the deadline has passed.
    pub async fn look_up(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> io::Result<Vec<SocketAddr>> {
        self.check_direct()?;
        let mut addresses = self.resolve(host, port, deadline).await?;
        self.filter().retain_allowed(&mut addresses)?;
        Ok(addresses)
    }

    /// Opens a socket to connect to this address with.
    ///
    /// # Errors
    /// There is a proxy, to which the connection would have to go; the user avoids the address; the binding has no
    /// address of this family; or the system gives no socket until the deadline.
    pub async fn tcp_socket(&self, to: SocketAddr, deadline: Instant) -> io::Result<TcpSocket> {
        self.check_direct()?;
        self.filter().check(to.ip())?;
        self.open_tcp(to, deadline).await
    }

    /// Opens a socket for datagrams of a family, at any port.
    ///
    /// # Errors
    /// There is a proxy, which datagrams would go past; the binding has no address of this family; or
    /// the system gives no socket until the deadline.
    pub async fn udp_socket(&self, family: Family, deadline: Instant) -> io::Result<UdpSocket> {
        self.check_direct()?;
        self.open_udp(family, deadline).await
    }

    /// Listens for connections at an address. `[::]` accepts IPv4 as well if `takes_ipv4`. The socket does not block.
    ///
    /// A proxy does not forward connections, so that they come past it. Whether there are to be any is for the
    /// caller to say.
    ///
    /// # Errors
    /// The address is in use, is none of this host, or is not that of the binding.
    pub fn listen(&self, address: SocketAddr, takes_ipv4: bool) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!takes_ipv4)?;
        }
        // Without this, a program cannot bind its port again until old connections have left TIME_WAIT.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        self.binding().apply(&socket, address)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }

    /// Opens a socket for datagrams of one family at an address. It does not block.
    ///
    /// # Errors
    /// There is a proxy, which datagrams would go past; or the address is in use, is none of this host, or is not
    /// that of the binding.
    pub fn listen_udp(&self, address: SocketAddr) -> io::Result<std::net::UdpSocket> {
        self.check_direct()?;
        self.bind_udp(address)
    }

    /// Begins TLS with the server of this name, over a connection to it.
    ///
    /// # Errors
    /// The server's certificate is not for this name, or nobody known vouches for it.
    pub async fn tls(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.shared.tls.connect(host, stream).await
    }

    /// Connects to an address within the deadline.
    async fn connect_to(&self, address: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
        let socket = self.tcp_socket(address, deadline).await?;
        within(deadline, socket.connect(address)).await
    }

    /// Connects to the first address that accepts.
    async fn connect_to_any(
        &self,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> io::Result<TcpStream> {
        let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (at, address) in addresses.iter().enumerate() {
            // An address that does not answer leaves time for those behind it.
            let now = Instant::now();
            let part = deadline.saturating_duration_since(now) / (addresses.len() - at) as u32;
            match self.connect_to(*address, now + part).await {
                Ok(stream) => return Ok(stream),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    /// Connects to the proxy itself.
    async fn open_proxy(&self, proxy: &Proxy, deadline: Instant) -> io::Result<TcpStream> {
        let (host, port) = proxy.address();
        // The target is named by whoever asked, so that the proxy has to be named here.
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{host}:{port}: {error}"));
        let mut error = io::Error::other("the proxy has no address");
        for address in self.resolve(host, port, deadline).await.map_err(named)? {
            let open = async || self.open_tcp(address, deadline).await?.connect(address).await;
            match open().await {
                Ok(stream) => return Ok(stream),
                Err(failed) => error = failed,
            }
        }
        Err(named(error))
    }

    /// Refuses what would go past the proxy.
    fn check_direct(&self) -> io::Result<()> {
        match self.proxy() {
            None => Ok(()),
            Some(_) => {
                let what = "nothing is sent past the proxy";
                Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
            }
        }
    }

    async fn resolve(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![(ip, port).into()]);
        }
        let found: Vec<SocketAddr> = if self.binding().is_set() {
            let found = within(deadline, self.resolve_bound(host)).await?;
            found.into_iter().map(|ip| (ip, port).into()).collect()
        } else {
            let shortage = &self.shared.config.on_shortage;
            within(deadline, shortage.look_up(deadline, host, port)).await?.collect()
        };
        // Resolvers give an address twice if it stands twice in the hosts file.
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found {
            if !addresses.contains(&address)
                && self.binding().local(Family::of(address.ip())).is_ok()
            {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    #[cfg(feature = "resolver")]
    async fn resolve_bound(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        // Boxed, as most look-ups are made by the system.
        Box::pin(crate::resolver::look_up(self, &self.shared.config.name_servers, host)).await
    }

    #[cfg(not(feature = "resolver"))]
    async fn resolve_bound(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let what = "names are not looked up while sockets are bound, as the system would ask by any device";
        Err(io::Error::new(io::ErrorKind::Unsupported, what))
    }

    async fn open_tcp(&self, to: SocketAddr, deadline: Instant) -> io::Result<TcpSocket> {
        let open = async || {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
            let local = self.binding().local(Family::of(to.ip()))?;
            // Some systems connect a socket by a better address if it is not bound.
            if self.binding().is_set() {
                self.binding().apply(&socket, (local, 0).into())?;
            }
            socket.set_nonblocking(true)?;
            Ok(TcpSocket::from_std_stream(socket.into()))
        };
        self.shared.config.on_shortage.wait(deadline, open).await
    }

    async fn open_udp(&self, family: Family, deadline: Instant) -> io::Result<UdpSocket> {
        let open = async || {
            let local = (self.binding().local(family)?, 0).into();
            UdpSocket::from_std(self.bind_udp(local)?)
        };
        self.shared.config.on_shortage.wait(deadline, open).await
    }

    fn bind_udp(&self, address: SocketAddr) -> io::Result<std::net::UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        self.binding().apply(&socket, address)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }
}

/// Queue of the system for connections that are not yet accepted. The system may keep fewer: the limit
/// is 4096 by default on Linux, and 128 elsewhere.
const BACKLOG: i32 = 1024;

/// Ends a future at the deadline.
async fn within<T>(
    deadline: Instant,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout_at(deadline, future).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
