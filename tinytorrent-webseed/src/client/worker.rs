//! One connection of a web seed, and the requests in line for it.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use super::buffers::Buffers;
use super::connect::{Origin, Stream};
use super::fetch::{Running, Stopped};
use super::request::{Item, What};
use super::{Fetch, FetchError, Report, Reports, Shared};
use crate::answer::{judge_piece, pause_of_body};
use crate::{Answer, Event, Head, Refusal, ResponseReader, judge};

/// The time for which a connection is kept without a request. Servers keep it for a minute or so.
const IDLE: Duration = Duration::from_secs(45);

/// Bytes of a body that are read and thrown away rather than to connect anew: what is under way in a round trip.
const DRAIN: u64 = 128 * 1024;

/// Failures in a row without a byte, after which a fetch ends. What a server closed while it was idle is noticed
/// at the next request only.
const MAX_FAILURES: u8 = 2;

/// Failures of one request, after which its fetch ends though something came each time.
const MAX_BREAKS: u8 = 16;

/// Works at fetches, one after the other, over one connection at a time.
pub(super) struct Worker<R> {
    shared: Arc<Shared>,
    fetches: mpsc::UnboundedReceiver<Fetch>,
    reports: R,
    running: HashMap<u64, Running>,
    /// The parts of all fetches, in order. The first ones have been requested.
    line: VecDeque<Item>,
    connection: Option<Connection>,
    buffers: Buffers,
}

/// A connection, and what is known of it.
struct Connection {
    stream: Box<dyn Stream>,
    peer: Option<SocketAddr>,
    origin: Origin,
    reader: ResponseReader,
    /// The places of the requests that are not answered, the first of which is that of the first item.
    sent: VecDeque<Url>,
    /// Responses that were read to their end.
    answered: u64,
    /// The body that is being read.
    body: Option<Body>,
}

/// What to do with a body.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// Throw so many bytes away, and take so many.
    Take { skip: u64, take: u64, closes: bool },
    /// Throw it away, or the connection if it is more than this.
    Drain { left: u64 },
    /// The seconds to wait (BEP 17).
    Pause { status: u16 },
}

/// The end of work on a connection.
enum Broken {
    /// It failed, or is of no use any more.
    Connection(FetchError),
    /// The first item's fetch is over.
    Fetch(FetchError),
    /// Nobody takes reports any more.
    Abandoned,
    /// The connection has to be made anew, through nobody's fault.
    Anew,
}

impl<R: Reports> Worker<R> {
    pub(super) fn new(
        shared: Arc<Shared>,
        fetches: mpsc::UnboundedReceiver<Fetch>,
        reports: R,
    ) -> Self {
        Self {
            shared,
            fetches,
            reports,
            running: HashMap::new(),
            line: VecDeque::new(),
            connection: None,
            buffers: Buffers::default(),
        }
    }

    /// Works until nobody has fetches any more.
    pub(super) async fn run(mut self) {
        loop {
            if self.line.is_empty() && !self.wait_for_fetch().await {
                return;
            }
            while let Ok(fetch) = self.fetches.try_recv() {
                self.add(fetch);
            }
            match self.work().await {
                Ok(()) => {}
                Err(Broken::Abandoned) => return,
                Err(Broken::Anew) => self.connection = None,
                Err(Broken::Fetch(error)) => self.end_first(error).await,
                Err(Broken::Connection(error)) => self.on_failure(error).await,
            }
        }
    }

    /// Waits for the next fetch. Returns false if there will be none.
    async fn wait_for_fetch(&mut self) -> bool {
        let fetch = match timeout(IDLE, self.fetches.recv()).await {
            Ok(fetch) => fetch,
            Err(_) => {
                self.connection = None;
                self.buffers.rest();
                self.fetches.recv().await
            }
        };
        fetch.map(|fetch| self.add(fetch)).is_some()
    }

    fn add(&mut self, fetch: Fetch) {
        if fetch.credit.is_closed() {
            return;
        }
        self.line.extend(self.shared.items(&fetch));
        self.running.insert(fetch.id, Running::new(fetch));
    }

    /// Does the next thing for the first item.
    async fn work(&mut self) -> Result<(), Broken> {
        let Some(first) = self.line.front() else { return Ok(()) };
        let fetch = first.fetch;
        let is_over = self.running.get(&fetch).is_none_or(Running::is_cancelled);
        if is_over {
            return self.drop_first();
        }
        if let What::Pad(length) = first.what {
            if let Some(running) = self.running.get_mut(&fetch) {
                let padded = running.pad(length, &self.reports).await;
                self.check(padded)?;
            }
            self.line.pop_front();
            return self.end_if_done(fetch).await;
        }
        self.request().await?;
        self.read().await
    }

    /// Takes out a first item whose fetch is over. If it was requested, its response is to come, and is not worth
    /// waiting for.
    fn drop_first(&mut self) -> Result<(), Broken> {
        let has_requests = self.connection.as_ref().is_some_and(|c| !c.sent.is_empty());
        let running = &self.running;
        self.line
            .retain(|item| running.get(&item.fetch).is_some_and(|running| !running.is_cancelled()));
        self.running.retain(|_, running| !running.is_cancelled());
        if has_requests { Err(Broken::Anew) } else { Ok(()) }
    }

    /// Connects if need be, and sends as many requests as may be on their way.
    async fn request(&mut self) -> Result<(), Broken> {
        let Some(first) = self.line.front() else { return Ok(()) };
        let url = match self.connection.as_ref().and_then(|c| c.sent.front()) {
            Some(url) => url.clone(),
            None => self.shared.url_of(first).map_err(Broken::Fetch)?,
        };
        let origin = Origin::of(&url);
        if self.connection.as_ref().is_none_or(|connection| connection.origin != origin) {
            self.connection = None;
            self.buffers.bytes.clear();
            let (stream, peer) = self.shared.connect(&url).await.map_err(|error| match error {
                FetchError::Network(_) => Broken::Connection(error),
                error => Broken::Fetch(error),
            })?;
            tracing::debug!(host = origin.host, tls = origin.is_tls(), "connected to a web seed");
            self.connection = Some(Connection {
                stream,
                peer,
                origin,
                reader: ResponseReader::new(),
                sent: VecDeque::new(),
                answered: 0,
                body: None,
            });
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let depth = {
            let learned = self.shared.learned();
            let may = learned.keeps_alive && !learned.refuses_pipelines;
            if may { self.shared.settings.pipeline } else { 1 }
        };
        if connection.sent.len() > depth / 2 {
            return Ok(());
        }
        let mut text = String::new();
        // Padding is no request, and stands in the line where its zeros belong.
        let items = self.line.iter().filter(|item| !matches!(item.what, What::Pad(_)));
        for item in items.skip(connection.sent.len()) {
            if connection.sent.len() >= depth {
                break;
            }
            // Its error is that of its fetch, once it is the first.
            let Ok(url) = self.shared.url_of(item) else { break };
            if Origin::of(&url) != connection.origin {
                break;
            }
            self.shared.write_request(item, &url, connection.peer, &mut text);
            connection.sent.push_back(url);
        }
        if text.is_empty() {
            return Ok(());
        }
        let write = connection.stream.write_all(text.as_bytes());
        match timeout(self.shared.settings.read_timeout, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(broken(&error)),
            Err(_) => return Err(timed_out()),
        }
        match connection.stream.flush().await {
            Ok(()) => Ok(()),
            Err(error) => Err(broken(&error)),
        }
    }

    /// Reads what there is of responses.
    async fn read(&mut self) -> Result<(), Broken> {
        loop {
            let Some(connection) = &mut self.connection else { return Ok(()) };
            let event = connection.reader.next(&mut self.buffers.bytes);
            match event
                .map_err(|error| Broken::Connection(FetchError::Network(error.to_string())))?
            {
                Some(event) => {
                    let is_end = event == Event::End;
                    self.on_event(event).await?;
                    if is_end {
                        return Ok(());
                    }
                }
                None => return self.receive().await,
            }
        }
    }

    /// Waits for more bytes.
    async fn receive(&mut self) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        self.buffers.make_room();
        let read = connection.stream.read_buf(&mut self.buffers.bytes);
        match timeout(self.shared.settings.read_timeout, read).await {
            Ok(Ok(0)) => {}
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => return Err(broken(&error)),
            Err(_) => return Err(timed_out()),
        }
        let ended = connection.reader.close();
        if matches!(ended, Ok(true)) {
            self.on_event(Event::End).await?;
            return Err(Broken::Anew);
        }
        if connection.answered > 0 && connection.sent.len() > 1 {
            // It may have been the last request that this server answers on a connection, as many set a limit; or it
            // throws away what it did not wait for. Either way nothing is lost but a round trip.
            if connection.answered <= 1 {
                self.shared.learned().refuses_pipelines = true;
            }
            if connection.reader.is_between() {
                return Err(Broken::Anew);
            }
        }
        Err(Broken::Connection(FetchError::Network("the server closed the connection".to_owned())))
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Head(head) => self.on_head(&head).await,
            Event::Data(data) => self.on_data(data).await,
            Event::End => self.on_end().await,
        }
    }

    async fn on_head(&mut self, head: &Head) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let (Some(item), Some(url)) = (self.line.front_mut(), connection.sent.front().cloned())
        else {
            let what = "the server sends what nobody asked for".to_owned();
            return Err(Broken::Connection(FetchError::Network(what)));
        };
        if head.keeps_alive && head.is_http_1_1 {
            self.shared.learned().keeps_alive = true;
        }
        let closes = !head.keeps_alive;
        let max_skip = self.running.get(&item.fetch).map_or(0, |running| running.max_skip);
        let answer = match item.file_range() {
            Some(range) => judge(head, &range, SystemTime::now(), max_skip),
            None => judge_piece(head, item.left(), SystemTime::now()),
        };
        let peer = connection.peer;
        let is_short = !closes && head.content_length.is_some_and(|length| length <= DRAIN);
        let file = item.file();
        match answer {
            Answer::Take { skip } => {
                if item.hops > 0
                    && let Some(file) = file
                {
                    self.shared.learn_redirect(file, &url);
                }
                let take = item.left();
                connection.body = Some(Body::Take { skip, take, closes });
                Ok(())
            }
            Answer::Redirect(location) => {
                item.hops += 1;
                if item.hops > self.shared.settings.max_redirects {
                    return Err(Broken::Fetch(FetchError::ForbiddenRedirect(location)));
                }
                let to = self.shared.follow(&url, peer, &location).await.map_err(Broken::Fetch)?;
                item.url = Some(to);
                // Responses behind it would be those of other items.
                if connection.sent.len() > 1 || !is_short {
                    return Err(Broken::Anew);
                }
                connection.body = Some(Body::Drain { left: DRAIN });
                Ok(())
            }
            // A place that was kept from a redirect may hold for a while only.
            Answer::Missing(_) | Answer::Refused(_)
                if !item.is_anew
                    && item.hops == 0
                    && file.is_some_and(|file| self.shared.forget_redirect(file)) =>
            {
                item.is_anew = true;
                Err(Broken::Anew)
            }
            Answer::Missing(status) => match file {
                Some(file) => Err(Broken::Fetch(FetchError::Missing { file, status })),
                None => Err(Broken::Fetch(FetchError::Refused(Refusal::Status(status)))),
            },
            Answer::Later(None) if file.is_none() => {
                connection.body = Some(Body::Pause { status: head.status });
                Ok(())
            }
            Answer::Later(pause) => {
                Err(Broken::Fetch(FetchError::Later { status: head.status, pause }))
            }
            Answer::Refused(refusal) => Err(Broken::Fetch(FetchError::Refused(refusal))),
        }
    }

    async fn on_data(&mut self, mut data: Bytes) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match &mut connection.body {
            Some(Body::Take { skip, take, closes }) => {
                let skipped = data.len().min(usize::try_from(*skip).unwrap_or(usize::MAX));
                let _ = data.split_to(skipped);
                *skip -= skipped as u64;
                let wanted = data.len().min(usize::try_from(*take).unwrap_or(usize::MAX));
                let rest = data.split_off(wanted);
                *take -= wanted as u64;
                let (is_done, closes) = (*take == 0, *closes);
                let Some(item) = self.line.front_mut() else { return Ok(()) };
                item.done += wanted as u64;
                item.failures = 0;
                if let Some(running) = self.running.get_mut(&item.fetch) {
                    let taken = running.take(data, &self.reports).await;
                    self.check(taken)?;
                }
                if !is_done {
                    return Ok(());
                }
                if closes {
                    return self.leave_response().await;
                }
                if let Some(connection) = &mut self.connection {
                    // What is behind the range is a rest of a whole file.
                    connection.body = Some(Body::Drain { left: DRAIN });
                }
                self.drain(rest.len()).await
            }
            Some(Body::Drain { .. }) => self.drain(data.len()).await,
            Some(Body::Pause { status }) => {
                let (status, pause) = (*status, pause_of_body(&data));
                Err(Broken::Fetch(FetchError::Later { status, pause }))
            }
            None => Ok(()),
        }
    }

    /// Throws bytes of a body away, or the connection if they are too many.
    async fn drain(&mut self, length: usize) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if let Some(Body::Drain { left }) = &mut connection.body {
            if length as u64 > *left {
                return self.leave_response().await;
            }
            *left -= length as u64;
        }
        Ok(())
    }

    /// Goes on with the next item, and leaves the connection with the rest of this response.
    async fn leave_response(&mut self) -> Result<(), Broken> {
        self.pass_first().await?;
        Err(Broken::Anew)
    }

    /// The body is over.
    async fn on_end(&mut self) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let body = connection.body.take();
        connection.sent.pop_front();
        connection.answered += 1;
        match body {
            Some(Body::Take { .. }) => {
                Err(Broken::Connection(FetchError::Refused(Refusal::WrongLength)))
            }
            Some(Body::Pause { status }) => {
                Err(Broken::Fetch(FetchError::Later { status, pause: None }))
            }
            Some(Body::Drain { .. }) => self.pass_first().await,
            None => Err(Broken::Anew),
        }
    }

    /// Takes the first item out of the line, if it is complete.
    async fn pass_first(&mut self) -> Result<(), Broken> {
        let Some(first) = self.line.front().filter(|item| item.left() == 0) else { return Ok(()) };
        let fetch = first.fetch;
        self.line.pop_front();
        self.end_if_done(fetch).await
    }

    /// Reports the end of a fetch, if all its blocks have come.
    async fn end_if_done(&mut self, fetch: u64) -> Result<(), Broken> {
        if self.running.get(&fetch).is_some_and(Running::is_done) {
            self.running.remove(&fetch);
            self.report_end(fetch, Ok(())).await?;
        }
        Ok(())
    }

    /// Ends the fetch of the first item, whose responses are not waited for.
    async fn end_first(&mut self, error: FetchError) {
        if let Some(item) = self.line.front() {
            let fetch = item.fetch;
            self.running.remove(&fetch);
            self.line.retain(|item| item.fetch != fetch);
            // A failure shows at the next report.
            let _ = self.report_end(fetch, Err(error)).await;
        }
        self.connection = None;
    }

    /// The connection failed: goes on with a new one, where something has come since the last failure.
    async fn on_failure(&mut self, error: FetchError) {
        self.connection = None;
        let Some(item) = self.line.front_mut() else { return };
        if item.left() == 0 {
            // All of it came before the failure. A failure to report shows at the next report.
            let _ = self.pass_first().await;
            return;
        }
        // A server may close an idle connection in the moment in which it is used again.
        (item.failures, item.breaks) = (item.failures + 1, item.breaks + 1);
        let is_hopeless = item.failures >= MAX_FAILURES || item.breaks >= MAX_BREAKS;
        if is_hopeless || matches!(error, FetchError::Refused(_)) {
            self.end_first(error).await;
        }
    }

    async fn report_end(
        &mut self,
        fetch: u64,
        outcome: Result<(), FetchError>,
    ) -> Result<(), Broken> {
        match self.reports.report(Report::Ended { fetch, outcome }).await {
            true => Ok(()),
            false => Err(Broken::Abandoned),
        }
    }

    /// A cancelled fetch leaves the connection with its responses.
    fn check(&self, outcome: Result<(), Stopped>) -> Result<(), Broken> {
        outcome.map_err(|stopped| match stopped {
            Stopped::Cancelled => Broken::Anew,
            Stopped::Abandoned => Broken::Abandoned,
        })
    }
}

fn broken(error: &std::io::Error) -> Broken {
    Broken::Connection(FetchError::Network(error.to_string()))
}

fn timed_out() -> Broken {
    Broken::Connection(FetchError::Network("the server sends nothing".to_owned()))
}
