//! Entries for the fuzz targets into code that reads bytes of strangers and is not public.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::socks5::{self, read_relayed, write_relayed};
use crate::{Target, UserInfo};

/// Asks a SOCKS5 proxy that sends these bytes for a relay. Returns the bytes that were sent, and the
/// outcome; `None` if it waits for more, which it must not, as the bytes have an end.
pub fn associate(
    proxy: &[u8],
    user_info: Option<&str>,
) -> Option<(Vec<u8>, io::Result<SocketAddr>)> {
    let mut sent = Vec::new();
    let user_info = user_info.map(UserInfo::of_url);
    let outcome = {
        let mut stream = tokio::io::join(proxy, &mut sent);
        let asked = socks5::associate(&mut stream, Ipv4Addr::LOCALHOST.into(), user_info.as_ref());
        match pin!(asked).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => return None,
        }
    };
    Some((sent, outcome))
}

/// The sender of a datagram from a relay, if it is an address, and the content, with the bytes that
/// would be sent to a relay for the same.
pub fn relayed(datagram: &[u8]) -> Option<(Option<SocketAddr>, &[u8], Vec<u8>)> {
    let (sender, content) = read_relayed(datagram)?;
    let mut written = Vec::new();
    write_relayed(&sender, content, &mut written);
    let address = match sender {
        Target::Address(address) => Some(address),
        Target::Name(..) => None,
    };
    Some((address, content, written))
}
