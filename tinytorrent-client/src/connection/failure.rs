use std::io;
use std::time::Duration;

use thiserror::Error;
use tinytorrent_swarm::ConnectionError;
use tinytorrent_wire::HandshakeError;
use tinytorrent_wire::mse::MseError;

/// Timeout of a connect. It leaves time for three SYNs, and is the same as in libtorrent.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of a handshake, the same as in libtorrent.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason for which a connection could not be made.
#[derive(Debug, Error)]
pub(crate) enum ConnectFailure {
    #[error("no connection within {} s", CONNECT_TIMEOUT.as_secs())]
    ConnectTimeout,
    #[error("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    HandshakeTimeout,
    #[error("a handshake longer than any client's")]
    TooLong,
    #[error("closed during the handshake")]
    Closed,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("not encrypted, where encryption is required")]
    Plain,
    #[error("the encryption failed: {0}")]
    Encryption(#[from] MseError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ConnectFailure {
    /// `true` for the failures by which a peer refuses a plain handshake.
    pub(super) fn may_want_encryption(&self) -> bool {
        match self {
            ConnectFailure::Closed => true,
            // A socket that is closed with unread bytes sends a reset (RFC 1122, 4.2.2.13), here
            // before it has read our handshake.
            ConnectFailure::Io(error) => error.kind() == io::ErrorKind::ConnectionReset,
            ConnectFailure::ConnectTimeout
            | ConnectFailure::HandshakeTimeout
            | ConnectFailure::TooLong
            | ConnectFailure::Handshake(_)
            | ConnectFailure::Plain
            | ConnectFailure::Encryption(_) => false,
        }
    }
}

impl From<ConnectFailure> for ConnectionError {
    fn from(failure: ConnectFailure) -> Self {
        match failure {
            ConnectFailure::ConnectTimeout | ConnectFailure::HandshakeTimeout => {
                ConnectionError::TimedOut
            }
            ConnectFailure::Closed => ConnectionError::Closed,
            ConnectFailure::Handshake(error) => ConnectionError::Handshake(error),
            ConnectFailure::Plain | ConnectFailure::TooLong | ConnectFailure::Encryption(_) => {
                ConnectionError::Encryption
            }
            ConnectFailure::Io(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_hangs_up_on_a_plain_handshake_may_want_encryption() {
        let io = |kind: io::ErrorKind| ConnectFailure::Io(kind.into());
        assert!(ConnectFailure::Closed.may_want_encryption());
        assert!(io(io::ErrorKind::ConnectionReset).may_want_encryption());
        assert!(!io(io::ErrorKind::ConnectionRefused).may_want_encryption());
        assert!(!ConnectFailure::HandshakeTimeout.may_want_encryption());
    }

    #[test]
    fn the_engine_learns_the_kind_of_an_error_of_the_system() {
        let refused = ConnectFailure::Io(io::ErrorKind::ConnectionRefused.into());
        let error = ConnectionError::from(refused);
        assert_eq!(error, ConnectionError::Io(io::ErrorKind::ConnectionRefused));
    }
}
