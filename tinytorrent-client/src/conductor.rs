//! What all torrents of a client share by turns and by parts: the places of the queue, and the limits of
//! rate over all.

mod counts;
mod dials;
mod queue;
mod rates;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ClientLimits;
use crate::registry::Registry;
use crate::torrent::Shared;
use dials::DialCredit;
pub(crate) use dials::TorrentDials;
use queue::QueueLimits;
pub(crate) use queue::Standing;

/// Interval at which limits of rate are divided anew.
const INTERVAL: Duration = Duration::from_millis(250);

/// Time for which torrents have slots if there are too few for all: that of an optimistic slot.
const SLOT_TURN: Duration = Duration::from_secs(30);

/// The limits over all torrents, which the conductor applies.
#[derive(Debug, Default)]
pub(crate) struct Conductor {
    limits: Mutex<ClientLimits>,
    wake: Notify,
}

impl ClientLimits {
    /// Connections that are begun are limited over all torrents.
    pub(crate) fn has_dials(self) -> bool {
        self.half_open.is_some() || self.dials_per_second.is_some()
    }

    fn queue(self) -> QueueLimits {
        QueueLimits { downloads: self.active_downloads, seeds: self.active_seeds }
    }
}

impl Conductor {
    pub(crate) fn new(limits: ClientLimits) -> Self {
        Self { limits: Mutex::new(limits), wake: Notify::new() }
    }

    pub(crate) fn limits(&self) -> ClientLimits {
        *self.lock()
    }

    /// Changes the limits.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ClientLimits)) {
        change(&mut self.lock());
        self.wake.notify_one();
    }

    /// Notes that a torrent has another state, or another place.
    pub(crate) fn note_change(&self) {
        self.wake.notify_one();
    }

    /// Applies the limits for ever.
    pub(crate) async fn run(self: Arc<Self>, registry: Arc<Registry>) {
        let mut before = ClientLimits::default();
        let start = Instant::now();
        let mut credit = DialCredit::new(start);
        loop {
            let limits = self.limits();
            // Without limits, now and before, nobody is looked at.
            if limits.queue().has_any() || before.queue().has_any() {
                take_turns(limits.queue(), &registry.all());
            }
            let has_rates = limits.download.is_some() || limits.upload.is_some();
            if has_rates || before.download.is_some() || before.upload.is_some() {
                divide(limits, &registry.all());
            }
            let has_slots = limits.upload_slots.is_some();
            if has_slots || before.upload_slots.is_some() {
                let turn = start.elapsed().as_secs() / SLOT_TURN.as_secs();
                deal_slots(limits.upload_slots, turn as usize, &registry.all());
            }
            let has_dials = limits.has_dials();
            if has_dials || before.has_dials() {
                give_dials(&mut credit, limits, &registry.all());
            }
            before = limits;
            if has_rates || has_slots || has_dials {
                // A change that comes meanwhile is seen after it at the latest.
                tokio::time::sleep(INTERVAL).await;
            } else {
                self.wake.notified().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ClientLimits> {
        // A panic under the lock cannot leave the limits in a bad state.
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets torrents run or wait.
fn take_turns(limits: QueueLimits, torrents: &[Arc<Shared>]) {
    let running: Vec<_> = torrents
        .iter()
        .filter_map(|torrent| {
            let standing = torrent.with(|driver, _| Some(driver.standing()), |_| None)?;
            Some((torrent, standing))
        })
        .collect();
    let waiting = limits.waiting(running.iter().map(|(_, standing)| *standing));
    let changes = running.iter().zip(waiting);
    // Those that are to wait first, so that there are never too many.
    let (stop, go): (Vec<_>, Vec<_>) = changes.partition(|(_, waits)| *waits);
    for ((torrent, _), waits) in stop.into_iter().chain(go) {
        if torrent.with(|driver, _| driver.is_waiting() != waits, |_| false) {
            torrent.change(|driver, now| driver.set_waiting(now, waits));
        }
    }
}

/// Divides the limits of rate among the torrents that have peers.
fn divide(limits: ClientLimits, torrents: &[Arc<Shared>]) {
    let figures = torrents.iter().filter_map(|torrent| {
        let stats = torrent.with(|driver, now| Some(driver.stats(now)), |_| None)?;
        Some((torrent, stats))
    });
    let (busy, idle): (Vec<_>, Vec<_>) = figures.partition(|(_, stats)| stats.peers > 0);
    let parts = |limit: Option<u64>, rates: Vec<u64>| match limit {
        Some(limit) => rates::allot(limit, &rates).into_iter().map(Some).collect(),
        None => vec![None; rates.len()],
    };
    let down = parts(limits.download, busy.iter().map(|(_, stats)| stats.download_rate).collect());
    let up = parts(limits.upload, busy.iter().map(|(_, stats)| stats.upload_rate).collect());
    // A peer that comes to one without peers has to wait for its part for less than an interval.
    let nothing = |limit: Option<u64>| limit.map(|_| 0);
    let idle =
        idle.iter().map(|(torrent, _)| (torrent, nothing(limits.download), nothing(limits.upload)));
    let busy = busy.iter().zip(down).zip(up).map(|(((torrent, _), down), up)| (torrent, down, up));
    // Those that get less first, so that there is never too much.
    for (torrent, down, up) in idle.chain(busy) {
        if torrent.with(|driver, _| driver.parts() != (down, up), |_| false) {
            torrent.change(|driver, now| driver.set_parts(now, down, up));
        }
    }
}

/// Deals the slots among the torrents with peers that want something.
fn deal_slots(limit: Option<usize>, turn: usize, torrents: &[Arc<Shared>]) {
    let wish = |torrent: &Arc<Shared>| torrent.with(|driver, _| driver.slot_wish(), |_| 0);
    let parts = limit.map(|limit| {
        let wishes: Vec<_> = torrents.iter().map(wish).collect();
        counts::deal(limit, &wishes, turn)
    });
    let mut parts: Vec<_> = match parts {
        Some(parts) => parts.into_iter().map(Some).zip(torrents).collect(),
        None => torrents.iter().map(|torrent| (None, torrent)).collect(),
    };
    // Those that get fewer first, so that there are never too many.
    parts.sort_by_key(|(part, _)| part.unwrap_or(usize::MAX));
    for (part, torrent) in parts {
        if torrent.with(|driver, _| driver.slot_part() != part, |_| false) {
            torrent.change(|driver, now| driver.set_slot_part(now, part));
        }
    }
}

/// Gives out the connections that torrents may begin.
fn give_dials(credit: &mut DialCredit, limits: ClientLimits, torrents: &[Arc<Shared>]) {
    let gone = TorrentDials { dials: 0, wish: 0, unspent: 0 };
    let dialing = |torrent: &Arc<Shared>| torrent.with(|driver, now| driver.dialing(now), |_| gone);
    let given: Vec<_> = if limits.has_dials() {
        let dialing: Vec<_> = torrents.iter().map(dialing).collect();
        credit.give(Instant::now(), limits, &dialing).into_iter().map(Some).collect()
    } else {
        vec![None; torrents.len()]
    };
    for (torrent, given) in torrents.iter().zip(given) {
        if torrent.with(|driver, _| driver.dial_credit() != given, |_| false) {
            torrent.change(|driver, now| driver.set_dial_credit(now, given));
        }
    }
}
