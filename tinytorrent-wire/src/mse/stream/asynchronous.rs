use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{IoSlice, NegotiateError, Negotiation, Outbox, Policy, Stream, Talk};

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Negotiates as either end, over an asynchronous stream.
    ///
    /// Not safe to cancel: the stream is dropped with the future. That ends a negotiation by a timer, too.
    ///
    /// # Errors
    /// See [`NegotiateError`]. The stream is dropped.
    pub async fn negotiate_async(
        mut inner: S,
        end: impl Negotiation,
        policy: &Policy,
    ) -> Result<Self, NegotiateError> {
        let mut talk = Talk::new(end, policy);
        let mut out = BytesMut::new();
        loop {
            let outcome = talk.step(&mut out)?;
            inner.write_all_buf(&mut out).await?;
            inner.flush().await?;
            if let Some(outcome) = outcome {
                return Ok(Self::new(inner, talk.received, outcome));
            }
            let room = talk.room()?;
            talk.received.reserve(room);
            let count = inner.read_buf(&mut (&mut talk.received).limit(room)).await?;
            talk.note_read(count)?;
        }
    }
}

impl Outbox {
    /// Writes until nothing is left.
    fn poll_write_to<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.unsent().is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(context, self.unsent()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.note_sent(count),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.received.is_empty() {
            buffer.put_slice(&this.take_received(buffer.remaining()));
            return Poll::Ready(Ok(()));
        }
        let start = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        this.receive.apply(&mut buffer.filled_mut()[start..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.outbox.is_plaintext() {
            return Pin::new(&mut self.get_mut().inner).poll_write(context, bytes);
        }
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, outbox, .. } = self.get_mut();
        if outbox.is_plaintext() {
            return Pin::new(inner).poll_write_vectored(context, parts);
        }
        ready!(outbox.poll_write_to(inner, context))?;
        let count = outbox.encrypt(parts);
        // The bytes are taken, so that a failure cannot be told here. The next call meets it again.
        let _ = outbox.poll_write_to(inner, context);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        !self.outbox.is_plaintext() || self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, outbox, .. } = self.get_mut();
        ready!(outbox.poll_write_to(inner, context))?;
        Pin::new(inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, outbox, .. } = self.get_mut();
        ready!(outbox.poll_write_to(inner, context))?;
        Pin::new(inner).poll_shutdown(context)
    }
}
