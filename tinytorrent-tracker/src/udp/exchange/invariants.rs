use super::endpoint::Connection;
use super::{Exchange, Phase, Timer, Transaction};

impl Exchange {
    /// Checks the invariants of this machine, for tests, simulators and fuzzers.
    ///
    /// # Panics
    /// If an invariant does not hold, which is a bug of this crate.
    pub fn check_invariants(&self) {
        self.check_requests();
        self.check_endpoints();
        let asking = self
            .endpoints
            .values()
            .filter(|endpoint| matches!(endpoint.connection, Connection::Asking { .. }));
        assert_eq!(
            self.transactions.len(),
            self.pending.len() + asking.count(),
            "a transaction for each request and each connect, and no other"
        );
    }

    fn check_requests(&self) {
        for (id, pending) in &self.pending {
            let owner = self.transactions.get(&pending.transaction_id);
            assert_eq!(owner, Some(&Transaction::Request(*id)));
            let deadline = pending.deadline.expect("a request has a deadline");
            assert!(self.timers.contains(&(deadline, Timer::Retransmit(*id))));
            assert!(pending.retransmits <= self.config.max_retransmits);
            let endpoint = &self.endpoints[&pending.address];
            assert_eq!(endpoint.waiting.contains(id), pending.phase == Phase::Waiting);
        }
        let retransmits = self.timers.iter().filter(|(_, t)| matches!(t, Timer::Retransmit(_)));
        assert_eq!(retransmits.count(), self.pending.len());
    }

    fn check_endpoints(&self) {
        for (address, endpoint) in &self.endpoints {
            let requests = self.pending.values().filter(|pending| pending.address == *address);
            assert_eq!(endpoint.requests, requests.count());
            assert!(!endpoint.is_idle(), "the endpoint {address} is not needed");
            match endpoint.connection {
                Connection::Asking { transaction_id, .. } => {
                    assert!(!endpoint.waiting.is_empty(), "no request waits for the connection");
                    let owner = self.transactions.get(&transaction_id);
                    assert_eq!(owner, Some(&Transaction::Connect(*address)));
                }
                Connection::None | Connection::Open { .. } => {
                    assert!(endpoint.waiting.is_empty(), "a request waits without a connect");
                }
            }
        }
    }
}
