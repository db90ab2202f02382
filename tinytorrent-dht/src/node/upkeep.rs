use std::time::{Duration, Instant};

use tinytorrent_types::compact::Family;

use super::{Node, Purpose};
use crate::message::Method;
use crate::search::{Search, Task};
use crate::side::LONGEST_WAIT;
use crate::{Event, NodeInfo};

/// The time after its last answer from which a node of the table is asked again: before it stops being good
/// (BEP 5: 15 minutes).
const ASK_AFTER: Duration = Duration::from_secs(10 * 60);

/// The time between two look-ups of our own id, which keep our neighbourhood known (D-51).
const OWN_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// The part of the interval of upkeep while there are few nodes.
const HURRY: u32 = 5;

impl Node {
    /// Keeps the tables full and fresh: one query at a time for each family.
    pub(super) fn keep_up(&mut self, now: Instant) {
        for family in [Family::V4, Family::V6] {
            self.look_up_ourselves(now, family);
            self.refresh_one(now, family);
        }
    }

    /// Looks up our own id: at the start, while no node is known (D-18), and now and then.
    fn look_up_ourselves(&mut self, now: Instant, family: Family) {
        let Some(side) = self.sides.get_mut(family).filter(|side| side.next_own <= now) else {
            return;
        };
        side.looked_up_at = now;
        let own = side.table.own();
        let is_empty = side.table.len() == 0;
        if is_empty {
            side.next_own = now + side.bootstrap_wait;
            side.bootstrap_wait = (side.bootstrap_wait * 2).min(LONGEST_WAIT);
            if !std::mem::replace(&mut side.told_empty, true) {
                self.out.events.push_back(Event::TableEmpty { family });
            }
        } else {
            side.next_own = now + side.own_wait;
            side.own_wait = (side.own_wait * 2).min(OWN_INTERVAL);
        }
        let lookup = self.look_up(family, own);
        let (v4, v6) = match family {
            Family::V4 => (lookup, None),
            Family::V6 => (None, lookup),
        };
        self.searches.begin(Search::new(Task::Upkeep, v4, v6));
    }

    /// Asks a node that may come into the table, or else the one of the table that was silent longest, or else
    /// one that may know nodes for a bucket with room.
    fn refresh_one(&mut self, now: Instant, family: Family) {
        let interval = self.config.upkeep_interval;
        let Some(side) = self.sides.get_mut(family).filter(|side| side.next_upkeep <= now) else {
            return;
        };
        side.next_upkeep = now + if side.is_thin() { interval / HURRY } else { interval };
        if side.table.len() == 0 {
            side.next_own = side.next_own.min(now + side.bootstrap_wait);
        }
        let own = side.table.own();
        let due = side.table.due(now, ASK_AFTER, &mut self.rng);
        let ask = due.or_else(|| side.next_candidate().map(|node| (node, own))).or_else(|| {
            let target = side.table.gap(&mut self.rng)?;
            side.table.closest(target, 1).first().map(|node| (*node, target))
        });
        if let Some((node, target)) = ask {
            self.ask(
                now,
                node.address,
                Some(node.id),
                Method::FindNode { target },
                Purpose::Upkeep,
            );
        }
    }

    /// Nodes that were named in upkeep may come into the table (D-46).
    pub(super) fn add_candidates(&mut self, nodes: Vec<NodeInfo>) {
        for node in nodes {
            if let Some(side) = self.sides.get_mut(node.family()) {
                side.add_candidate(node);
            }
        }
    }
}
