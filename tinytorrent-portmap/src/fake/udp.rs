//! Gateways of PCP and NAT-PMP.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// A gateway on loopback that answers each request with some datagrams.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) requests: tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>,
    _task: JoinSet<()>,
}

impl Gateway {
    pub(crate) async fn new(answers: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::at([127, 0, 0, 1].into(), answers).await
    }

    /// One at this address.
    pub(crate) async fn at(
        address: Ipv4Addr,
        answers: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        Self::on((address, 0).into(), answers).await
    }

    /// The same at this port.
    pub(crate) async fn on(
        address: SocketAddr,
        mut answers: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut buffer = [0; 2_000];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let _ = sender.send(buffer[..length].to_vec());
                for answer in answers(&buffer[..length]) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, requests, _task: tasks }
    }

    pub(crate) fn requests(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

pub(crate) fn is_pcp(request: &[u8]) -> bool {
    request[0] == 2
}

/// The good answer of PCP.
pub(crate) fn pcp(request: &[u8], code: u8, lifetime: u32, external: u16) -> Vec<u8> {
    let mut answer = request.to_vec();
    (answer[1], answer[3]) = (0x81, code);
    answer[4..8].copy_from_slice(&lifetime.to_be_bytes());
    answer[8..24].fill(0);
    answer[42..44].copy_from_slice(&external.to_be_bytes());
    answer[54..60].copy_from_slice(&[0xff, 0xff, 9, 9, 9, 9]);
    answer
}

/// That of NAT-PMP, to both of its requests.
pub(crate) fn natpmp(request: &[u8], code: u8, external: u16) -> Vec<u8> {
    let mut answer = vec![0, 128 + request[1], 0, code, 0, 0, 0, 7];
    if request.len() < 12 {
        answer.extend([100, 64, 1, 1]);
        return answer;
    }
    answer.extend(&request[4..6]);
    let is_deletion = request[8..12] == [0; 4];
    answer.extend(if is_deletion { 0 } else { external }.to_be_bytes());
    answer.extend(&request[8..12]);
    answer
}
