use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;

use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A UDP socket that takes and gives several datagrams in a call, where the system can.
#[derive(Debug)]
pub(super) struct SystemSocket {
    socket: Arc<UdpSocket>,
    state: UdpSocketState,
    can_probe: bool,
}

/// Bytes that the system keeps each way, if it allows as many. By default many have a tenth of it, a millisecond of a
/// fast peer.
const BUFFER: usize = 2 << 20;

impl SystemSocket {
    pub(super) fn new(socket: Arc<UdpSocket>) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        // They work with less as well.
        _ = state.set_recv_buffer_size((&socket).into(), BUFFER);
        _ = state.set_send_buffer_size((&socket).into(), BUFFER);
        _ = state.enable_transport_errors((&socket).into());
        // A lost probe comes again as a packet like others (P-22), and so do those of other protocols.
        let can_probe = set_dont_fragment(&socket, false).is_ok();
        Ok(Self { socket, state, can_probe })
    }

    /// True if single datagrams can be kept from being cut.
    pub(super) fn can_probe(&self) -> bool {
        self.can_probe
    }

    /// Waits until there may be something to receive, or an error.
    pub(super) async fn readable(&self) {
        // Errors show when it is read.
        _ = self.socket.ready(Interest::READABLE | Interest::ERROR).await;
    }

    /// Waits until there may be room to send.
    pub(super) async fn writable(&self) {
        _ = self.socket.writable().await;
    }

    /// Receives what is there, as far as there is room for it. Returns the number of buffers that have something.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is nothing, and others of the socket.
    pub(super) fn try_receive(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> io::Result<usize> {
        self.socket
            .try_io(Interest::READABLE, || self.state.recv((&self.socket).into(), buffers, metas))
    }

    /// Sends datagrams of one length in a row, of which the last may be shorter.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room, and others for what cannot be sent. The first
    /// datagrams may have been sent.
    pub(super) fn try_send(&self, bytes: &[u8], segment: usize, to: SocketAddr) -> io::Result<()> {
        let most = segment * self.state.max_gso_segments();
        bytes.chunks(most).try_for_each(|row| self.send_row(row, segment, to))
    }

    fn send_row(&self, contents: &[u8], segment: usize, destination: SocketAddr) -> io::Result<()> {
        let segment_size = Some(segment);
        let transmit =
            quinn_udp::Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        let send = || {
            self.socket.try_io(Interest::WRITABLE, || {
                self.state.try_send((&self.socket).into(), &transmit)
            })
        };
        match send() {
            // It may be about an earlier datagram to somebody else, and is told once; then this one was not sent.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => send(),
            sent => sent,
        }
    }

    /// Sends a datagram that must not be cut on its way.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send), also if it is too large for the link.
    pub(super) fn try_send_probe(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        set_dont_fragment(&self.socket, true)?;
        let sent = self.send_row(bytes, bytes.len(), to);
        set_dont_fragment(&self.socket, false)?;
        sent
    }

    /// The address of a datagram that did not arrive, by the word of the network (ICMP), if there is one.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn unreachable(&self) -> Option<SocketAddr> {
        use rustix::net::{RecvAncillaryBuffer, RecvFlags, recvmsg};
        let report = self.socket.try_io(Interest::ERROR, || {
            let mut control = RecvAncillaryBuffer::default();
            let flags = RecvFlags::ERRQUEUE | RecvFlags::DONTWAIT;
            Ok(recvmsg(&self.socket, &mut [], &mut control, flags)?)
        });
        report.ok()?.address?.try_into().ok()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn unreachable(&self) -> Option<SocketAddr> {
        None
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_dont_fragment(socket: &UdpSocket, is_set: bool) -> io::Result<()> {
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };
    // Not what the system has learned counts, but what arrives.
    if socket.local_addr()?.is_ipv4() {
        let mode = if is_set { Ipv4PathMtuDiscovery::PROBE } else { Ipv4PathMtuDiscovery::DONT };
        set_ip_mtu_discover(socket, mode)?;
    } else {
        let mode = if is_set { Ipv6PathMtuDiscovery::PROBE } else { Ipv6PathMtuDiscovery::DONT };
        set_ipv6_mtu_discover(socket, mode)?;
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_dont_fragment(_: &UdpSocket, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
