use bytes::BufMut;

use crate::message::id;
use crate::{HashRequest, Message, PieceHeader, Request};

impl Message {
    /// Appends the message as bytes: length, id, payload.
    ///
    /// The data of a block is copied. To send it from its own buffer, write
    /// [`PieceHeader::to_frame`] and the data with one vectored write.
    pub fn encode(&self, out: &mut impl BufMut) {
        match self {
            Message::KeepAlive => out.put_slice(&[0; 4]),
            Message::Choke => bare(id::CHOKE, out),
            Message::Unchoke => bare(id::UNCHOKE, out),
            Message::Interested => bare(id::INTERESTED, out),
            Message::NotInterested => bare(id::NOT_INTERESTED, out),
            Message::Have(index) => numbered(id::HAVE, *index, out),
            Message::Bitfield(bits) => with_payload(id::BITFIELD, &[], bits, out),
            Message::Request(request) => ranged(id::REQUEST, *request, out),
            Message::Piece(piece) => {
                out.put_slice(&piece.header().to_frame());
                out.put_slice(&piece.data);
            }
            Message::Cancel(request) => ranged(id::CANCEL, *request, out),
            Message::Port(port) => with_payload(id::PORT, &[], &port.to_be_bytes(), out),
            Message::Suggest(index) => numbered(id::SUGGEST, *index, out),
            Message::HaveAll => bare(id::HAVE_ALL, out),
            Message::HaveNone => bare(id::HAVE_NONE, out),
            Message::Reject(request) => ranged(id::REJECT, *request, out),
            Message::AllowedFast(index) => numbered(id::ALLOWED_FAST, *index, out),
            Message::Extended(extended) => {
                with_payload(id::EXTENDED, &[extended.id], &extended.payload, out);
            }
            Message::HashRequest(request) => {
                with_payload(id::HASH_REQUEST, &request.to_bytes(), &[], out);
            }
            Message::Hashes(hashes) => {
                with_payload(id::HASHES, &hashes.request.to_bytes(), &hashes.hashes, out);
            }
            Message::HashReject(request) => {
                with_payload(id::HASH_REJECT, &request.to_bytes(), &[], out);
            }
            Message::Unknown { id, payload } => with_payload(*id, &[], payload, out),
        }
    }

    /// Bytes that [`encode`](Self::encode) appends.
    pub fn encoded_length(&self) -> usize {
        4 + match self {
            Message::KeepAlive => 0,
            Message::Choke
            | Message::Unchoke
            | Message::Interested
            | Message::NotInterested
            | Message::HaveAll
            | Message::HaveNone => 1,
            Message::Port(_) => 3,
            Message::Have(_) | Message::Suggest(_) | Message::AllowedFast(_) => 5,
            Message::Request(_) | Message::Cancel(_) | Message::Reject(_) => 13,
            Message::Piece(piece) => 9 + piece.data.len(),
            Message::HashRequest(_) | Message::HashReject(_) => 1 + HashRequest::LENGTH,
            Message::Hashes(hashes) => 1 + HashRequest::LENGTH + hashes.hashes.len(),
            Message::Bitfield(payload) | Message::Unknown { payload, .. } => 1 + payload.len(),
            Message::Extended(extended) => 2 + extended.payload.len(),
        }
    }
}

impl PieceHeader {
    /// Bytes of a `piece` message before the block itself.
    pub const FRAME_LENGTH: usize = 13;

    /// The start of the `piece` message, up to the data: length, id, index, begin.
    pub const fn to_frame(self) -> [u8; Self::FRAME_LENGTH] {
        // A length near 2^32 comes from an invalid request only, and no block of it is sent.
        let [l0, l1, l2, l3] = self.length.saturating_add(9).to_be_bytes();
        let [i0, i1, i2, i3] = self.index.to_be_bytes();
        let [b0, b1, b2, b3] = self.begin.to_be_bytes();
        [l0, l1, l2, l3, id::PIECE, i0, i1, i2, i3, b0, b1, b2, b3]
    }
}

impl HashRequest {
    /// Bytes of the request in a message, without length and id.
    pub(crate) const LENGTH: usize = 48;

    pub(crate) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..32].copy_from_slice(&self.pieces_root);
        bytes[32..36].copy_from_slice(&self.base_layer.to_be_bytes());
        bytes[36..40].copy_from_slice(&self.index.to_be_bytes());
        bytes[40..44].copy_from_slice(&self.length.to_be_bytes());
        bytes[44..].copy_from_slice(&self.proof_layers.to_be_bytes());
        bytes
    }
}

fn bare(id: u8, out: &mut impl BufMut) {
    out.put_slice(&[0, 0, 0, 1, id]);
}

fn numbered(id: u8, number: u32, out: &mut impl BufMut) {
    let [a, b, c, d] = number.to_be_bytes();
    out.put_slice(&[0, 0, 0, 5, id, a, b, c, d]);
}

fn ranged(id: u8, request: Request, out: &mut impl BufMut) {
    let mut frame = [0; 17];
    frame[3] = 13;
    frame[4] = id;
    frame[5..9].copy_from_slice(&request.index.to_be_bytes());
    frame[9..13].copy_from_slice(&request.begin.to_be_bytes());
    frame[13..].copy_from_slice(&request.length.to_be_bytes());
    out.put_slice(&frame);
}

fn with_payload(id: u8, head: &[u8], payload: &[u8], out: &mut impl BufMut) {
    let length = 1 + head.len() + payload.len();
    debug_assert!(u32::try_from(length).is_ok(), "a message longer than its length can tell");
    out.put_u32(length as u32);
    out.put_u8(id);
    out.put_slice(head);
    out.put_slice(payload);
}
