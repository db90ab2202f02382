//! One connection of a web seed at a time, and the requests in line for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::buffers::Buffers;
use super::connect::Origin;
use super::connection::{Connection, Received};
use super::fetch::Stopped;
use super::item::What;
use super::line::Line;
use super::{Fetch, FetchError, Report, Reports, Shared};
use crate::Event;

/// The time for which a connection is kept without a request. Servers keep it for a minute or so.
const IDLE: Duration = Duration::from_secs(45);

/// Works at fetches, one after the other, over one connection at a time.
pub(super) struct Worker<R> {
    pub(super) shared: Arc<Shared>,
    fetches: mpsc::UnboundedReceiver<Fetch>,
    pub(super) reports: R,
    pub(super) line: Line,
    pub(super) connection: Option<Connection>,
    buffers: Buffers,
}

/// The end of work on a connection.
pub(super) enum Broken {
    /// It failed, or is of no use any more.
    Connection(FetchError),
    /// The first part's fetch is over, and the connection with it.
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
        let (line, buffers) = (Line::default(), Buffers::default());
        Self { shared, fetches, reports, line, connection: None, buffers }
    }

    /// Works until nobody has fetches any more.
    pub(super) async fn run(mut self) {
        loop {
            if self.line.is_empty() && !self.wait_for_fetch().await {
                return;
            }
            while let Ok(fetch) = self.fetches.try_recv() {
                self.line.add(fetch, &self.shared);
            }
            match self.work().await {
                Ok(()) => {}
                Err(Broken::Abandoned) => return,
                Err(Broken::Anew) => self.connection = None,
                Err(Broken::Fetch(error)) => {
                    self.connection = None;
                    // A failure shows at the next report.
                    let _ = self.fail_first(error).await;
                }
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
        fetch.map(|fetch| self.line.add(fetch, &self.shared)).is_some()
    }

    /// Does the next thing for the first part.
    async fn work(&mut self) -> Result<(), Broken> {
        let Some(fetch) = self.line.first_fetch() else {
            return self.drop_cancelled();
        };
        let credit = fetch.credit();
        tokio::select! {
            biased;
            worked = self.work_on_first() => worked,
            // The bytes that are to come are not worth waiting for.
            () = credit.cancelled() => Err(Broken::Anew),
        }
    }

    async fn work_on_first(&mut self) -> Result<(), Broken> {
        if let Some((item, running)) = self.line.first_mut()
            && let What::Pad(length) = item.what
        {
            running.pad(length, &self.reports).await.map_err(stopped)?;
            return self.pass_first().await;
        }
        self.request().await?;
        self.read().await
    }

    /// Takes out what is cancelled. If it was requested, its response is to come, and is not worth waiting for.
    fn drop_cancelled(&mut self) -> Result<(), Broken> {
        self.line.drop_cancelled();
        let has_requests = self.connection.as_ref().is_some_and(|c| !c.sent.is_empty());
        if has_requests { Err(Broken::Anew) } else { Ok(()) }
    }

    /// Connects if need be, and sends as many requests as may be on their way.
    async fn request(&mut self) -> Result<(), Broken> {
        // Those that are on their way are all to the origin of the connection.
        if self.connection.as_ref().is_none_or(|connection| connection.sent.is_empty()) {
            self.connect().await?;
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let depth = self.shared.pipeline_depth();
        // Many at once: a packet for each would cost more than the request.
        if connection.sent.len() > depth / 2 {
            return Ok(());
        }
        let mut text = String::new();
        for item in self.line.requests().skip(connection.sent.len()) {
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
        connection.write(&text).await.map_err(Broken::Connection)
    }

    /// Connects to the origin of the first part, unless that is done.
    async fn connect(&mut self) -> Result<(), Broken> {
        let Some(first) = self.line.first() else { return Ok(()) };
        let url = self.shared.url_of(first).map_err(Broken::Fetch)?;
        let origin = Origin::of(&url);
        if self.connection.as_ref().is_some_and(|connection| connection.origin == origin) {
            return Ok(());
        }
        self.connection = None;
        self.buffers.bytes.clear();
        let (stream, peer) = self.shared.connect(&url).await.map_err(|error| match error {
            FetchError::Network(_) => Broken::Connection(error),
            error => Broken::Fetch(error),
        })?;
        tracing::debug!(host = origin.host, tls = origin.is_tls(), "connected to a web seed");
        let patience = self.shared.settings.read_timeout;
        self.connection = Some(Connection::new(stream, peer, origin, patience));
        Ok(())
    }

    /// Reads what there is of responses, up to the end of one.
    async fn read(&mut self) -> Result<(), Broken> {
        loop {
            let Some(connection) = &mut self.connection else { return Ok(()) };
            match connection.next_event(&mut self.buffers.bytes).map_err(Broken::Connection)? {
                Some(Event::Head(head)) => self.on_head(&head).await?,
                Some(Event::Data(data)) => self.on_data(data).await?,
                Some(Event::End) => return self.on_end().await,
                None => return self.receive().await,
            }
        }
    }

    /// Waits for more bytes.
    async fn receive(&mut self) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        self.buffers.make_room();
        match connection.receive(&mut self.buffers.bytes).await.map_err(Broken::Connection)? {
            Received::Bytes => Ok(()),
            Received::EndOfBody => {
                self.on_end().await?;
                Err(Broken::Anew)
            }
            Received::Closed { is_between } => {
                if connection.is_first_pipeline() {
                    self.shared.learned().refuses_pipelines = true;
                }
                // It may have been the last request that this server answers on a connection, as many set a limit; or
                // it throws away what it did not wait for. Either way nothing is lost but a round trip.
                if is_between && connection.is_pipelined() {
                    return Err(Broken::Anew);
                }
                let what = "the server closed the connection".to_owned();
                Err(Broken::Connection(FetchError::Network(what)))
            }
        }
    }

    /// Takes the first part out of the line, and reports the end of its fetch if all blocks have come.
    pub(super) async fn pass_first(&mut self) -> Result<(), Broken> {
        match self.line.pass_first() {
            Some(fetch) => self.report_end(fetch, Ok(())).await,
            None => Ok(()),
        }
    }

    /// Ends the fetch of the first part.
    pub(super) async fn fail_first(&mut self, error: FetchError) -> Result<(), Broken> {
        match self.line.end_first() {
            Some(fetch) => self.report_end(fetch, Err(error)).await,
            None => Ok(()),
        }
    }

    /// The connection failed: goes on with a new one, where something has come since the last failure.
    async fn on_failure(&mut self, error: FetchError) {
        self.connection = None;
        let Some((item, _)) = self.line.first_mut() else { return };
        // A failure to report shows at the next report.
        if item.left() == 0 {
            // All of it came before the failure.
            let _ = self.pass_first().await;
        } else if !item.survives_failure() {
            let _ = self.fail_first(error).await;
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
}

/// A cancelled fetch leaves the connection with its responses.
pub(super) fn stopped(stopped: Stopped) -> Broken {
    match stopped {
        Stopped::Cancelled => Broken::Anew,
        Stopped::Abandoned => Broken::Abandoned,
    }
}
