//! Reading the content while it is downloaded.

mod error;

use std::io::{self, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tinytorrent_metainfo::Layout;
use tinytorrent_storage::{Storage, StorageError};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, ReadBuf};
use tokio::task::JoinHandle;

pub use error::ReadError;

use crate::driver::{Access, Place};
use crate::{Torrent, TorrentError};

/// A reader of one file of a torrent, which waits for pieces that are not downloaded yet.
///
/// What it will read next is downloaded first: so much as it reads in 15 s, at the rate at which it has read.
/// Any number of readers may read at once. A clone begins where the original is, and goes its own way. A reader
/// keeps the client, as a [`Torrent`] does; what it has made urgent is forgotten when it is dropped. While there are
/// readers, few requests are in flight to each peer, so that little is to be waited for after a seek.
///
/// Only verified bytes are read. They come from the disk, on the runtime's threads for blocking calls, in
/// portions of up to 256 KiB. A reader holds one of them in memory, beside the
/// [budget](crate::ClientOptions::memory) of the client.
///
/// While the torrent is paused, or its content is being checked, a reader waits. It has to be polled within a
/// tokio runtime.
///
/// # Errors
/// Each [`io::Error`] wraps a [`ReadError`], which names what is missing. After an error of the disk, a read may
/// be tried again.
///
/// ```no_run
/// use std::io::SeekFrom;
/// use tokio::io::{AsyncReadExt, AsyncSeekExt};
///
/// # async fn example(torrent: tinytorrent_client::Torrent) -> Result<(), Box<dyn std::error::Error>> {
/// let mut reader = torrent.reader(0).await?;
/// reader.seek(SeekFrom::End(-1024)).await?;
/// let mut end = Vec::new();
/// reader.read_to_end(&mut end).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reader {
    torrent: Torrent,
    /// The bytes of the file in the content.
    file: Range<u64>,
    /// The byte of the file that comes next.
    position: u64,
    place: Place,
    buffer: Vec<u8>,
    /// The bytes in the buffer from `position` on.
    unread: Range<usize>,
    /// Bytes to read from the disk the next time.
    portion: usize,
    /// A portion is being read from the disk.
    job: Option<JoinHandle<Portion>>,
}

/// The buffer of a reader, filled or not.
type Portion = (Vec<u8>, Result<(), StorageError>);

/// Bytes to read from the disk at once. Larger portions gain nothing, as the way there and back costs less than
/// copying such a portion.
const PORTION: usize = 256 << 10;

/// The same after a seek: programs that look at an index or a header seek often, and read little.
const FIRST_PORTION: usize = 16 << 10;

impl Reader {
    pub(crate) fn new(torrent: Torrent, layout: &Layout, index: u32) -> Result<Self, ReadError> {
        let count = layout.file_count();
        let file = layout.file(index).ok_or(ReadError::NoSuchFile { index, count })?;
        if file.is_pad() || file.link_target.is_some() {
            return Err(ReadError::NotAFile { index });
        }
        Ok(Self::at(torrent, file.offset..file.offset + file.length, 0))
    }

    fn at(torrent: Torrent, file: Range<u64>, position: u64) -> Self {
        Self {
            torrent,
            file,
            position,
            place: Place::new(),
            buffer: Vec::new(),
            unread: 0..0,
            portion: FIRST_PORTION,
            job: None,
        }
    }

    /// Bytes of the file. It is known from the metadata, also after the end of the torrent.
    pub fn length(&self) -> u64 {
        self.file.end - self.file.start
    }

    /// The byte of the file that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The handle of the torrent, which has ended or not.
    pub fn torrent(&self) -> &Torrent {
        &self.torrent
    }

    /// Waits until the buffer has something, or the end of the file is reached.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() && self.position < self.length() {
            if let Some(job) = &mut self.job {
                // It fails only if the runtime ends.
                let done = ready!(Pin::new(job).poll(context));
                self.job = None;
                let (buffer, read) = done.map_err(io::Error::other)?;
                read.map_err(|error| ReadError::Storage(Arc::new(error)))?;
                self.unread = 0..buffer.len();
                self.buffer = buffer;
                self.portion = (2 * self.portion).min(PORTION);
            } else {
                ready!(self.begin(context))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until there is something to be read from the disk, and begins to read it.
    fn begin(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        let bytes = self.file.start + self.position..self.file.end;
        let (place, most) = (&mut self.place, self.portion as u64);
        let shared = self.torrent.shared();
        let looked = shared.with(
            |driver, now| Ok(driver.read_at(now, place, &bytes, most, context.waker())),
            |end| Err(ReadError::Ended(end.error.clone().unwrap_or(TorrentError::Stopped))),
        );
        let (access, has_to_act) = looked?;
        if has_to_act {
            shared.wake();
        }
        match access {
            Access::Missing => Poll::Pending,
            Access::NotWanted(piece) => {
                Poll::Ready(Err(ReadError::NotWanted { piece: piece.get() }))
            }
            Access::Verified { storage, count } => {
                let mut buffer = std::mem::take(&mut self.buffer);
                // A portion is no larger than a buffer.
                buffer.resize(count as usize, 0);
                self.job =
                    Some(tokio::task::spawn_blocking(move || read(&storage, bytes.start, buffer)));
                Poll::Ready(Ok(()))
            }
        }
    }

    fn seek(&mut self, position: u64) {
        if position == self.position {
            return;
        }
        let buffered = self.position - self.unread.start as u64;
        let ahead = position.checked_sub(buffered).and_then(|ahead| usize::try_from(ahead).ok());
        match ahead.filter(|&ahead| ahead < self.unread.end) {
            Some(ahead) => self.unread.start = ahead,
            None => {
                self.unread = 0..0;
                self.portion = FIRST_PORTION;
                // A portion that is being read goes nowhere.
                self.job = None;
            }
        }
        self.position = position;
        self.place.note_jump();
    }
}

/// Fills a buffer from this byte of the content on. Blocks.
fn read(storage: &Storage, offset: u64, mut buffer: Vec<u8>) -> Portion {
    let result = storage.read(offset, &mut buffer);
    (buffer, result)
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self::at(self.torrent.clone(), self.file.clone(), self.position)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let place = &self.place;
        self.torrent.shared().change(|driver, now| driver.end_reader(now, place));
    }
}

impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_fill(context))?;
        Poll::Ready(Ok(&this.buffer[this.unread.clone()]))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let this = self.get_mut();
        let count = count.min(this.unread.len());
        this.unread.start += count;
        this.position += count as u64;
        this.place.note_read(count as u64);
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let available = ready!(self.as_mut().poll_fill_buf(context))?;
        let count = available.len().min(target.remaining());
        target.put_slice(&available[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}

/// A seek does not wait for anything. To a place beyond the end, it is no error, and nothing is read there.
impl AsyncSeek for Reader {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let this = self.get_mut();
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => this.position.checked_add_signed(offset),
            SeekFrom::End(offset) => this.length().checked_add_signed(offset),
        };
        let before_start = || io::Error::new(io::ErrorKind::InvalidInput, "seek before the start");
        this.seek(position.ok_or_else(before_start)?);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}
