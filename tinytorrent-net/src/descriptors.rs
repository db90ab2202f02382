use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, lookup_host};
use tokio::time::Instant;

/// Makes room for a socket that cannot be opened, as no file descriptor is left.
#[derive(Clone, Default)]
pub(crate) struct OnShortage(Option<Arc<dyn Fn() + Send + Sync>>);

impl OnShortage {
    pub(crate) fn new(make_room: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(make_room)))
    }

    /// Looks up a name. While there is no descriptor for that, it waits, but not beyond the deadline.
    pub(crate) async fn look_up(
        &self,
        deadline: Instant,
        host: &str,
        port: u16,
    ) -> io::Result<impl Iterator<Item = SocketAddr>> {
        let look_up = || async {
            let found = lookup_host((host, port)).await;
            found.map_err(|error| probe().err().unwrap_or(error))
        };
        self.wait(deadline, look_up).await
    }

    /// Opens a socket. While there is no descriptor, it waits, but not beyond the deadline: that says nothing
    /// about the other end.
    pub(crate) async fn wait<T, Opening: Future<Output = io::Result<T>>>(
        &self,
        deadline: Instant,
        open: impl Fn() -> Opening,
    ) -> io::Result<T> {
        loop {
            let outcome = open().await;
            let is_short = outcome.as_ref().is_err_and(is_out_of_descriptors);
            // The lack is a better error than a timeout.
            if !is_short || Instant::now() + PAUSE >= deadline {
                return outcome;
            }
            if let Self(Some(make_room)) = self {
                make_room();
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Opens as many sockets as a lookup takes at once. Some resolvers say that the name does not exist if they
/// cannot open their files.
fn probe() -> io::Result<()> {
    let sockets = [(); 3].map(|()| TcpSocket::new_v4());
    sockets.into_iter().try_for_each(|socket| socket.map(drop)).or_else(|error| {
        // A system without IPv4 says nothing about descriptors.
        if is_out_of_descriptors(&error) { Err(error) } else { Ok(()) }
    })
}

impl std::fmt::Debug for OnShortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "OnShortage(set)" } else { "OnShortage(unset)" })
    }
}

/// The interval at which a socket is tried to be opened again.
const PAUSE: Duration = Duration::from_millis(250);

/// Returns true if no descriptor was left, in the process or in the system.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    // `EMFILE` and `ENFILE`, which have the same numbers on all Unixes.
    #[cfg(unix)]
    let codes = [24, 23];
    // `WSAEMFILE`.
    #[cfg(not(unix))]
    let codes = [10024];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn short() -> io::Result<u32> {
        Err(io::Error::from_raw_os_error(24))
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_waits_for_a_descriptor_and_room_is_made_for_it() {
        let room = Arc::<AtomicU32>::default();
        let made = Arc::clone(&room);
        let shortage = OnShortage::new(move || _ = made.fetch_add(1, Ordering::Relaxed));
        let deadline = Instant::now() + Duration::from_secs(60);
        let open = async || match room.load(Ordering::Relaxed) {
            5 => Ok(7),
            _ => short(),
        };
        assert_eq!(shortage.wait(deadline, open).await.unwrap(), 7);
        assert_eq!(deadline - Instant::now(), Duration::from_secs(60) - 5 * PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_at_the_deadline_and_other_errors_are_not_waited_for() {
        let (begun, shortage) = (Instant::now(), OnShortage::default());
        let error = shortage.wait(begun + 10 * PAUSE, async || short()).await.unwrap_err();
        assert!(is_out_of_descriptors(&error));
        assert_eq!(begun.elapsed(), 9 * PAUSE);
        let refused = async || Err::<u32, _>(io::ErrorKind::ConnectionRefused.into());
        let error = shortage.wait(begun + 99 * PAUSE, refused).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(begun.elapsed(), 9 * PAUSE);
    }
}
