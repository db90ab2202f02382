//! The laws of announces.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tinytorrent_swarm::{AnnounceId, AnnounceOutcome, AnnounceTask};
use tinytorrent_tracker::AnnounceEvent;

use super::Law;
use super::engine::{Verdict, demand};

/// The shortest time between two announces without an event, whatever a tracker says.
const SHORTEST: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct AnnounceLaws {
    trackers: HashMap<String, Told>,
    /// The tasks under way.
    under_way: HashMap<AnnounceId, (String, AnnounceEvent)>,
}

/// The things that a tracker has been told.
#[derive(Debug, Default)]
struct Told {
    is_started: bool,
    is_completed: bool,
    /// The last answer, and the shortest time that it wishes for.
    answered: Option<(Instant, Duration)>,
}

impl AnnounceLaws {
    pub(super) fn on_announce(&mut self, now: Instant, task: &AnnounceTask) -> Verdict {
        let url = task.url.to_string();
        let event = task.request.event;
        self.under_way.insert(task.id, (url.clone(), event));
        let told = self.trackers.entry(url).or_default();
        let name = event.as_str().unwrap_or("nothing");
        match event {
            AnnounceEvent::Started => {}
            AnnounceEvent::Completed => {
                demand(!told.is_completed, Law::Announces, || "completes twice".into())?;
            }
            // `started` may have failed, and is not said again where all is over.
            AnnounceEvent::Stopped => {}
            AnnounceEvent::None | AnnounceEvent::Paused => {
                demand(told.is_started, Law::Announces, || {
                    format!("says {name} before `started`")
                })?;
                if let Some((at, least)) = told.answered {
                    let since = now.saturating_duration_since(at);
                    demand(since >= least, Law::Announces, || {
                        format!("comes again after {since:?}, not {least:?}")
                    })?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn on_answer(&mut self, now: Instant, outcome: &AnnounceOutcome) {
        let Some((url, event)) = self.under_way.remove(&outcome.id) else { return };
        let told = self.trackers.entry(url).or_default();
        if let Ok(response) = &outcome.result {
            told.is_started = true;
            told.is_completed |= event == AnnounceEvent::Completed;
            told.answered = Some((now, response.min_interval.unwrap_or(SHORTEST).min(SHORTEST)));
        }
    }
}
