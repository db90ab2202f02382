use std::io;
use std::time::Duration;

/// The reason for which a gateway makes no mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MapError {
    /// It does not speak the protocol.
    Unsupported,
    /// It says no, and is not to be asked again for this time.
    Refused { why: &'static str, retry_after: Duration },
    /// It does not answer.
    Silent,
    /// The system refuses, or nobody listens there.
    System(io::ErrorKind),
}

impl MapError {
    pub(crate) fn of_system(error: io::Error) -> Self {
        Self::System(error.kind())
    }

    /// Time for which it is not to be asked again.
    pub(crate) fn retry_after(&self) -> Duration {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn why(&self) -> &'static str {
        match self {
            Self::Unsupported | Self::Silent | Self::System(_) => "no gateway answers",
            Self::Refused { why, .. } => why,
        }
    }
}
