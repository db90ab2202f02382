//! A SOCKS5 proxy for tests (RFC 1928): it connects and relays datagrams, and keeps what was asked of it.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinHandle};

/// A running proxy.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// User and password that are asked for.
    credentials: Option<(String, String)>,
    /// False if datagrams are refused.
    relays: bool,
    /// The address of each name.
    names: Option<SocketAddr>,
    /// The targets of connections, and of datagrams, each once.
    asked: Mutex<Vec<String>>,
    associations: Mutex<Vec<AbortHandle>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.end_associations();
    }
}

impl Proxy {
    /// A proxy at this address, which asks for `user` and `password` if they are given, and takes each name for
    /// `names`.
    pub async fn start(
        at: SocketAddr,
        credentials: Option<(&str, &str)>,
        relays: bool,
        names: Option<SocketAddr>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let credentials =
            credentials.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let state = Arc::new(State { credentials, relays, names, ..State::default() });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                let handle = tokio::spawn(async move {
                    // Whoever gives up a connection is not of interest.
                    let _ = serve(stream, &state).await;
                });
                serving.associations.lock().unwrap().push(handle.abort_handle());
            }
        });
        Ok(Self { address, state, task })
    }

    /// The targets that were asked for, such as `tcp 127.0.0.1:80`, `udp 127.0.0.1:6881`, and `associate`.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.state.asked.lock().unwrap().clear();
    }

    /// Ends all connections and associations; new ones are taken.
    pub fn end_associations(&self) {
        self.state.associations.lock().unwrap().drain(..).for_each(|task| task.abort());
    }
}

impl State {
    fn note(&self, what: String) {
        let mut asked = self.asked.lock().unwrap();
        if !asked.contains(&what) || what == "associate" {
            asked.push(what);
        }
    }

    fn resolve(&self, host: &Host) -> io::Result<SocketAddr> {
        match host {
            Host::Address(address) => Ok(*address),
            Host::Name(_, port) => {
                let at = self.names.ok_or(io::ErrorKind::NotFound)?;
                Ok(SocketAddr::new(at.ip(), if at.port() == 0 { *port } else { at.port() }))
            }
        }
    }
}

enum Host {
    Address(SocketAddr),
    Name(String, u16),
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

async fn serve(mut stream: TcpStream, state: &State) -> io::Result<()> {
    greet(&mut stream, state).await?;
    let mut head = [0; 3];
    stream.read_exact(&mut head).await?;
    let target = read_host(&mut stream).await?;
    match head {
        [5, 1, 0] => {
            state.note(format!("tcp {target}"));
            match connect(state, &target).await {
                Ok(mut other) => {
                    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
                    copy_bidirectional(&mut stream, &mut other).await.map(drop)
                }
                Err(_) => stream.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).await,
            }
        }
        [5, 3, 0] if state.relays => {
            state.note("associate".to_owned());
            let relay = UdpSocket::bind((stream.local_addr()?.ip(), 0)).await?;
            // Unspecified: the address of the proxy itself.
            let mut answer = vec![5, 0, 0, 1, 0, 0, 0, 0];
            answer.extend(relay.local_addr()?.port().to_be_bytes());
            stream.write_all(&answer).await?;
            tokio::select! {
                ended = relay_datagrams(relay, state) => ended,
                ended = stream.read_u8() => ended.map(drop),
            }
        }
        _ => stream.write_all(&[5, 7, 0, 1, 0, 0, 0, 0, 0, 0]).await,
    }
}

async fn greet(stream: &mut TcpStream, state: &State) -> io::Result<()> {
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).await?;
    let method = if state.credentials.is_some() { 2 } else { 0 };
    if greeting != [5, 1, method] {
        stream.write_all(&[5, 0xff]).await?;
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    stream.write_all(&[5, method]).await?;
    let Some((user, password)) = &state.credentials else { return Ok(()) };
    let mut said = [Vec::new(), Vec::new()];
    stream.read_u8().await?;
    for text in &mut said {
        text.resize(usize::from(stream.read_u8().await?), 0);
        stream.read_exact(text).await?;
    }
    let is_right = said == [user.as_bytes(), password.as_bytes()];
    stream.write_all(&[1, u8::from(!is_right)]).await?;
    if is_right { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

async fn connect(state: &State, target: &Host) -> io::Result<TcpStream> {
    TcpStream::connect(state.resolve(target)?).await
}

async fn read_host(stream: &mut TcpStream) -> io::Result<Host> {
    let mut bytes = vec![stream.read_u8().await?];
    let length = match bytes[0] {
        1 => 4,
        4 => 16,
        _ => {
            bytes.push(stream.read_u8().await?);
            usize::from(bytes[1])
        }
    };
    let from = bytes.len();
    bytes.resize(from + length + 2, 0);
    stream.read_exact(&mut bytes[from..]).await?;
    let host = parse_host(&bytes).ok_or(io::ErrorKind::InvalidData)?.0;
    Ok(host)
}

fn parse_host(bytes: &[u8]) -> Option<(Host, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (host, rest) = match kind {
        1 => rest.split_at_checked(4)?,
        4 => rest.split_at_checked(16)?,
        3 => rest[1..].split_at_checked(usize::from(*rest.first()?))?,
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk()?;
    let port = u16::from_be_bytes(*port);
    let host = match kind {
        1 => Host::Address((<[u8; 4]>::try_from(host).ok()?, port).into()),
        4 => Host::Address((<[u8; 16]>::try_from(host).ok()?, port).into()),
        _ => Host::Name(String::from_utf8_lossy(host).into_owned(), port),
    };
    Some((host, rest))
}

/// Relays the datagrams of one client.
async fn relay_datagrams(relay: UdpSocket, state: &State) -> io::Result<()> {
    let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await.ok();
    let mut client = None;
    let (mut up, mut down, mut down_v6) = (vec![0; 65_535], vec![0; 65_535], vec![0; 65_535]);
    loop {
        let received_v6 = async {
            match &v6 {
                Some(v6) => v6.recv_from(&mut down_v6).await,
                None => std::future::pending().await,
            }
        };
        let (from, datagram) = tokio::select! {
            received = relay.recv_from(&mut up) => {
                let (length, from) = received?;
                client = Some(from);
                let [0, 0, 0, rest @ ..] = &up[..length] else { continue };
                let Some((target, datagram)) = parse_host(rest) else { continue };
                state.note(format!("udp {target}"));
                let Ok(target) = state.resolve(&target) else { continue };
                let socket = if target.is_ipv4() { Some(&v4) } else { v6.as_ref() };
                if let Some(socket) = socket {
                    let _ = socket.send_to(datagram, target).await;
                }
                continue;
            }
            received = v4.recv_from(&mut down) => {
                let Ok((length, from)) = received else { continue };
                (from, &down[..length])
            }
            received = received_v6 => {
                let Ok((length, from)) = received else { continue };
                (from, &down_v6[..length])
            }
        };
        let Some(client) = client else { continue };
        let mut wrapped = vec![0, 0, 0];
        match from.ip() {
            IpAddr::V4(ip) => {
                wrapped.push(1);
                wrapped.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                wrapped.push(4);
                wrapped.extend(ip.octets());
            }
        }
        wrapped.extend(from.port().to_be_bytes());
        wrapped.extend(datagram);
        relay.send_to(&wrapped, client).await?;
    }
}
