//! The handling of responses.

use std::time::SystemTime;

use bytes::Bytes;

use super::body::{Body, DRAIN, portion};
use super::worker::{Broken, Worker, stopped};
use super::{FetchError, Reports};
use crate::answer::{judge_piece, pause_of_body};
use crate::{Answer, Head, Refusal, judge};

impl<R: Reports> Worker<R> {
    /// Decides about the body, which is that of the first part.
    pub(super) async fn on_head(&mut self, head: &Head) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let (Some((item, running)), Some(url)) =
            (self.line.first_mut(), connection.sent.front().cloned())
        else {
            let what = "the server sends what nobody asked for".to_owned();
            return Err(Broken::Connection(FetchError::Network(what)));
        };
        if head.keeps_alive && head.is_http_1_1 {
            self.shared.learned().keeps_alive = true;
        }
        let closes = !head.keeps_alive;
        let now = SystemTime::now();
        let answer = match item.file_range() {
            Some(range) => judge(head, &range, now, running.max_skip),
            None => judge_piece(head, item.left(), now),
        };
        // It can go on behind this response: there are no others for parts that change places.
        let is_worth_keeping = connection.sent.len() == 1
            && !closes
            && head.content_length.is_some_and(|length| length <= DRAIN);
        let file = item.file();
        let error = match answer {
            Answer::Take { skip } => {
                if item.hops > 0
                    && let Some(file) = file
                {
                    self.shared.learn_redirect(file, &url);
                }
                connection.body = Some(Body::Take { skip, take: item.left(), closes });
                return Ok(());
            }
            Answer::Redirect(location) => {
                item.hops += 1;
                if item.hops > self.shared.settings.max_redirects {
                    return Err(Broken::Fetch(FetchError::ForbiddenRedirect(location)));
                }
                let to = self.shared.follow(&url, connection.peer, &location).await;
                item.url = Some(to.map_err(Broken::Fetch)?);
                // Responses behind it would be those of other parts.
                if !is_worth_keeping {
                    return Err(Broken::Anew);
                }
                connection.body = Some(Body::Drain { left: DRAIN });
                return Ok(());
            }
            // A place that was kept from a redirect may hold for a while only.
            Answer::Missing(_) | Answer::Refused(_)
                if !item.is_anew
                    && item.hops == 0
                    && file.is_some_and(|file| self.shared.forget_redirect(file)) =>
            {
                item.is_anew = true;
                return Err(Broken::Anew);
            }
            Answer::Missing(status) => match file {
                Some(file) => FetchError::Missing { file, status },
                None => FetchError::Refused { file, refusal: Refusal::Status(status) },
            },
            Answer::Later(None) if file.is_none() => {
                connection.body = Some(Body::Pause { status: head.status });
                return Ok(());
            }
            Answer::Later(pause) => FetchError::Later { status: head.status, pause },
            Answer::Refused(refusal) => FetchError::Refused { file, refusal },
        };
        if !is_worth_keeping {
            return Err(Broken::Fetch(error));
        }
        connection.body = Some(Body::Fail { error });
        Ok(())
    }

    /// Takes in bytes of a body.
    pub(super) async fn on_data(&mut self, mut data: Bytes) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match &mut connection.body {
            Some(Body::Take { skip, take, closes }) => {
                let wanted = portion(&mut data, skip, take);
                let (is_done, closes) = (*take == 0, *closes);
                if let Some((item, running)) = self.line.first_mut() {
                    item.note_bytes(wanted.len());
                    running.take(wanted, &self.reports).await.map_err(stopped)?;
                }
                if !is_done {
                    return Ok(());
                }
                if closes {
                    return self.leave_response().await;
                }
                // What is behind the range is a rest of a whole file.
                connection.body = Some(Body::Drain { left: DRAIN });
                self.drain(data.len()).await
            }
            Some(Body::Drain { .. } | Body::Fail { .. }) => self.drain(data.len()).await,
            Some(Body::Pause { status }) => {
                let (status, pause) = (*status, pause_of_body(&data));
                Err(Broken::Fetch(FetchError::Later { status, pause }))
            }
            None => Ok(()),
        }
    }

    /// Throws bytes of a body away, or the connection if they are too many.
    async fn drain(&mut self, length: usize) -> Result<(), Broken> {
        let body = self.connection.as_mut().and_then(|connection| connection.body.as_mut());
        if let Some(Body::Drain { left }) = body {
            match left.checked_sub(length as u64) {
                Some(rest) => *left = rest,
                None => return self.leave_response().await,
            }
        }
        Ok(())
    }

    /// Goes on with the next part, if this one is complete, and leaves the connection with the rest of its response.
    async fn leave_response(&mut self) -> Result<(), Broken> {
        if self.line.first().is_some_and(|item| item.left() == 0) {
            self.pass_first().await?;
        }
        Err(Broken::Anew)
    }

    /// The body is over.
    pub(super) async fn on_end(&mut self) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match connection.end_response() {
            Some(Body::Take { .. }) => {
                let file = self.line.first().and_then(|item| item.file());
                let refusal = Refusal::WrongLength;
                Err(Broken::Fetch(FetchError::Refused { file, refusal }))
            }
            Some(Body::Pause { status }) => {
                Err(Broken::Fetch(FetchError::Later { status, pause: None }))
            }
            Some(Body::Fail { error }) => self.fail_first(error).await,
            Some(Body::Drain { .. }) => {
                // It may have been that of a redirect.
                if self.line.first().is_some_and(|item| item.left() == 0) {
                    return self.pass_first().await;
                }
                Ok(())
            }
            None => Err(Broken::Anew),
        }
    }
}
