use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_dht::NodeId;
use tinytorrent_dht::message::{Body, Message, Method, Query};
use tinytorrent_metainfo::HostPort;
use tinytorrent_net::{Network, Target};
use tokio::time::{Instant, timeout, timeout_at};

use crate::driver::RESOLVE_TIMEOUT;

/// Time for an answer to a ping, before it is sent again.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Longer than any answer to a ping, with the header of the relay.
const MAX_ANSWER: usize = 2_048;

/// Looks up the addresses of a node.
///
/// Behind a proxy names are its matter, and it does not tell their addresses: the node is pinged by its name, and has the
/// address that the answer comes from.
pub(super) async fn look_up(network: &Network, name: &HostPort) -> io::Result<Vec<SocketAddr>> {
    let deadline = Instant::now() + RESOLVE_TIMEOUT;
    match network.proxy() {
        None => network.look_up(name.host(), name.port(), deadline).await,
        Some(_) => {
            let found = timeout_at(deadline, ping(network, name, deadline)).await;
            let address = found.map_err(|_| io::ErrorKind::TimedOut)??;
            if network.filter().blocks(address.ip()) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Ok(vec![address])
        }
    }
}

async fn ping(network: &Network, name: &HostPort, deadline: Instant) -> io::Result<SocketAddr> {
    let relay = network.relay(deadline).await?;
    let target = Target::new(name.host(), name.port()).map_err(io::Error::other)?;
    let transaction: [u8; 8] = rand::random();
    let query = Query::new(NodeId::from_bytes(rand::random()), Method::Ping);
    let mut message = Message::new(&transaction, Body::Query(query));
    message.read_only = true;
    let (mut ping, mut wrapped, mut buffer) = (Vec::new(), Vec::new(), [0; MAX_ANSWER]);
    message.encode(&mut ping);
    loop {
        relay.send(&ping, &target, &mut wrapped).await?;
        let answer = async {
            loop {
                if let Some((Target::Address(from), datagram)) = relay.receive(&mut buffer).await?
                    && is_answer(datagram, &transaction)
                {
                    return io::Result::Ok(from);
                }
            }
        };
        if let Ok(answered) = timeout(PING_TIMEOUT, answer).await {
            return answered;
        }
    }
}

fn is_answer(datagram: &[u8], transaction: &[u8]) -> bool {
    Message::decode(datagram).is_ok_and(|message| {
        message.transaction == transaction && matches!(message.body, Body::Response(_))
    })
}
