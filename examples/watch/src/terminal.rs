use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::Screen;

/// The terminal, as a whole screen. It is as before once this is dropped, and after a panic.
#[derive(Debug)]
pub(crate) struct Terminal {
    terminal: DefaultTerminal,
    events: UnboundedReceiver<Event>,
    is_over: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// It is none, or the system refuses.
    pub(crate) fn open() -> io::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let is_over = Arc::<AtomicBool>::default();
        let terminal = ratatui::try_init()?;
        let flag = Arc::clone(&is_over);
        let opened = Self { terminal, events, is_over };
        // The terminal blocks whoever reads it.
        thread::Builder::new().name("keys".into()).spawn(move || read(&sender, &flag))?;
        Ok(opened)
    }

    /// Draws the screen.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, screen: &Screen<'_>) -> io::Result<()> {
        self.terminal.draw(|frame| screen.draw(frame)).map(drop)
    }

    /// Waits for a key or a change of size; `None` once the terminal is gone. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        ratatui::restore();
    }
}

/// Reads events until the terminal is gone or given back.
fn read(sender: &UnboundedSender<Event>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let event = match event::poll(Duration::from_millis(200)) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        if !event.is_ok_and(|event| sender.send(event).is_ok()) {
            return;
        }
    }
}
