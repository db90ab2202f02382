//! The messages as a [`tokio_util::codec`].

use bytes::BytesMut;
use thiserror::Error;

use crate::{DecodeError, Decoder, Message};

/// Reads and writes [`Message`]s on a stream, after the handshake.
///
/// It serves a `Framed`. [`Decoder::split_frames`] is faster: it takes all frames of a read at once.
///
/// ```
/// use bytes::BytesMut;
/// use tinytorrent_wire::{Message, codec::Codec};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut buffer = BytesMut::new();
/// Codec::default().encode(Message::Have(7), &mut buffer)?;
/// assert_eq!(Codec::default().decode(&mut buffer)?, Some(Message::Have(7)));
/// # Ok::<(), tinytorrent_wire::codec::CodecError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Codec {
    decoder: Decoder,
}

impl Codec {
    /// A codec with the limit of this decoder.
    pub fn new(decoder: Decoder) -> Self {
        Self { decoder }
    }
}

/// The failure that ended a stream of messages.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The stream itself failed.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// The peer broke the framing.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl tokio_util::codec::Decoder for Codec {
    type Item = Message;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, CodecError> {
        Ok(self.decoder.decode(buffer)?)
    }
}

impl tokio_util::codec::Encoder<Message> for Codec {
    type Error = CodecError;

    fn encode(&mut self, message: Message, buffer: &mut BytesMut) -> Result<(), CodecError> {
        self.encode(&message, buffer)
    }
}

impl tokio_util::codec::Encoder<&Message> for Codec {
    type Error = CodecError;

    fn encode(&mut self, message: &Message, buffer: &mut BytesMut) -> Result<(), CodecError> {
        buffer.reserve(message.encoded_length());
        message.encode(buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::codec::{Decoder as _, Encoder};

    use super::*;

    /// W-53, W-09.
    #[test]
    fn codec_reads_what_it_writes_and_keeps_the_limit() {
        let mut decoder = Decoder::new();
        decoder.max_frame_length(4);
        let mut codec = Codec::new(decoder);
        let mut buffer = BytesMut::new();
        for message in [Message::Unchoke, Message::Have(1)] {
            Encoder::<&Message>::encode(&mut codec, &message, &mut buffer).unwrap();
        }
        assert_eq!(codec.decode(&mut buffer).unwrap(), Some(Message::Unchoke));
        assert!(matches!(codec.decode(&mut buffer), Err(CodecError::Decode(_))));
    }

    #[test]
    fn end_of_stream_inside_a_frame_is_an_error() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 1][..]);
        assert!(Codec::default().decode(&mut buffer).unwrap().is_none());
        assert!(matches!(Codec::default().decode_eof(&mut buffer), Err(CodecError::Io(_))));
    }
}
