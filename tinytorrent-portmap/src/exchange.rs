//! Requests to a gateway by UDP, one at a time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::MapError;
use crate::messages::{Answer, MAX_LENGTH};

/// Waits of NAT-PMP: 250 ms, and each time twice as long (RFC 6886, section 3.1).
pub(crate) fn natpmp_waits(tries: u32) -> impl Iterator<Item = Duration> {
    (0..tries).map(|n| Duration::from_millis(250 << n))
}

/// Waits of PCP: 3 s, and each time twice as long, each longer or shorter by a random tenth (RFC 6887, section 8.1.1).
pub(crate) fn pcp_waits(
    tries: u32,
    mut random: impl FnMut() -> f64,
) -> impl Iterator<Item = Duration> {
    let mut wait = 0.0;
    (0..tries).map(move |_| {
        let factor = 0.9 + 0.2 * random();
        wait = if wait == 0.0 { 3.0 * factor } else { f64::min(2.0 * wait, 1_024.0) * factor };
        Duration::from_secs_f64(wait)
    })
}

/// A socket that sends to the gateway and hears nobody else (N-03).
pub(crate) async fn connect(gateway: SocketAddr) -> Result<UdpSocket, MapError> {
    let any: SocketAddr = match gateway {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(MapError::of_system)?;
    socket.connect(gateway).await.map_err(MapError::of_system)?;
    Ok(socket)
}

/// Sends a request until it is answered, after each wait again.
pub(crate) async fn ask<T>(
    socket: &UdpSocket,
    request: &[u8],
    waits: impl Iterator<Item = Duration>,
    read: impl Fn(&[u8]) -> Answer<T>,
) -> Result<T, MapError> {
    let mut buffer = [0; MAX_LENGTH + 1];
    for wait in waits {
        socket.send(request).await.map_err(MapError::of_system)?;
        let deadline = Instant::now() + wait;
        // The wait ends by an answer alone: who sends other datagrams cannot keep us from asking again.
        while let Ok(received) = timeout_at(deadline, socket.recv(&mut buffer)).await {
            // N-02: nobody listens there.
            let length = received.map_err(MapError::of_system)?;
            if let Some(answer) = read(&buffer[..length]) {
                return answer;
            }
        }
    }
    Err(MapError::Silent)
}

#[cfg(test)]
mod tests {
    use super::*;

    // N-01
    #[test]
    fn natpmp_waits_for_64_seconds_at_the_end() {
        let waits: Vec<_> = natpmp_waits(9).map(|wait| wait.as_secs_f64()).collect();
        assert_eq!(waits, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]);
    }

    // N-15
    #[test]
    fn pcp_waits_twice_as_long_within_a_tenth() {
        let waits = |random: f64| pcp_waits(4, move || random).map(|wait| wait.as_secs_f64());
        let about = |waits: Vec<f64>, due: [f64; 4]| {
            assert!(
                waits.iter().zip(due).all(|(wait, due)| (wait - due).abs() < 0.01),
                "{waits:?}"
            );
        };
        about(waits(0.5).collect(), [3.0, 6.0, 12.0, 24.0]);
        about(waits(0.0).collect(), [2.7, 4.86, 8.748, 15.746]);
        about(waits(1.0).collect(), [3.3, 7.26, 15.972, 35.138]);
        assert!(pcp_waits(20, || 1.0).all(|wait| wait.as_secs_f64() <= 1_126.5));
    }
}
