//! The bytes of a file as the body of a response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tinytorrent_client::Reader;
use tokio::io::AsyncBufRead;

/// So many bytes of a reader, as they come.
#[derive(Debug)]
pub(super) struct FileBody {
    reader: Reader,
    rest: u64,
}

impl FileBody {
    pub(super) fn new(reader: Reader, count: u64) -> Self {
        Self { reader, rest: count }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.rest == 0 {
            return Poll::Ready(None);
        }
        let read = ready!(Pin::new(&mut this.reader).poll_fill_buf(context));
        let bytes = match read {
            Ok([]) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
            Ok(bytes) => {
                &bytes[..bytes.len().min(usize::try_from(this.rest).unwrap_or(usize::MAX))]
            }
            Err(error) => {
                tracing::warn!("a file is not served to its end: {error}");
                return Poll::Ready(Some(Err(error)));
            }
        };
        let data = Bytes::copy_from_slice(bytes);
        Pin::new(&mut this.reader).consume(data.len());
        this.rest -= data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest)
    }
}
