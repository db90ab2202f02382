use bytes::{Buf, Bytes, BytesMut};

use crate::message::id;
use crate::{Message, PieceHeader};

mod error;
mod parse;

pub use error::{DecodeError, DecodeErrorKind};
use parse::{LONGEST_FREQUENT, check_payload, number, parse_fixed, parse_frequent, with_payload};

/// Cuts a stream of bytes into [`Message`]s.
///
/// The messages are the same however the stream is split. Payloads are slices of the buffer: nothing
/// is copied. A frame that claims more than the limit fails before anything is allocated for it.
///
/// ```
/// use bytes::BytesMut;
/// use tinytorrent_wire::{Decoder, Message};
///
/// let mut decoder = Decoder::new();
/// let mut buffer = BytesMut::new();
/// Message::Have(3).encode(&mut buffer);
/// Message::Unchoke.encode(&mut buffer);
/// buffer.extend_from_slice(&[0, 0, 0]); // a frame whose length is not all there
///
/// let mut messages = Vec::new();
/// for message in decoder.split_frames(&mut buffer) {
///     messages.push(message?);
/// }
/// assert_eq!(messages, [Message::Have(3), Message::Unchoke]);
/// assert_eq!(buffer.len(), 3); // waits for more
/// # Ok::<(), tinytorrent_wire::DecodeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    max_frame_length: u32,
    /// Bytes taken out of buffers so far, which is the offset of the next frame in the stream.
    offset: u64,
}

impl Decoder {
    /// The default of [`max_frame_length`](Self::max_frame_length): 1 MiB holds a block of the
    /// largest size that clients serve, the bitfield of 8 million pieces, and every known extension.
    pub const DEFAULT_MAX_FRAME_LENGTH: u32 = 1 << 20;

    /// A decoder at the start of a stream, just after the handshake, with the default limit.
    pub fn new() -> Self {
        Self { max_frame_length: Self::DEFAULT_MAX_FRAME_LENGTH, offset: 0 }
    }

    /// Sets the longest message to accept, in bytes after the length prefix. Default: 1 MiB.
    ///
    /// A higher limit lets each peer take more memory. A limit below 16 KiB + 9, or below the torrent's
    /// bitfield + 1, refuses honest peers.
    pub fn max_frame_length(&mut self, length: u32) -> &mut Self {
        self.max_frame_length = length;
        self
    }

    /// Bytes of the stream that have been decoded.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next message out of the buffer. `None` if the buffer holds no whole message.
    ///
    /// # Errors
    /// The peer broke the framing. Nothing after that can be read: close the connection.
    #[inline]
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, DecodeError> {
        // The fast path does not compare with the limit, so that it is only for limits that its
        // frames cannot exceed.
        if self.max_frame_length >= LONGEST_FREQUENT
            && let Some((message, length)) = parse_frequent(buffer)
        {
            buffer.advance(length);
            self.offset += length as u64;
            return Ok(Some(message));
        }
        self.decode_any(buffer)
    }

    fn decode_any(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, DecodeError> {
        let Some(length) = self.whole_frame(buffer)? else { return Ok(None) };
        let body = &buffer[4..4 + length];
        let message = match parse_fixed(body) {
            Some(parsed) => {
                let message = parsed.map_err(|kind| self.error(kind))?;
                buffer.advance(4 + length);
                message
            }
            None => {
                // Only a frame with a payload is split off: it keeps the buffer's memory alive.
                check_payload(body).map_err(|kind| self.error(kind))?;
                let mut frame = buffer.split_to(4 + length).freeze();
                frame.advance(4);
                with_payload(frame)
            }
        };
        self.offset += 4 + length as u64;
        Ok(Some(message))
    }

    /// Takes all whole frames out of the buffer at once, as an iterator of messages.
    ///
    /// This is the cheapest way to read a busy connection: the buffer is split once for all of them.
    /// Frames that are not read from the iterator are lost.
    pub fn split_frames(&mut self, buffer: &mut BytesMut) -> Frames {
        let mut end = 0;
        let mut failure = None;
        // An error ends the batch but does not discard the frames before it.
        loop {
            match self.whole_frame(&buffer[end..]) {
                Ok(Some(length)) => end += 4 + length,
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error.kind);
                    break;
                }
            }
        }
        // Splitting off no bytes would cost an allocation too.
        let bytes = if end == 0 { Bytes::new() } else { buffer.split_to(end).freeze() };
        let frames = Frames { bytes, at: 0, start: self.offset, failure };
        self.offset += end as u64;
        frames
    }

    /// The header of the block at the front of the buffer, as soon as it is there. The data of the
    /// block can then be read to its place.
    pub fn peek_piece(buffer: &[u8]) -> Option<PieceHeader> {
        let header = buffer.get(..PieceHeader::FRAME_LENGTH)?;
        // A `piece` is 9 bytes at least; a shorter one is an error that `decode` reports.
        let length = number(header, 0).checked_sub(9)?;
        let (index, begin) = (number(header, 5), number(header, 9));
        (header[4] == id::PIECE).then_some(PieceHeader { index, begin, length })
    }

    /// Length of the frame at the front without its prefix, if the frame is whole.
    fn whole_frame(&self, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        let Some(prefix) = bytes.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix);
        // Before the rest has come, so that no caller has to buffer a frame that is refused (W-09).
        if length > self.max_frame_length {
            let limit = self.max_frame_length;
            return Err(self.error(DecodeErrorKind::FrameTooLong { length, limit }));
        }
        let length = length as usize;
        // Subtracted here, as a sum could overflow where `usize` has 32 bits.
        Ok((bytes.len() - 4 >= length).then_some(length))
    }

    fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { offset: self.offset, kind }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Whole frames that were split off a stream by [`Decoder::split_frames`], as an iterator of messages.
///
/// It ends after the last message or after the first error.
#[derive(Debug)]
pub struct Frames {
    /// Whole frames.
    bytes: Bytes,
    at: usize,
    /// Offset of `bytes` in the stream.
    start: u64,
    /// The fault of the frame after them.
    failure: Option<DecodeErrorKind>,
}

impl Frames {
    /// Returns true if neither a message nor an error is left.
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len() && self.failure.is_none()
    }

    /// Returns true if the frame after these broke the framing, so that the stream ends here.
    pub fn ends_in_error(&self) -> bool {
        self.failure.is_some()
    }

    fn fail(&mut self, kind: DecodeErrorKind) -> DecodeError {
        let offset = self.start + self.at as u64;
        // Nothing after a breach can be read: the iterator ends.
        self.at = self.bytes.len();
        self.failure = None;
        DecodeError { offset, kind }
    }
}

impl Iterator for Frames {
    type Item = Result<Message, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some((message, length)) = parse_frequent(&self.bytes[self.at..]) {
            self.at += length;
            return Some(Ok(message));
        }
        self.next_any()
    }
}

impl Frames {
    fn next_any(&mut self) -> Option<Result<Message, DecodeError>> {
        let Some(prefix) = self.bytes[self.at..].first_chunk::<4>() else {
            let kind = self.failure.take()?;
            return Some(Err(self.fail(kind)));
        };
        let start = self.at + 4;
        // `split_frames` has checked that the frame is whole.
        let end = start + u32::from_be_bytes(*prefix) as usize;
        let body = &self.bytes[start..end];
        let parsed = match parse_fixed(body) {
            Some(parsed) => parsed,
            None => check_payload(body).map(|()| with_payload(self.bytes.slice(start..end))),
        };
        Some(match parsed {
            Ok(message) => {
                self.at = end;
                Ok(message)
            }
            Err(kind) => Err(self.fail(kind)),
        })
    }
}
