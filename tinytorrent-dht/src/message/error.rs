use tinytorrent_bencode as bencode;

/// The codes of errors that the BEPs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// 201: an error of no other kind (BEP 5).
    Generic,
    /// 202: the node fails by no fault of the query (BEP 5).
    Server,
    /// 203: the query has a wrong or missing argument, or a wrong token (BEP 5).
    Protocol,
    /// 204: the query has a name that the node does not know (BEP 5).
    MethodUnknown,
    /// 205: the value of an item is too long (BEP 44).
    ValueTooLong,
    /// 206: the signature of an item is wrong (BEP 44).
    InvalidSignature,
    /// 207: the salt of an item is too long (BEP 44).
    SaltTooLong,
    /// 301: the item that is stored has another sequence number than the one to be replaced (BEP 44).
    CasMismatch,
    /// 302: the item that is stored has the same or a higher sequence number (BEP 44).
    SeqTooLow,
}

impl ErrorCode {
    /// The number in the message.
    pub const fn number(self) -> i64 {
        match self {
            Self::Generic => 201,
            Self::Server => 202,
            Self::Protocol => 203,
            Self::MethodUnknown => 204,
            Self::ValueTooLong => 205,
            Self::InvalidSignature => 206,
            Self::SaltTooLong => 207,
            Self::CasMismatch => 301,
            Self::SeqTooLow => 302,
        }
    }
}

/// A datagram that is no message, or lacks what its kind of message must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}", place(.kind, *.offset))]
pub struct MessageError {
    pub(super) kind: MessageErrorKind,
    pub(super) offset: usize,
    pub(super) answerable: Option<Box<[u8]>>,
}

/// The kind of a [`MessageError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageErrorKind {
    /// The datagram is longer than [`MAX_READ`](super::MAX_READ).
    #[error("the datagram is of {length} bytes, more than {}", super::MAX_READ)]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The datagram is not bencode, or is nested too deeply.
    #[error(transparent)]
    NotBencode(bencode::Error),
    /// The datagram is bencode, but no dictionary.
    #[error("the message is no dictionary")]
    NotADictionary,
    /// The transaction id is missing, empty, or longer than [`MAX_TRANSACTION`](super::MAX_TRANSACTION).
    #[error("`t` is missing, or no string of 1 to {} bytes", super::MAX_TRANSACTION)]
    Transaction,
    /// `y` is missing, or neither `q`, `r` nor `e`.
    #[error("`y` names no kind of message")]
    UnknownKind,
    /// A value that the message needs is missing, or of the wrong type or length.
    #[error("`{key}` is missing or wrong")]
    Field {
        /// The key of the value.
        key: &'static str,
    },
}

impl MessageError {
    /// The kind of error.
    pub fn kind(&self) -> &MessageErrorKind {
        &self.kind
    }

    /// The offset in the datagram of the value that is wrong, or of the dictionary that lacks it.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The transaction id of a query that is well-formed and has a wrong argument: it can be answered by
    /// [`ErrorCode::Protocol`]. `None` for all other errors, to which silence is the answer (D-36).
    pub fn answerable(&self) -> Option<&[u8]> {
        self.answerable.as_deref()
    }
}

/// The place behind an error that does not tell it itself.
fn place(kind: &MessageErrorKind, offset: usize) -> String {
    match kind {
        MessageErrorKind::NotBencode(_) | MessageErrorKind::TooLong { .. } => String::new(),
        _ => format!(", at byte {offset}"),
    }
}
