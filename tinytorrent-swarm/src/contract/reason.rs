use std::fmt;
use std::io;

use thiserror::Error;
use tinytorrent_wire::session::Violation;
use tinytorrent_wire::{DecodeError, HandshakeError};

/// The reason why a connection ended, or never came to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LeaveReason {
    /// It could not be made.
    #[error("could not be connected to: {0}")]
    ConnectFailed(ConnectionError),
    /// The other side closed it, or it broke.
    #[error("closed: {0}")]
    Closed(ConnectionError),
    /// The peer broke a rule of the protocol.
    #[error("broke the protocol: {0}")]
    Violation(Violation),
    /// The peer answered for another torrent.
    #[error("means another torrent")]
    WrongTorrent,
    /// The peer sent wrong pieces, metadata or hashes.
    #[error("sent wrong pieces")]
    Banned,
    /// The user avoids its address.
    #[error("is at a blocked address")]
    Blocked,
    /// Nothing came for too long.
    #[error("said nothing for too long")]
    Idle,
    /// It is ourselves.
    #[error("is ourselves")]
    OurselvesFound,
    /// There is another connection to the same peer.
    #[error("is connected already")]
    Duplicate,
    /// Neither side has anything for the other.
    #[error("has nothing for us, nor we for it")]
    Useless,
    /// There is no room for it.
    #[error("found no room")]
    Crowded,
    /// It gave nothing for long, and others waited for its place.
    #[error("gave nothing while others waited")]
    GaveNothing,
    /// The torrent is private, and no tracker told of the peer (BEP 27).
    #[error("was not told by a tracker of this private torrent")]
    NotOfTracker,
    /// The torrent is private, and another tracker is used than the one that told of the peer
    /// (BEP 27).
    #[error("was told by a tracker that is not used any more")]
    TrackerChanged,
    /// The content is about to be looked at again.
    #[error("content is being checked")]
    Checking,
    /// The torrent is paused or gone.
    #[error("torrent stopped")]
    Stopped,
}

/// The failure of a connection, as the driver saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The system reports an error: the connection was refused, reset, not allowed…
    #[error("{0}")]
    Io(io::ErrorKind),
    /// The peer closed the connection.
    #[error("the other side closed it")]
    Closed,
    /// The connection or the handshake took too long.
    #[error("no answer in time")]
    TimedOut,
    /// The peer speaks another protocol.
    #[error("{0}")]
    Handshake(HandshakeError),
    /// The peer means another torrent.
    #[error("the peer means another torrent")]
    WrongTorrent,
    /// The encryption could not be agreed upon, or the peer does not encrypt and has to.
    #[error("the encryption failed")]
    Encryption,
    /// The peer broke the framing of messages.
    #[error("{0}")]
    Framing(DecodeError),
    /// The peer does not read what it is sent.
    #[error("it does not read what it is sent")]
    Unread,
    /// Nothing is left that could own the connection.
    #[error("the torrent is gone")]
    Abandoned,
}

impl ConnectionError {
    /// Returns true if the peer accepted the connection and closed it.
    pub(crate) fn is_hang_up(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match self {
            ConnectionError::Closed => true,
            // As it comes when unread bytes are there (RFC 1122, 4.2.2.13).
            ConnectionError::Io(kind) => {
                matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset)
            }
            _ => false,
        }
    }
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        ConnectionError::Io(error.kind())
    }
}

/// The failure of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskError {
    /// The kind of failure, as the system reports it.
    pub kind: io::ErrorKind,
    /// The failure in words, with the path.
    pub message: String,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DiskError {}
