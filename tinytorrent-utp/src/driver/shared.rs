use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::sync::Notify;

use super::wire::Wire;
use crate::{ConnectionId, Endpoint, EndpointConfig, Event, Failure, StreamError};

/// The endpoint of a socket, shared by its task and all handles.
#[derive(Debug)]
pub(super) struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
    /// Wakes the task: there is something to send, or to end.
    pub(super) work: Notify,
    /// True if no handle is left.
    is_orphan: AtomicBool,
    /// The carrier that takes the place of the socket with the next turn of the task.
    next: Mutex<Option<Wire>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) endpoint: Endpoint,
    waiting: HashMap<ConnectionId, Waiting>,
    accepting: Vec<Waker>,
    /// Those who wait for the ends of all streams that have ended.
    delivering: Vec<Waker>,
}

/// The tasks that wait for a connection, and the news that they have not taken.
#[derive(Debug, Default)]
struct Waiting {
    reader: Option<Waker>,
    writer: Option<Waker>,
    is_connected: bool,
    failure: Option<Failure>,
}

/// The direction of a wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Read,
    Write,
}

impl Shared {
    /// Calls the endpoint, and has the task send what comes of it.
    pub(super) fn with<T>(&self, call: impl FnOnce(Instant, &mut State) -> T) -> T {
        let mut state = self.lock();
        let result = call(now(), &mut state);
        let has_work = state.endpoint.may_transmit();
        drop(state);
        if has_work {
            self.work.notify_one();
        }
        result
    }

    /// Calls the endpoint for the task, which sends by itself, and wakes those who have news.
    pub(super) fn turn<T>(&self, call: impl FnOnce(Instant, &mut Endpoint) -> T) -> T {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let result = call(now(), &mut state.endpoint);
        while let Some(event) = state.endpoint.poll_event() {
            state.note(event, &mut wakers);
        }
        if state.endpoint.backlog() > 0 {
            wakers.append(&mut state.accepting);
        }
        if !state.delivering.is_empty() && !state.endpoint.is_delivering() {
            wakers.append(&mut state.delivering);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Has the task go on with another socket.
    pub(super) fn replace(&self, wire: Wire) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(wire);
        self.work.notify_one();
    }

    /// The socket to go on with, if it is another one.
    pub(super) fn take_next(&self) -> Option<Wire> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// True if nobody can ask for anything any more.
    pub(super) fn is_orphan(&self) -> bool {
        self.is_orphan.load(Ordering::Acquire)
    }

    pub(super) fn poll_connected(
        &self,
        cx: &mut Context<'_>,
        id: ConnectionId,
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        let waiting = state.waiting.entry(id).or_default();
        match waiting.failure {
            // There is nobody who listens, or no such connection any more.
            Some(Failure::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
            Some(failure) => Poll::Ready(Err(StreamError::from(failure).into())),
            None if waiting.is_connected => Poll::Ready(Ok(())),
            None => {
                waiting.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<(ConnectionId, SocketAddr)> {
        let mut state = self.lock();
        while let Some(id) = state.endpoint.accept() {
            // It may have failed and gone since.
            if let Some(address) = state.endpoint.address(id) {
                return Poll::Ready((id, address));
            }
        }
        wait(&mut state.accepting, cx);
        Poll::Pending
    }

    pub(super) fn poll_delivered(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.endpoint.is_delivering() {
            return Poll::Ready(());
        }
        wait(&mut state.delivering, cx);
        Poll::Pending
    }

    /// Calls the endpoint for a stream, which waits on this side if it has to.
    pub(super) fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        side: Side,
        call: impl FnOnce(Instant, &mut Endpoint) -> Result<T, StreamError>,
    ) -> Poll<Result<T, StreamError>> {
        self.with(|now, state| match call(now, &mut state.endpoint) {
            Err(StreamError::WouldBlock) => {
                let waiting = state.waiting.entry(id).or_default();
                let waker = match side {
                    Side::Read => &mut waiting.reader,
                    Side::Write => &mut waiting.writer,
                };
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            result => Poll::Ready(result),
        })
    }

    /// Ends a connection, at once or behind what was written.
    pub(super) fn end(&self, id: ConnectionId, at_once: bool) {
        self.with(|now, state| {
            state.waiting.remove(&id);
            if at_once {
                state.endpoint.reset(id);
            } else {
                state.endpoint.close(now, id);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of the endpoint would be a bug of its own; others need not panic for it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, event: Event, wakers: &mut Vec<Waker>) {
        let (Event::Connected(id)
        | Event::Readable(id)
        | Event::Writable(id)
        | Event::Delivered(id)
        | Event::Failed(id, _)) = event;
        let waiting = self.waiting.entry(id).or_default();
        match event {
            Event::Connected(_) => waiting.is_connected = true,
            Event::Failed(_, failure) => waiting.failure = Some(failure),
            Event::Readable(_) | Event::Writable(_) | Event::Delivered(_) => {}
        }
        if !matches!(event, Event::Writable(_)) {
            wakers.extend(waiting.reader.take());
        }
        if !matches!(event, Event::Readable(_)) {
            wakers.extend(waiting.writer.take());
        }
    }
}

/// The last of these ends the task.
#[derive(Debug)]
pub(super) struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) fn new(address: SocketAddr, config: EndpointConfig) -> Self {
        let state = State {
            endpoint: Endpoint::new(now(), config),
            waiting: HashMap::new(),
            accepting: Vec::new(),
            delivering: Vec::new(),
        };
        let (work, is_orphan) = (Notify::new(), AtomicBool::new(false));
        Self {
            shared: Arc::new(Shared {
                address,
                state: Mutex::new(state),
                work,
                is_orphan,
                next: Mutex::default(),
            }),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.is_orphan.store(true, Ordering::Release);
        self.shared.work.notify_one();
    }
}

/// Has the task woken with the others.
fn wait(wakers: &mut Vec<Waker>, cx: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
        wakers.push(cx.waker().clone());
    }
}

/// The time of the runtime, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
