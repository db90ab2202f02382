use tokio::signal;

/// Ends at the first SIGINT or SIGTERM (Ctrl-C where there are no signals).
///
/// # Errors
///
/// When the handlers cannot be installed.
pub async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
        tokio::select! {
            result = signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await
}
