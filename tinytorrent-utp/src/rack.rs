use std::time::Duration;

/// Loss by time instead of by counts (RFC 8985): a packet is lost if one that was sent later has come a while ago.
/// Packets that only change places cost nothing.
///
/// The RFC counts the while from the round trip of the later packet. Where a queue drains, that is shorter than the one
/// of the packet, so that it is counted from the arrival here.
#[derive(Debug, Default)]
pub(crate) struct Rack {
    /// The last sending of those that have come.
    newest: Option<u64>,
    /// Quarters of the shortest round trip that a packet may be late; more after each that was sent again in vain.
    quarters: u32,
}

impl Rack {
    /// Takes the acknowledgement of a packet whose last sending was this one.
    pub(crate) fn on_arrived(&mut self, sending: u64) {
        self.newest = self.newest.max(Some(sending));
    }

    /// A packet was sent again, and the first one came after all.
    pub(crate) fn on_spurious(&mut self) {
        self.quarters = (self.quarters + 1).min(MOST_QUARTERS);
    }

    /// True if one that was sent later has come.
    pub(crate) fn is_overtaken(&self, sending: u64) -> bool {
        self.newest.is_some_and(|newest| sending < newest)
    }

    /// Time after which a packet that was overtaken is lost: a quarter of the shortest round trip, and never more than
    /// the mean (RFC 8985, section 6.2).
    pub(crate) fn patience(&self, least: Duration, smooth: Duration) -> Duration {
        (least * (1 + self.quarters) / 4).min(smooth).max(LEAST_LATE)
    }
}

/// The jitter of a host that reads a batch at a time, which matters where round trips are shorter.
const LEAST_LATE: Duration = Duration::from_micros(250);

const MOST_QUARTERS: u32 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_packet_is_overtaken_by_those_that_were_sent_later() {
        let mut rack = Rack::default();
        assert!(!rack.is_overtaken(0));
        rack.on_arrived(5);
        // An older one says nothing new.
        rack.on_arrived(3);
        assert_eq!([4, 5, 6].map(|sending| rack.is_overtaken(sending)), [true, false, false]);
    }

    #[test]
    fn those_that_were_late_make_it_more_patient_up_to_a_round_trip() {
        let mut rack = Rack::default();
        let patience = |rack: &Rack| rack.patience(ms(40), ms(50));
        assert_eq!(patience(&rack), ms(10));
        rack.on_spurious();
        assert_eq!(patience(&rack), ms(20));
        for _ in 0..100 {
            rack.on_spurious();
        }
        assert_eq!(patience(&rack), ms(50));
        assert_eq!(rack.patience(ms(0), ms(0)), LEAST_LATE);
    }
}
