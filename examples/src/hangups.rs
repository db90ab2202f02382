use crate::Failure;

/// The SIGHUPs to come, where they mean something; none on systems without signals.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Catches the signal from now on, or leaves it as it is, which ends the program.
    ///
    /// # Errors
    ///
    /// [`Failure::CouldNot`] if the signal cannot be caught.
    #[cfg(unix)]
    pub fn new(are_caught: bool) -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};

        let signals = are_caught.then(|| signal(SignalKind::hangup())).transpose();
        let could_not = |error| Failure::could_not("cannot catch SIGHUP", &error);
        Ok(Self { signals: signals.map_err(could_not)? })
    }

    /// Catches nothing.
    ///
    /// # Errors
    ///
    /// None.
    #[cfg(not(unix))]
    pub fn new(_: bool) -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next one. May be cancelled.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals {
            signals.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    }
}
