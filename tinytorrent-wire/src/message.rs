use bytes::Bytes;

/// One message of the peer wire protocol, after the handshake.
///
/// Numbers are unchecked claims of the peer: pass them through
/// [`Geometry`](tinytorrent_types::Geometry) before use. Payloads are slices of the receive buffer.
/// The enum is exhaustive, so that a `match` cannot forget a message. A message of a later BEP is
/// [`Unknown`](Message::Unknown) until a major version adds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A message without content that shows that the sender is there (BEP 3).
    KeepAlive,
    /// The sender answers no requests for now.
    Choke,
    /// The sender answers requests from now on.
    Unchoke,
    /// The sender wants something that we have.
    Interested,
    /// The sender wants nothing that we have.
    NotInterested,
    /// The sender has this piece now.
    Have(u32),
    /// The pieces that the sender has, one bit each. See
    /// [`Bitfield::from_bytes`](tinytorrent_types::Bitfield::from_bytes).
    Bitfield(Bytes),
    /// The sender wants this block.
    Request(Request),
    /// A block.
    Piece(Piece),
    /// The sender no longer wants this block.
    Cancel(Request),
    /// The UDP port of the sender's DHT node (BEP 5).
    Port(u16),
    /// Advice to ask for this piece (BEP 6).
    Suggest(u32),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// The sender will not answer this request (BEP 6).
    Reject(Request),
    /// The sender will answer requests for this piece even while it chokes (BEP 6).
    AllowedFast(u32),
    /// A message of the extension protocol (BEP 10); id 0 is its handshake.
    Extended(Extended),
    /// The sender wants hashes of a file's tree (BEP 52).
    HashRequest(HashRequest),
    /// Hashes of a file's tree (BEP 52). Boxed, as it is rare and large.
    Hashes(Box<Hashes>),
    /// The sender will not answer this request for hashes (BEP 52).
    HashReject(HashRequest),
    /// A message with an unknown id. Skip it; it is no reason to close the connection.
    Unknown {
        /// The message's id.
        id: u8,
        /// The bytes after the id.
        payload: Bytes,
    },
}

impl Message {
    /// The name of the message as the BEPs write it.
    pub const fn name(&self) -> &'static str {
        match self {
            Message::KeepAlive => "keep-alive",
            Message::Choke => "choke",
            Message::Unchoke => "unchoke",
            Message::Interested => "interested",
            Message::NotInterested => "not interested",
            Message::Have(_) => "have",
            Message::Bitfield(_) => "bitfield",
            Message::Request(_) => "request",
            Message::Piece(_) => "piece",
            Message::Cancel(_) => "cancel",
            Message::Port(_) => "port",
            Message::Suggest(_) => "suggest piece",
            Message::HaveAll => "have all",
            Message::HaveNone => "have none",
            Message::Reject(_) => "reject request",
            Message::AllowedFast(_) => "allowed fast",
            Message::Extended(_) => "extended",
            Message::HashRequest(_) => "hash request",
            Message::Hashes(_) => "hashes",
            Message::HashReject(_) => "hash reject",
            Message::Unknown { .. } => "unknown message",
        }
    }

    /// Returns true if the message needs both ends to have agreed on the fast extension (BEP 6).
    pub const fn is_fast(&self) -> bool {
        matches!(
            self,
            Message::Suggest(_)
                | Message::HaveAll
                | Message::HaveNone
                | Message::Reject(_)
                | Message::AllowedFast(_)
        )
    }
}

/// The range of bytes in a request, a cancel or a reject, as the peer wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// Index of the piece.
    pub index: u32,
    /// Offset within the piece, in bytes.
    pub begin: u32,
    /// Bytes that are wanted, 16 KiB by custom.
    pub length: u32,
}

/// A block as it stands in a `piece` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Index of the piece.
    pub index: u32,
    /// Offset within the piece, in bytes.
    pub begin: u32,
    /// The content; a slice of the buffer it arrived in. Empty it answers nothing, but BitComet is
    /// known to reject requests in this way.
    pub data: Bytes,
}

impl Piece {
    /// The header of the block, without its data.
    pub fn header(&self) -> PieceHeader {
        // A frame's length is a u32, and so is that of any part of it.
        let length = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        PieceHeader { index: self.index, begin: self.begin, length }
    }
}

/// The place and length of the block in a `piece` message, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceHeader {
    /// Index of the piece.
    pub index: u32,
    /// Offset within the piece, in bytes.
    pub begin: u32,
    /// Bytes of content that follow.
    pub length: u32,
}

impl PieceHeader {
    /// The request that this block answers in full.
    pub const fn request(self) -> Request {
        Request { index: self.index, begin: self.begin, length: self.length }
    }
}

impl From<Request> for PieceHeader {
    fn from(request: Request) -> Self {
        Self { index: request.index, begin: request.begin, length: request.length }
    }
}

/// A message of the extension protocol, its payload not yet read (BEP 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// 0 for the handshake, else the number that the *receiver* announced for the extension.
    pub id: u8,
    /// The bytes after the id.
    pub payload: Bytes,
}

/// A range of hashes in a file's tree: requested, sent or refused (BEP 52, "hash request").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashRequest {
    /// The root of the file's tree.
    pub pieces_root: [u8; 32],
    /// The layer of the wanted hashes; 0 is the one of 16 KiB blocks.
    pub base_layer: u32,
    /// Index of the first wanted hash in its layer.
    pub index: u32,
    /// Number of wanted hashes.
    pub length: u32,
    /// Number of wanted layers of proof.
    pub proof_layers: u32,
}

/// The answer to a [`HashRequest`] (BEP 52, "hashes").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// The request that it answers.
    pub request: HashRequest,
    /// The hashes, 32 bytes each: those wanted, then those of the proof.
    pub hashes: Bytes,
}

/// The ids of messages on the wire.
pub(crate) mod id {
    pub(crate) const CHOKE: u8 = 0;
    pub(crate) const UNCHOKE: u8 = 1;
    pub(crate) const INTERESTED: u8 = 2;
    pub(crate) const NOT_INTERESTED: u8 = 3;
    pub(crate) const HAVE: u8 = 4;
    pub(crate) const BITFIELD: u8 = 5;
    pub(crate) const REQUEST: u8 = 6;
    pub(crate) const PIECE: u8 = 7;
    pub(crate) const CANCEL: u8 = 8;
    pub(crate) const PORT: u8 = 9;
    pub(crate) const SUGGEST: u8 = 13;
    pub(crate) const HAVE_ALL: u8 = 14;
    pub(crate) const HAVE_NONE: u8 = 15;
    pub(crate) const REJECT: u8 = 16;
    pub(crate) const ALLOWED_FAST: u8 = 17;
    pub(crate) const EXTENDED: u8 = 20;
    pub(crate) const HASH_REQUEST: u8 = 21;
    pub(crate) const HASHES: u8 = 22;
    pub(crate) const HASH_REJECT: u8 = 23;
}
