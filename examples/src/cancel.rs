use std::sync::atomic::{AtomicBool, Ordering};

use crate::interrupted;

/// A flag that the first SIGINT or SIGTERM raises, for programs that block.
///
/// Where signals cannot be caught it stays down, and a signal ends the program as usual.
pub fn interrupt_flag() -> &'static AtomicBool {
    static FLAG: AtomicBool = AtomicBool::new(false);
    static WATCH: std::sync::Once = std::sync::Once::new();
    WATCH.call_once(|| _ = std::thread::spawn(watch(&FLAG)));
    &FLAG
}

fn watch(flag: &'static AtomicBool) -> impl FnOnce() + Send {
    move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if runtime.is_ok_and(|runtime| runtime.block_on(interrupted()).is_ok()) {
            flag.store(true, Ordering::Relaxed);
        }
    }
}
