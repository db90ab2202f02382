use std::time::Instant;

use rand::Rng;
use rand::seq::SliceRandom;

use super::TrackerId;

/// A group of trackers of which one is in use at a time: all of a torrent, those of a tier, or
/// those of a host, depending on the mode.
#[derive(Debug)]
pub(super) struct Lane {
    /// The trackers by number of tier, ascending.
    tiers: Vec<(u32, Vec<TrackerId>)>,
    /// The time of the next announce, which begins with the first tier.
    pub(super) due: Instant,
    /// The tracker that the lane waits for.
    pub(super) asking: Option<TrackerId>,
    /// The tracker in use: the last that answered, or before it the last that had peers.
    pub(super) current: Option<TrackerId>,
    /// Trackers in a row that the lane has stopped to wait for.
    pub(super) overtaken: u32,
}

impl Lane {
    pub(super) fn new(tier: u32, id: TrackerId, now: Instant) -> Self {
        Self { tiers: vec![(tier, vec![id])], due: now, asking: None, current: None, overtaken: 0 }
    }

    /// Begins again with the first tier.
    pub(super) fn start(&mut self, now: Instant) {
        (self.due, self.asking, self.current, self.overtaken) = (now, None, None, 0);
    }

    /// Goes on where the lane was that had a tracker of this one in use, if there was one.
    pub(super) fn resume(&mut self, before: &[Lane]) {
        let in_use = |lane: &&Lane| lane.current.is_some_and(|id| self.contains(id));
        let Some(before) = before.iter().find(in_use) else { return };
        (self.due, self.current) = (before.due, before.current);
        if let Some(current) = before.current {
            self.promote(current);
        }
    }

    pub(super) fn add(&mut self, tier: u32, id: TrackerId) {
        match self.tiers.binary_search_by_key(&tier, |(number, _)| *number) {
            Ok(at) => self.tiers[at].1.push(id),
            Err(at) => self.tiers.insert(at, (tier, vec![id])),
        }
    }

    /// Takes a tracker out. If it was in use, the next one is due as it was.
    pub(super) fn remove(&mut self, id: TrackerId) {
        for (_, tier) in &mut self.tiers {
            tier.retain(|member| *member != id);
        }
        self.tiers.retain(|(_, tier)| !tier.is_empty());
        self.asking.take_if(|asking| *asking == id);
        self.current.take_if(|current| *current == id);
    }

    /// Shuffles each tier (BEP 12: "the list will be shuffled when first read").
    pub(super) fn shuffle(&mut self, rng: &mut impl Rng) {
        for (_, tier) in &mut self.tiers {
            tier.shuffle(rng);
        }
    }

    /// Moves a tracker to the front of its tier (BEP 12: "if a connection with a tracker is
    /// successful, it will be moved to the front of the tier"). Keeps the order of the others.
    pub(super) fn promote(&mut self, id: TrackerId) {
        for (_, tier) in &mut self.tiers {
            if let Some(at) = tier.iter().position(|member| *member == id) {
                tier[..=at].rotate_right(1);
            }
        }
    }

    /// All trackers in the order in which they are asked, the first tier first.
    pub(super) fn order(&self) -> impl Iterator<Item = TrackerId> + '_ {
        self.tiers.iter().flat_map(|(_, tier)| tier.iter().copied())
    }

    pub(super) fn has_tier(&self, tier: u32) -> bool {
        self.tiers.iter().any(|(number, _)| *number == tier)
    }

    pub(super) fn contains(&self, id: TrackerId) -> bool {
        self.order().any(|member| member == id)
    }
}
